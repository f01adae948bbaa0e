"""An HTTP server of this process, for tests that read files elsewhere; no test itself.

fsspec's usual client of HTTP needs aiohttp, which is not among our packages; another of its own
reads by requests, which TensorFlow brings.
"""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.http_sync import HTTPFileSystem
from fsspec.registry import _registry


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and parts of its files; `cut` bytes into a file, the connection ends."""

    cut: int | None = None

    def send_head(self) -> Any:
        if self.path.startswith("/secret"):
            self.send_error(403)
            return None
        wanted = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if self.command == "HEAD" or wanted is None:
            return super().send_head()
        content = Path(self.translate_path(self.path)).read_bytes()
        first, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        return BytesIO(content[first : last + 1 if self.cut is None else max(first, self.cut)])

    def log_message(self, *_: object) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of clients that it has lost."""

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, type[Handler]]]:
    """Give the address at which the files of a folder are, and the handler that gives them out."""

    class Own(Handler):
        pass

    def made(*arguments: Any) -> Own:
        return Own(*arguments, directory=str(folder))

    with Server(("127.0.0.1", 0), made) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", Own
        running.shutdown()


def read_http_by_requests() -> None:
    """Let fsspec read HTTP in this process, without aiohttp."""
    fsspec.register_implementation("http", HTTPFileSystem, clobber=True)


def forget_http() -> None:
    """Leave fsspec as it was."""
    _registry.pop("http", None)
    HTTPFileSystem.clear_instance_cache()
