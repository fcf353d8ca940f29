"""The page's own files.

One rule: only what lies in the page's folder is ever sent, and the browser is
told to run nothing else.
"""

import asyncio
import mimetypes
from collections.abc import Callable, Sequence
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path

from gateway.ui.asgi import Answer, Receive, Scope, Send, headers_of, refusal_answer, respond
from gateway.ui.problems import RequestError, UnknownError, WrongMethodError

_NOT_FOR_BROWSERS = frozenset({"node_modules"})
_SHORT = {"": "index.html", "r": "r.html"}
"""Addresses that are no names of files: the television's page, and the one in the pairing code for phones."""
_MAX_FILE_BYTES = 8 * 1024 * 1024
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


class Pages:
    """An ASGI application that serves the files below one folder."""

    def __init__(self, folder: Path, frames: Callable[[], Sequence[str]]) -> None:
        self._folder = folder
        self._frames = frames

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope)
        except RequestError as refusal:
            answer = refusal_answer(refusal)
        await respond(scope, send, answer)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            raise WrongMethodError("A page can only be read", headers={"Allow": "GET, HEAD"})
        file, body = await asyncio.to_thread(self._read, scope["path"])
        asked = headers_of(scope)
        tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
        headers = {
            "etag": tag,
            "cache-control": "no-cache",
            "content-security-policy": self._policy(asked.get("host", "")),
        }
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if asked.get("if-none-match") == tag:
            return Answer(status=HTTPStatus.NOT_MODIFIED, kind=kind, body=b"", headers=headers)
        return Answer(status=HTTPStatus.OK, kind=kind, body=body, headers=headers)

    def _read(self, path: str) -> tuple[Path, bytes]:
        names = [name for name in path.split("/") if name]
        if any(name.startswith(".") or name in _NOT_FOR_BROWSERS or "\\" in name for name in names):
            raise UnknownError("There is no such page")
        file = self._folder / _SHORT.get("/".join(names), "/".join(names))
        try:
            inside = file.resolve().is_relative_to(self._folder.resolve())
            if inside and file.is_file() and file.stat().st_size <= _MAX_FILE_BYTES:
                return file, file.read_bytes()
        except (OSError, ValueError):  # names no file system takes: too long, or with a NUL
            pass
        raise UnknownError("There is no such page")

    def _policy(self, host: str) -> str:
        # Older WebKit does not count ws: as 'self', so the address is said in full; the guard has checked it.
        frames = " ".join(self._frames()) or "'none'"
        return "; ".join(
            (
                "default-src 'self'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data:",
                f"connect-src 'self' ws://{host}",
                "media-src 'self' blob: data:",
                "worker-src 'self' blob:",
                f"frame-src {frames}",
                "frame-ancestors 'none'",
                "base-uri 'none'",
                "form-action 'none'",
                "object-src 'none'",
            )
        )
