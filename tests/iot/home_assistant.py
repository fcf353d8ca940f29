"""Home Assistant itself for tests: the household's second hub at the same broker, set up as a person would.

One rule: it has nothing but MQTT, and what it looks for beyond this machine is
refused and written down.
"""

import asyncio
import os
import re
import socket
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench import iot_home_assistant
from bench.iot_machine import free
from gateway.child import running
from gateway.pubsub import Publisher

START_S = 180.0
"""It needs five seconds, and ten times that on a machine that does other things."""
PATIENCE_S = 60.0
STOP_S = 0.1
"""It is thrown away as it is."""

_ALONE = Path(__file__).parent / "alone"
_LINE = re.compile(
    r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) \([^)]*\) \[homeassistant\.(?:components|helpers|util)\b.*"
)


@dataclass(frozen=True)
class Installed:
    """A Home Assistant that runs, with an owner.

    Attributes:
        url: Of its page.
        token: Of its owner.
        folder: Where it keeps what it knows.
    """

    url: str
    token: str
    folder: Path

    @property
    def complaints(self) -> list[str]:
        """What it warned of: anything but its own start, and a machine that stood still."""
        said = (self.folder / "hass.log").read_text(errors="replace").splitlines()
        return [line for line in said if _LINE.match(line) and "No ACK from MQTT server" not in line]

    @asynccontextmanager
    async def owner(self) -> AsyncIterator["Owner"]:
        """Its owner at its page, for the length of a block."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"}) as session,
            session.ws_connect(f"{self.url}/api/websocket", max_msg_size=0) as line,
        ):
            owner = Owner(self, session, line)
            await owner.enter()
            listening = asyncio.create_task(owner.listen(), name="listen to Home Assistant")
            try:
                yield owner
            finally:
                listening.cancel()
                await asyncio.wait({listening})


class Owner:
    """Who sees and orders by Home Assistant's own interfaces, as its page does.

    Attributes:
        past: What each entity has been since the owner came, in order; `None` for what went.
    """

    def __init__(
        self, home: Installed, session: aiohttp.ClientSession, line: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.past: defaultdict[str, list[str | None]] = defaultdict(list)
        self._home = home
        self._session = session
        self._line = line
        self._changes: Publisher[str] = Publisher()

    async def enter(self) -> None:
        """Show the token and ask for what changes."""
        async with asyncio.timeout(PATIENCE_S):
            await self._line.receive_json()
            await self._line.send_json({"type": "auth", "access_token": self._home.token})
            assert (await self._line.receive_json())["type"] == "auth_ok"
            await self._line.send_json({"id": 1, "type": "subscribe_events", "event_type": "state_changed"})
            assert (await self._line.receive_json())["success"]

    async def listen(self) -> None:
        """Note what changes until cancelled."""
        while True:
            said = await self._line.receive_json()
            entity, state = said["event"]["data"]["entity_id"], said["event"]["data"]["new_state"]
            self.past[entity].append(state and state["state"])
            self._changes.publish(entity)

    async def ask(self, entity: str) -> Mapping[str, Any] | None:
        """Return what ``/api/states`` says of `entity`; `None` if there is no such thing."""
        async with self._session.get(f"{self._home.url}/api/states/{entity}") as answer:
            if answer.status == 404:
                return None
            found: Mapping[str, Any] = await answer.json()
            return found

    async def until(self, entity: str, *states: str | None) -> Mapping[str, Any]:
        """Wait until `entity` is one of `states`; returns its attributes, none for what is not there."""
        with self._changes.subscribe() as changes:
            found: Mapping[str, Any] = {}
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while (found := await self.ask(entity) or {}).get("state") not in states:
                        while await anext(changes) != entity:
                            pass
            except TimeoutError:
                raise AssertionError(
                    f"{entity} is {found}, was {self.past[entity]}; {self._home.complaints}"
                ) from None
        attributes: Mapping[str, Any] = found.get("attributes", {})
        return attributes

    async def call(self, service: str, entity: str, **more: object) -> None:
        """Call a service on `entity`."""
        path = f"{self._home.url}/api/services/{service.replace('.', '/')}"
        async with self._session.post(path, json={"entity_id": entity, **more}) as answer:
            assert answer.ok, await answer.text()

    async def work_out(self, template: str) -> str:
        """Return what a template of Home Assistant's says."""
        async with self._session.post(
            f"{self._home.url}/api/template", json={"template": template}
        ) as answer:
            return await answer.text()


def alone(folder: Path) -> dict[str, str]:
    """Return the environment of a program in Python that shall keep to this machine; see `sought`."""
    return {**os.environ, "PYTHONPATH": str(_ALONE), "SOUGHT": str(folder / "sought")}


def sought(folder: Path) -> list[str]:
    """Return what a program in the environment `alone` looked for beyond this machine."""
    notes = folder / "sought"
    return notes.read_text().splitlines() if notes.exists() else []


@asynccontextmanager
async def home_assistant(folder: Path, broker: int) -> AsyncIterator[Installed]:
    """Home Assistant for the length of a block, at the broker on port `broker`."""
    page = free(socket.SOCK_STREAM)
    iot_home_assistant.write(folder, broker=broker, page=page)
    argv = iot_home_assistant.argv(folder)
    async with running(
        argv, env=alone(folder), cwd=folder, stdout=DEVNULL, stderr=STDOUT, stop_s=STOP_S
    ) as process:
        url = f"http://127.0.0.1:{page}"
        yield Installed(url, await _begin(url, process), folder)


async def _begin(url: str, process: Process) -> str:
    """Do what the first person at its page does: become its owner; returns the owner's token."""
    person = {"name": "Li", "username": "li", "password": "secret", "client_id": f"{url}/", "language": "en"}
    async with asyncio.timeout(START_S), aiohttp.ClientSession(raise_for_status=True) as session:
        while True:
            assert process.returncode is None, (
                "Home Assistant ended; is it there? `make setup-test` brings it"
            )
            try:
                async with session.post(f"{url}/api/onboarding/users", json=person) as answer:
                    code = (await answer.json())["auth_code"]
                break
            except aiohttp.ClientError:
                # It is not there yet, or its page is and the rest is not.
                await asyncio.sleep(0.1)
        asked = {"grant_type": "authorization_code", "code": code, "client_id": f"{url}/"}
        async with session.post(f"{url}/auth/token", data=asked) as answer:
            return str((await answer.json())["access_token"])
