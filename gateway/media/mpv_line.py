"""A connection on which mpv reads a stream of this box itself.

One rule: only a plain answer is handed over; anything else mpv fetches for itself.

Mpv can leave a socket that it was given at any moment.  An address it opens by
ffmpeg, whose reads notice that they are not wanted any more only each 100 ms:
most of a zap, since a broadcast is waited for nearly all of the time.
"""

import re
import socket
from urllib.parse import urlsplit

CONNECT_WITHIN_S = 0.1
_HEAD_LIMIT_BYTES = 16 * 1024
_LOCAL = ("127.0.0.1", "::1", "localhost")
_PLAIN = re.compile(rb"HTTP/1\.[01] 200 ")
_CODED = re.compile(rb"\r\n(?:transfer|content)-encoding:", re.IGNORECASE)


def ask(url: str) -> socket.socket | None:
    """Ask this box for `url`; `None` if it is not a stream of this box, or nobody is there."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOCAL or not parts.path.endswith(".ts"):
        return None
    try:
        line = socket.create_connection((parts.hostname, parts.port or 80), timeout=CONNECT_WITHIN_S)
    except OSError:
        return None
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        # HTTP/1.0 knows no chunks: the body is the stream as it is.
        line.sendall(f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode("ascii"))
    except (OSError, UnicodeEncodeError):
        line.close()
        return None
    return line


def answer(line: socket.socket, *, within_s: float) -> bool | None:
    """Take the head of the answer, and nothing of the body.

    Returns whether the body is the stream as it is; `None` if there is no answer yet.
    """
    line.settimeout(within_s)
    try:
        # A server writes its head at once; one that comes in parts is not of this box.
        seen = line.recv(_HEAD_LIMIT_BYTES, socket.MSG_PEEK)
        end = seen.find(b"\r\n\r\n")
        if end < 0 or not _PLAIN.match(seen) or _CODED.search(seen, 0, end):
            return False
        line.recv(end + 4, socket.MSG_WAITALL)
        line.settimeout(None)
    except TimeoutError:
        return None
    except OSError:
        return False
    return True
