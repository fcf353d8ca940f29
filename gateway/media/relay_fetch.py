"""The relay's way to an origin, with a deadline and a measure for everything.

One rule: every request has a deadline and a size, and whatever goes wrong
comes out as a `SourceError` that says what.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace

import aiohttp

from gateway.media import hls, relay_abreast
from gateway.media.hls import ByteRange
from gateway.media.relay_ahead import Ahead
from gateway.media.relay_facts import BadMediaError, RelayConfig, SlowSourceError, SourceError
from gateway.media.relay_guess import Guess, Guesses
from gateway.media.relay_hosts import Allowed, Hosts, anywhere
from gateway.media.relay_http import Body, Getter, Listener, PartsServed, Terms
from gateway.media.relay_masters import Masters
from gateway.media.relay_turns import Turns

MAX_KEY_BYTES = 1024
MIN_MEASURED_BYTES = 64 * 1024
USER_AGENT = "gateway"


@dataclass(slots=True)
class Learnt:
    """What all pulls of the house have learnt together.

    Attributes:
        throughput_bps: What its line was seen to carry; None before the first segment.
        parts: Who sends parts.
        masters: Playlists of playlists, which hardly ever change.
        guesses: What the lists of channels visited lately say about now.
        turns: Who may fetch a segment now.
    """

    throughput_bps: float | None = None
    parts: PartsServed = field(default_factory=PartsServed)
    masters: Masters = field(default_factory=Masters)
    guesses: Guesses = field(default_factory=Guesses)
    turns: Turns = field(default_factory=Turns)


@dataclass(slots=True)
class Meter:
    """What one pull has cost.

    Attributes:
        throughput_bps: Of recent segments; None before the first.
        under_way: What is being fetched now.
    """

    learnt: Learnt = field(default_factory=Learnt)

    under_way: int = 0
    playlists: int = 0
    segments: int = 0
    bytes_received: int = 0
    throughput_bps: float | None = None

    def received(self, size: int) -> None:
        """Count bytes as they come."""
        self.bytes_received += size

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Count what is fetched, for as long as the block lasts."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def fetched(self, size: int, took_s: float, *, alone: bool = True) -> None:
        """Count a segment that came whole; only over one connection it tells what the next will take."""
        self.segments += 1
        if alone and size >= MIN_MEASURED_BYTES:
            seen_bps = size * 8 / max(took_s, 0.001)
            self.throughput_bps = _blend(self.throughput_bps, seen_bps)
            self.learnt.throughput_bps = _blend(self.learnt.throughput_bps, seen_bps)

    @property
    def expected_bps(self) -> float | None:
        """What this pull may expect of the line; None if nobody knows."""
        return self.throughput_bps or self.learnt.throughput_bps


@dataclass(frozen=True, slots=True)
class Fetched:
    """A playlist's text and the address it really came from."""

    text: str
    url: str


def client_session(config: RelayConfig) -> aiohttp.ClientSession:
    """Return a session fit for `Upstream`; the caller closes it."""
    return aiohttp.ClientSession(
        # hls.decode unpacks by content: origins send gzip unannounced, and announce what they do not send.
        auto_decompress=False,
        # Signed addresses must not be rewritten on a redirect.
        requote_redirect_url=False,
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=64, ttl_dns_cache=60, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout_s),
        headers={"User-Agent": USER_AGENT},
        read_bufsize=256 * 1024,
        trust_env=False,
    )


