"""`python -m embzip`: the command line without its script."""

from embzip.cli import main

if __name__ == "__main__":
    main()
