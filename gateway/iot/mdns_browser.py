"""Listening to what the devices of the home announce by multicast DNS.

One rule: questions go to everybody by multicast, and only a few at a time;
no device is spoken to by itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from zeroconf import DNSPointer, RecordUpdate, RecordUpdateListener, ServiceStateChange, Zeroconf
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from gateway.iot.found import SERVICES, FoundDevices, Heard

log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Announcements that wait to be looked at; more are left out and counted."""

_ADDED = ServiceStateChange.Added
_ASKING = 4
_ANSWER_MS = 1500


class MdnsBrowser:
    """Puts what is announced into a list; lives as long as `run`."""

    def __init__(self, zeroconf: Zeroconf, found: FoundDevices, own_name: Callable[[], str]) -> None:
        """Describe a browser.

        Args:
            zeroconf: The open sockets.
            found: The list.
            own_name: What the box is called; it hears its own services, too.
        """
        self._zeroconf = zeroconf
        self._own_name = own_name
        self._found = found
        self._waiting: deque[tuple[str, str]] = deque()
        self._news = asyncio.Event()
        self._has_warned = False

    async def run(self) -> None:
        """Browse until cancelled."""
        renewals = _Renewals(self._found)
        self._zeroconf.async_add_listener(renewals, None)
        browser = AsyncServiceBrowser(self._zeroconf, list(SERVICES), handlers=[self._on_change])
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(_ASKING):
                    tasks.create_task(self._look(), name=f"mdns-look-{number}")
                await asyncio.get_running_loop().create_future()
        finally:
            await browser.async_cancel()
            self._zeroconf.async_remove_listener(renewals)

    def _on_change(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        del zeroconf
        instance = _instance(name, service_type)
        if instance == self._own_name():
            return
        if state_change is ServiceStateChange.Removed:
            self._found.lose(service_type, instance)
            with suppress(ValueError):
                self._waiting.remove((service_type, name))
        elif (service_type, name) in self._waiting:
            return
        elif len(self._waiting) >= MAX_WAITING or (self._found.is_full and state_change is _ADDED):
            self._found.refused += 1
            if not self._has_warned:
                self._has_warned = True
                log.warning("more devices are announced on the network than are listed")
        else:
            self._waiting.append((service_type, name))
            self._news.set()

    async def _look(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            service, name = self._waiting.popleft()
            try:
                info = AsyncServiceInfo(service, name)
                is_known = await info.async_request(self._zeroconf, _ANSWER_MS)
            except (ZeroconfError, OSError, ValueError):
                is_known = False
            if not is_known or info.port is None:
                self._found.refused += 1
                continue
            self._found.hear(
                Heard(
                    service=service,
                    instance=_instance(name, service),
                    addresses=tuple(info.parsed_scoped_addresses()),
                    port=info.port,
                    facts=info.properties,
                )
            )


class _Renewals(RecordUpdateListener):
    """Notes each time that a listed device is heard of, which a browser does not tell."""

    def __init__(self, found: FoundDevices) -> None:
        self._found = found

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        del zc
        for update in records:
            record = update.new
            if isinstance(record, DNSPointer) and record.name in SERVICES and not record.is_expired(now):
                self._found.renew(record.name, _instance(record.alias, record.name))


def _instance(name: str, service: str) -> str:
    return name.removesuffix(f".{service}")
