"""Getting bytes from a web server that may be slow, flaky or hostile.

One rule: nothing waits for ever.  A broken transfer goes on where it broke
(RFC 9110, Range with If-Range), and a trickle is cut off.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

_CHUNK = 16 * 1024
_OK, _PARTIAL, _ERROR = http.client.OK, http.client.PARTIAL_CONTENT, http.client.BAD_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the box waits.

    Attributes:
        connect_s: For a connection.
        gap_s: For the next bytes.
        window_s: For one file altogether.
        min_bytes_per_s: Slowest honest server, judged after `grace_s`.
        grace_s: Before slowness counts.
        resumes: How often a broken transfer is taken up again.
    """

    connect_s: float = 10.0
    gap_s: float = 15.0
    window_s: float = 1800.0
    min_bytes_per_s: int = 512
    grace_s: float = 20.0
    resumes: int = 4


class Fetcher(FetcherInterface):
    """python-tuf's way to the network, over one urllib3 pool."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=patience.connect_s, read=patience.gap_s),
            retries=urllib3.Retry(connect=1, read=0, redirect=3, other=0, status=0),
            headers={"User-Agent": "gateway", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Let go of every connection."""
        self._pool.clear()

    def _fetch(self, url: str) -> Iterator[bytes]:
        response = self._ask(url, {})
        if response.status >= _ERROR:
            response.close()
            raise DownloadHTTPError(f"{url} answers {response.status}", response.status)
        return self._body(url, response)

    def _body(self, url: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the whole body, over as many connections as it takes."""
        started, received, resumes = self._clock(), 0, 0
        etag = response.headers.get("ETag", "")
        while True:
            try:
                for chunk in response.stream(_CHUNK):
                    received += len(chunk)
                    self._judge(url, started, received)
                    yield chunk
            except urllib3.exceptions.HTTPError as error:
                resumes += 1
                # A weak or missing ETag cannot tell that the rest belongs to the beginning.
                if resumes > self._patience.resumes or not etag.startswith('"'):
                    raise _wrapped(url, error) from error
            else:
                return
            finally:
                response.close()
            rest = {"Range": f"bytes={received}-", "If-Range": etag} if received else {}
            response = self._ask(url, rest)
            if response.status != (_PARTIAL if received else _OK):
                response.close()
                raise DownloadError(f"{url} changed or ended during the transfer")

    def _ask(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "GET", url, preload_content=False, headers={**self._pool.headers, **headers}
            )
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError(f"{url} cannot be reached: {_reason(error)}") from error

    def _judge(self, url: str, started: float, received: int) -> None:
        spent_s = self._clock() - started
        if spent_s > self._patience.window_s:
            raise SlowRetrievalError(f"{url} took longer than {self._patience.window_s:.0f} s")
        if spent_s > self._patience.grace_s and received < spent_s * self._patience.min_bytes_per_s:
            raise SlowRetrievalError(f"{url} sends under {self._patience.min_bytes_per_s} bytes a second")


def _wrapped(url: str, error: Exception) -> DownloadError:
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return SlowRetrievalError(f"{url} stopped sending")
    return DownloadError(f"{url} broke off: {_reason(error)}")


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return type(cause).__name__
