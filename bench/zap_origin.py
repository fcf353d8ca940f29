"""The origin at the far end of the emulated line, a process of its own.

One rule: what is sent is decided at once and handed out as `bench.zap_line` says;
nothing else delays an answer.  Plain HTTP/1.1 with connections kept open.

``python -m bench.zap_origin MATERIAL [--port 0] [--log FILE]`` prints its address.  The
log has one JSON line per answer: when it was asked, began to come and had come, by
the monotonic clock, which all processes of a machine share.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

from bench.zap_line import Connection, Line, LineSpeed
from bench.zap_site import Answer, Site

MAX_HEAD_BYTES = 16 * 1024
IDLE_S = 60.0


class Origin:
    """Answers requests through the line."""

    def __init__(self, site: Site, line: Line, log: TextIO | None = None) -> None:
        self._site = site
        self._line = line
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[int]:
        """Serve for as long as the block lasts; yields the port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=MAX_HEAD_BYTES)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = Connection(self._line, time.monotonic())
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.decode("latin-1"), connection, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return
        finally:
            writer.transport.abort()

    async def _answer(self, head: str, connection: Connection, writer: asyncio.StreamWriter) -> None:
        asked_s = time.monotonic()
        at_s = first_s = connection.asked(asked_s)
        request, *fields = head.rstrip().split("\r\n")
        method, target, _ = request.split(" ", 2)
        headers = {name.lower(): text.strip() for name, _, text in (each.partition(":") for each in fields)}
        path = target.partition("?")[0]
        # A line-up is asked for at the time of the request's arrival, half a round trip later.
        now = time.time() + self._line.speed.rtt_s / 2
        answer = self._site.answer(path, now, host=headers.get("host", ""))
        data = _with_head(answer, headers.get("range", ""), only_head=method == "HEAD")
        sent = 0
        while sent < len(data):
            size, came_s = connection.send(len(data) - sent, at_s)
            await asyncio.sleep(came_s - time.monotonic())
            writer.write(data[sent : sent + size])
            await writer.drain()
            sent += size
        if self._log is not None:
            times = {"asked": asked_s, "first": first_s, "last": came_s}
            print(json.dumps({"path": path, "bytes": sent, **times}), file=self._log, flush=True)


def _with_head(answer: Answer, wanted: str, *, only_head: bool) -> bytes:
    status, body, more = f"{answer.status} {'OK' if answer.status == 200 else 'Not Found'}", answer.body, ""  # noqa: PLR2004
    first, dash, last = wanted.removeprefix("bytes=").partition("-")
    if answer.status == 200 and dash and first.isdecimal() and int(first) >= len(body):  # noqa: PLR2004
        more = f"Content-Range: bytes */{len(body)}\r\n"
        status, body = "416 Range Not Satisfiable", b""
    elif answer.status == 200 and dash and first.isdecimal():  # noqa: PLR2004
        end = min(int(last), len(body) - 1) if last.isdecimal() else len(body) - 1
        more = f"Content-Range: bytes {first}-{end}/{len(body)}\r\n"
        status, body = "206 Partial Content", body[int(first) : end + 1]
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {answer.type}\r\nContent-Length: {len(body)}\r\n"
        f"Accept-Ranges: bytes\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: no-cache\r\n{more}\r\n"
    )
    return head.encode() + (b"" if only_head else body)


async def serve(origin: Origin, port: int) -> None:
    """Listen until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with origin.listening(port) as taken:
        print(f"http://127.0.0.1:{taken}", flush=True)  # noqa: T201 - told to who started us
        await stop.wait()


def main() -> None:
    """Serve made material."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("material", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    said = parser.parse_args()
    with contextlib.suppress(OSError):
        os.nice(-10)  # another machine would not suffer from this one's load
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(said.log.open("a")) if said.log else None
        site = Site(said.material)
        site.warm_up(time.time())
        asyncio.run(serve(Origin(site, Line(LineSpeed()), log), said.port))


if __name__ == "__main__":
    main()
