"""A static web server for trying a repository on the operator's own machine.

One rule: loopback only, and only what a content network would carry; staged
files and keys are not served.
"""

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PUBLIC = ("/metadata/", "/targets/")


class _Handler(SimpleHTTPRequestHandler):
    """Serves files of the public folders."""

    server_version = "headend"

    def do_GET(self) -> None:  # the standard library's name
        if self._is_public():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_public():
            super().do_HEAD()

    def _is_public(self) -> bool:
        if self.path.startswith(_PUBLIC) and not self.path.endswith("/"):
            return True
        self.send_error(HTTPStatus.NOT_FOUND)
        return False


def server(repository: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of `repository` bound to loopback; the caller runs and closes it.

    Args:
        repository: Its folder.
        port: 0 takes a free one; see ``server_port``.
    """
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(repository)))
