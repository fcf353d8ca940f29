"""The box and the devices around it: it says that it is there, and hears who else is.

One rule: a box whose services stay on itself keeps silent; it opens no socket,
announces nothing and listens to nobody.

A link that comes up late and an address that changes are told to the network
within a second; when all links are gone, the service waits for one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import ungrouped
from gateway.iot import lan
from gateway.iot.announcement import DiscoveryConfig, MulticastError, Offer
from gateway.iot.found import FoundDevices

log = logging.getLogger(__name__)


class Neighbourhood:
    """Announces and browses; a service.

    Attributes:
        found: Devices that were announced by others.
    """

    def __init__(self, config: DiscoveryConfig, box: str, offers: Sequence[Offer]) -> None:
        """Describe it; nothing is opened before `run`.

        Args:
            config: The ``iot.discovery`` section.
            box: What the box would like to be called.
            offers: What others can reach of it.
        """
        self.found = FoundDevices(config.max_found, config.keep_s)
        self._config = config
        self._box = box
        self._offers = tuple(offers)

    async def run(self, ready: Callable[[], None]) -> None:
        """Announce and browse until cancelled.

        Raises:
            MulticastError: the network cannot be spoken to.
            NamesTakenError: there is no name left for the box.
        """
        ready()
        if not self._offers or not (self._config.announce or self._config.browse):
            await asyncio.get_running_loop().create_future()
        # Some hundred milliseconds on a slow core, and some megabytes: only for boxes that need it.
        await asyncio.to_thread(_load)
        # Where the kernel may not be asked, this says so in clear words.
        self._attachments()
        bell = asyncio.Event()
        with lan.changes() as changed, ungrouped():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_watch(changed, bell), name="network-changes")
                while True:
                    bell.clear()
                    if here := self._attachments():
                        await self._live(here, bell)
                    else:
                        log.info("on no network; waiting for one")
                        await bell.wait()

    def _attachments(self) -> tuple[lan.Attachment, ...]:
        try:
            return lan.attachments(self._config.interfaces)
        except OSError as error:
            raise MulticastError(f"the kernel does not say which networks there are: {error}") from error

    async def _live(self, here: tuple[lan.Attachment, ...], bell: asyncio.Event) -> None:
        """Stay on the networks until there is none."""
        from gateway.iot.mdns import Responder  # noqa: PLC0415 - see `run`
        from gateway.iot.mdns_browser import MdnsBrowser  # noqa: PLC0415 - see `run`

        offers = self._offers if self._config.announce else ()
        async with Responder(self._box, offers, here, bell.set) as responder:
            await responder.claim()
            async with asyncio.TaskGroup() as tasks:
                browser = MdnsBrowser(responder.zeroconf, self.found, lambda: responder.name)
                browsing = tasks.create_task(
                    browser.run() if self._config.browse else asyncio.sleep(0), name="mdns-browse"
                )
                while True:
                    await bell.wait()
                    bell.clear()
                    if not (now := self._attachments()):
                        break
                    if now != here:
                        await responder.move(now)
                        here = now
                    if responder.is_contested:
                        await responder.rename()
                browsing.cancel()
        self.found.clear()


async def _watch(changed: Callable[[], Awaitable[None]], bell: asyncio.Event) -> None:
    while True:
        try:
            await changed()
        except OSError as error:
            raise MulticastError(f"the kernel does not tell of networks any more: {error}") from error
        bell.set()


def _load() -> None:
    from gateway.iot import mdns, mdns_browser  # noqa: F401, PLC0415 - see `Neighbourhood.run`
