import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError

from gateway.trust.fetch import Fetcher, Patience

BODY = bytes(range(256)) * 2048
ETAG = '"one"'

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def web(behaviour: Behaviour) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            behaviour(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file"
        finally:
            server.shutdown()
            thread.join()


class Flaky:
    """A server that loses the connection after each part, and goes on where it was asked to.

    Attributes:
        ranges: What was asked for.
    """

    def __init__(self, part: int, etags: Iterator[str]) -> None:
        self.ranges: list[str | None] = []
        self._part = part
        self._etags = etags

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.ranges.append(wanted)
        etag = next(self._etags)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and request.headers["If-Range"] != etag:
            start = 0
        request.send_response(206 if start else 200)
        request.send_header("ETag", etag)
        request.send_header("Content-Length", str(len(BODY) - start))
        request.end_headers()
        request.wfile.write(BODY[start : start + self._part])


def body(url: str, patience: Patience | None = None, clock: Callable[[], float] = time.monotonic) -> bytes:
    with closing(Fetcher(patience or Patience(), clock)) as fetcher:
        return b"".join(fetcher.fetch(url))


def always(etag: str) -> Iterator[str]:
    while True:
        yield etag


def test_a_broken_download_goes_on_where_it_broke() -> None:
    flaky = Flaky(200_000, always(ETAG))
    with web(flaky) as url:
        assert body(url) == BODY
    assert len(flaky.ranges) == 3
    assert flaky.ranges[0] is None
    # At most one read's worth of bytes is asked for again.
    assert all(wanted and int(wanted[6:-1]) % 200_000 > 160_000 for wanted in flaky.ranges[1:])


def test_a_file_that_changed_meanwhile_is_not_glued_together() -> None:
    with web(Flaky(200_000, iter([ETAG, '"two"']))) as url, pytest.raises(DownloadError, match="changed"):
        body(url)


def test_a_server_that_always_breaks_is_given_up() -> None:
    with web(Flaky(1000, always(ETAG))) as url, pytest.raises(DownloadError, match="broke off"):
        body(url, Patience(resumes=2))


def test_without_a_strong_etag_nothing_is_resumed() -> None:
    with web(Flaky(1000, always('W/"weak"'))) as url, pytest.raises(DownloadError, match="broke off"):
        body(url)


def test_a_silent_server_is_given_up() -> None:
    hung_up = threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        hung_up.wait(10)

    with web(silent) as url:
        with pytest.raises(SlowRetrievalError, match="stopped sending"):
            body(url, Patience(gap_s=0.3))
        hung_up.set()


def test_a_trickle_is_cut_off() -> None:
    times = iter(range(0, 1_000_000, 10))
    server = web(Flaky(len(BODY), always(ETAG)))
    with server as url, pytest.raises(SlowRetrievalError, match="bytes a second"):
        body(url, Patience(min_bytes_per_s=10_000), lambda: float(next(times)))


def test_a_refusal_keeps_its_status() -> None:
    with web(lambda request: request.send_error(404)) as url, pytest.raises(DownloadHTTPError) as refused:
        body(url)
    assert refused.value.status_code == 404


def test_nobody_there_is_said_plainly() -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        body("http://127.0.0.1:1/file", Patience(connect_s=1))
