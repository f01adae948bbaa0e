"""Our own file, .embz: the container, what it holds, and where its bytes are."""