class Upstream:
    """Fetches for one pull."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: RelayConfig,
        meter: Meter,
        allowed: Allowed = anywhere,
        *,
        is_guess: Callable[[], bool] = lambda: False,
    ) -> None:
        """Describe a way to an origin.

        Args:
            session: From `client_session`.
            config: Limits and times.
            meter: Where the cost is counted.
            allowed: Which hosts may be asked.
            is_guess: Whether nobody waits for what is fetched; it then waits for all others.
        """
        self._is_guess = is_guess
        self._get = Getter(session, Hosts(allowed), meter.learnt.parts)
        self._config = config
        self._meter = meter

    @property
    def guesses(self) -> Guesses:
        """What the house knows of lists."""
        return self._meter.learnt.guesses

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return a block in which a segment may be fetched, entered when it is its turn."""
        return self._meter.learnt.turns.turn(self._is_guess)

    async def playlist(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Return the playlist at `url`.

        Raises:
            SourceError: it could not be fetched.
            PlaylistError: what came cannot be text of a playlist.
        """
        with _explained(url, late=SourceError), self._meter.fetching():
            async with asyncio.timeout(self._config.playlist_timeout_s):
                body = await self._get.get(url, headers, self._terms(hls.MAX_PLAYLIST_BYTES))
        self._meter.playlists += 1
        return Fetched(hls.decode(body.data), body.url)

    async def segment(  # noqa: PLR0913 - what, how, and for whom
        self,
        url: str,
        headers: Mapping[str, str],
        part: ByteRange | None,
        *,
        deadline_s: float,
        listener: Listener | None = None,
        ahead: Ahead | None = None,
    ) -> bytes:
        """Return a piece of media.

        Args:
            url: Of the segment or init section.
            headers: The origin wants.
            part: Of what is there, or None for all.
            deadline_s: For the whole.
            listener: Who hears of it while it arrives.
            ahead: It has been asked for already.

        Raises:
            SlowSourceError: not all of it within `deadline_s`.
            SourceError: it could not be fetched whole.
        """
        clock = asyncio.get_running_loop().time
        waits = listener is not None and listener.waits
        whole = listener is not None and listener.arriving is None
        terms = replace(self._terms(self._config.max_segment_bytes), deadline_s=deadline_s, listener=listener)
        began_s = clock()
        early: Body | None = None
        with _explained(url), self._meter.fetching():
            async with asyncio.timeout(deadline_s):
                if part is not None:
                    body = await self._get.part(url, headers, part, terms)
                else:
                    if ahead is not None:
                        early = await ahead.body(listener)
                    if early is None and waits:
                        early = await relay_abreast.fetch(self._get, url, headers, terms, whole=whole)
                    body = early or await self._get.get(url, headers, terms)
        if not body.data:
            raise BadMediaError("A segment is empty")
        self._meter.fetched(len(body.data), clock() - began_s, alone=early is None)
        return body.data

    def ahead(self, guess: Guess, headers: Mapping[str, str], *, abreast: bool) -> Ahead:
        """Begin to fetch a segment that somebody will probably ask for; what fails is not told."""

        async def fetch(listener: Listener) -> Body | None:
            url, whole = guess.url, guess.whole
            terms = replace(self._terms(self._config.max_segment_bytes), listener=listener)
            try:
                if not abreast or not self._get.parts.served_by(url):
                    return await self._get.get(url, headers, terms)
                return await relay_abreast.fetch(self._get, url, headers, terms, whole=whole)
            except (SourceError, aiohttp.ClientError, ValueError, OSError):
                return None

        return Ahead(guess.url, fetch)

    async def key(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Return the bytes of a key."""
        with _explained(url, late=SourceError):
            async with asyncio.timeout(self._config.playlist_timeout_s):
                return (await self._get.get(url, headers, self._terms(MAX_KEY_BYTES))).data

    def _terms(self, limit_bytes: int) -> Terms:
        return Terms(limit_bytes, received=self._meter.received)


def _blend(before: float | None, seen: float) -> float:
    return seen if before is None else 0.7 * before + 0.3 * seen


@contextmanager
def _explained(url: str, late: type[SourceError] = SlowSourceError) -> Iterator[None]:
    host = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    try:
        yield
    except TimeoutError as error:
        raise late(f"{host} did not deliver in time") from error
    except aiohttp.ClientPayloadError as error:
        raise BadMediaError(f"{host} broke off in the middle") from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise SourceError(f"{host} cannot be reached: {type(error).__name__}") from error
