"""The box as other programs see it: its API and its events.

One rule: a test waits for a fact that the box tells, never for time to pass.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

Document = dict[str, Any]
API = "/api/v1/"
LAMP = "mqtt.demo_lamp"
TEMPERATURE = "coap.thermometer.3303.0.5700"
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Answer:
    """What a call was answered.

    Attributes:
        document: Decoded JSON; `None` if there was none.
    """

    status: int
    kind: str
    document: Any


class Box:
    """A client of one box."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, method: str, path: str, body: object = None, *, raw: bytes | None = None) -> Answer:
        """Make a call; `raw` is sent as it is."""
        sent = {"json": body} if body is not None else {}
        if raw is not None:
            sent = {"data": raw, "headers": {"Content-Type": "application/json"}}
        address = path if path.startswith("/") else API + path
        async with self._session.request(method, address, **sent) as answer:  # type: ignore[arg-type]
            has_json = answer.content_type.endswith("json")
            document = await answer.json(content_type=None) if has_json else None
            return Answer(answer.status, answer.content_type, document)

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return a document that must be there."""
        answer = await self.call("GET", path)
        assert answer.status == 200, answer
        return answer.document

    async def order(self, entity: str, value: object) -> Document:
        """Order an entity; return the command."""
        answer = await self.call("POST", f"entities/{entity}/commands", {"value": value})
        assert answer.status == 202, answer
        return dict(answer.document)

    async def press(self, key: str) -> None:
        """Press a key of the remote."""
        answer = await self.call("POST", "keys", {"key": key})
        assert answer.status in (200, 202, 204), answer

    async def tune(self, number: int) -> None:
        """Ask for a channel."""
        answer = await self.call("POST", "tv/tune", {"number": number})
        assert answer.status == 202, answer

    async def tv(self, good: Callable[[Document], object], within_s: float = 30) -> Document:
        """Return the first state of the television that is `good`."""
        return dict(await self._told("tv", good, within_s, lambda event: [event["tv"]]))

    async def entity(self, name: str, good: Callable[[Document], object], within_s: float = 20) -> Document:
        """Return the first state of an entity that is `good`."""
        told = await self._told(
            "entity",
            lambda entity: entity["id"] == name and good(entity),
            within_s,
            lambda event: event["entities"] if event["type"] == "snapshot" else [event["entity"]],
        )
        return dict(told)

    async def end_of(self, command: Document, within_s: float = 20) -> Document:
        """Return `command` when its life is over."""
        told = await self._told(
            "command",
            lambda one: one["id"] == command["id"] and one["state"] not in ("sent", "acknowledged"),
            within_s,
            lambda event: event["commands"] if event["type"] == "snapshot" else [event["command"]],
        )
        return dict(told)

    async def apps(self, good: Callable[[Any], object], within_s: float = 60) -> Any:  # noqa: ANN401 - JSON
        """Return the first list of apps that is `good`."""
        return await self._told("apps", good, within_s, lambda event: [event["apps"]])

    async def well(self, within_s: float = 60) -> Document:
        """Return the report of health when every service runs."""
        return dict(await self.until("/healthz", lambda report: report["status"] == "ok", within_s))

    async def until(self, path: str, good: Callable[[Any], object], within_s: float = 30) -> Any:  # noqa: ANN401
        """Return the first answer of a call that is `good`; for what the events do not tell."""
        last: object = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        answer = await self.call("GET", path)
                        last = answer.document
                        if answer.status == 200 and good(last):
                            return last
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise AssertionError(f"GET {path} stayed {last}") from None

    async def _told(
        self,
        kind: str,
        good: Callable[[Any], object],
        within_s: float,
        views: Callable[[Document], list[Any]],
    ) -> Any:  # noqa: ANN401 - JSON
        last: object = None
        try:
            async with asyncio.timeout(within_s), self._session.ws_connect(API + "events") as events:
                async for message in events:
                    event = message.json()
                    if event["type"] not in ("snapshot", kind):
                        continue
                    for view in views(event):
                        last = view
                        if good(view):
                            return view
        except TimeoutError:
            pass
        raise AssertionError(f"{kind} did not become so within {within_s:.0f} s, last: {last}")


@asynccontextmanager
async def box_at(port: int, token: str) -> AsyncIterator[Box]:
    """Talk to the box whose page is on `port`."""
    limit = aiohttp.ClientTimeout(total=20)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    base = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(base, timeout=limit, headers=headers) as session:
        yield Box(session)
