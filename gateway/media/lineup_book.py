"""The owner of the line-up: loads it, keeps it fresh, keeps the last good copy.

One rule: a line-up that has been good once is never lost.  Whatever comes
after it, missing, broken or empty, leaves the household its channels.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.disk import LocalDisk, replace_file
from gateway.errors import GatewayError
from gateway.media.lineup import LineUp, LineUpError
from gateway.media.lineup_source import LineUpSource, PlainLineUp
from gateway.pubsub import Publisher
from gateway.schema import FieldError

log = logging.getLogger(__name__)

FROM_REPOSITORY = "repository"
"""As an address: the line-up is in the operator's signed repository."""

TOLD_LINES = 3

_TIMES = ("file_every_s", "address_every_s", "signed_every_s", "retry_every_s", "timeout_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUpConfig:
    """The ``media.line_up_reload`` section.

    Attributes:
        file_every_s: How often a file is looked at.
        address_every_s: How often an http(s) address is asked.
        signed_every_s: How often the signed repository is asked; spread by a tenth either way over the boxes.
        retry_every_s: How often while there is no line-up at all.
        timeout_s: For a whole download.
    """

    file_every_s: float = 2.0
    address_every_s: float = 300.0
    signed_every_s: float = 3600.0
    retry_every_s: float = 3.0
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        for name in _TIMES:
            if not 0 < getattr(self, name) <= 86_400:  # noqa: PLR2004 - a day
                raise FieldError(name, "must be over 0 and at most 86400")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUpRecord:
    """What is here of the signed line-up, and why the last offer was refused.

    Attributes:
        installed: Area and version in use; None before the first.
        refused_code: Of the last refusal; None when the last check went well.
        refused_reason: In words for an installer.
        checked_at: When the repository was asked; None before the first time.
    """

    installed: str | None = None
    refused_code: str | None = None
    refused_reason: str | None = None
    checked_at: datetime | None = None


class LineUpBook:
    """See the module.

    Attributes:
        state: The line-up now; empty until the first was loaded.
        changes: Every new line-up.
        problem: Why the newest attempt failed, or None.
        problems: Every attempt that failed.
        record: For a signed line-up what became of it, otherwise None.
    """

    def __init__(
        self,
        address: str,
        folder: Path,
        config: LineUpConfig,
        *,
        signed: LineUpSource | None = None,
        tell: Callable[[GatewayError], None] = lambda _: None,
    ) -> None:
        """Describe the book.

        Args:
            address: File or http(s) address of the list, or `FROM_REPOSITORY`; empty for a box
                without television.
            folder: Where the last good copy is kept.
            config: Times.
            signed: Where signed line-ups come from.
            tell: Tells the household of a line-up that was refused.
        """
        self.state = LineUp()
        self.changes: Publisher[LineUp] = Publisher()
        self.problem: GatewayError | None = None
        self.problems: Publisher[GatewayError] = Publisher()
        self._source = signed if address == FROM_REPOSITORY else _plain(address, config)
        self.record = LineUpRecord() if address == FROM_REPOSITORY else None
        self._kept = folder / (self._source.kept_name if self._source else "")
        self._scratch = folder / "lineup.fetched"
        self._config = config
        self._tell = tell
        self._retry_s = config.retry_every_s
        self._wake = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled.

        Raises:
            MissingDocumentError, LineUpError: the file cannot be used, and there never was a good one.
        """
        if self._source is None:
            ready()
            await asyncio.get_running_loop().create_future()
            return
        await asyncio.to_thread(self._kept.parent.mkdir, parents=True, exist_ok=True)
        is_fresh = await self._begin(self._source)
        ready()
        while True:
            if not is_fresh:
                self._wake.clear()
                await self._reload(self._source)
            is_fresh = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s(self._source)):
                    await self._wake.wait()

    def look(self) -> None:
        """Look for a new line-up now instead of later."""
        self._wake.set()

    def allows(self, host: str) -> bool:
        """Tell whether the list as it is now lets a stream come from `host`."""
        return self.state.allows(host)

    def _pause_s(self, source: LineUpSource) -> float:
        if self.record is None:
            return source.pause_s if self.state.channels else self._config.retry_every_s
        refused = self.problem is not None and source.is_refusal(self.problem)
        if self.problem is None or (refused and self.state.channels):
            self._retry_s = self._config.retry_every_s
            return source.pause_s
        # Each question costs a process: ever more rarely while nobody answers.
        pause_s, self._retry_s = min(self._retry_s, source.pause_s), self._retry_s * 2
        return pause_s

    async def _begin(self, source: LineUpSource) -> bool:
        """Have a line-up if that can be; return whether the newest was asked for."""
        has_copy = await asyncio.to_thread(self._kept.exists)
        if has_copy:
            try:
                brought = await source.opened(self._kept)
            except (OSError, GatewayError) as error:
                log.warning("the kept line-up is of no use: %s", error)
                if isinstance(error, GatewayError) and source.is_refusal(error):
                    self._refused(source, error)
            else:
                self._publish(brought.line_up)
                self._note(installed=brought.version)
        if self.state.channels and not source.is_file:
            return False  # the picture need not wait for the network
        try:
            async with asyncio.timeout(None if source.is_file else self._config.timeout_s):
                # What is raised below is logged by whoever handles it.
                await self._reload(source, tell=not source.is_file or bool(self.state.channels))
        except TimeoutError:
            log.info("line-up: none yet")
            return False
        if self.problem is not None and source.is_file and not self.state.channels:
            raise self.problem
        return True

    async def _reload(self, source: LineUpSource, *, tell: bool = True) -> None:
        try:
            brought = await source.newer(self._kept, self._scratch)
            if brought is not None:
                try:
                    # Before anybody is told: what was seen once is there at the next start.
                    if brought.path != self._kept:
                        await asyncio.to_thread(self._keep, brought.path)
                finally:
                    self._publish(brought.line_up)
                    self._note(installed=brought.version)
        except (GatewayError, OSError) as error:
            problem = error if isinstance(error, GatewayError) else LineUpError(f"{error}")
            if tell and (self.problem is None or str(self.problem) != str(problem)):
                log.warning("%s", problem.line())
            self._refused(source, problem)
        else:
            # A list that was bad and has not changed is still bad.
            if brought is not None or not isinstance(self.problem, LineUpError):
                self.problem = None
                self._note(checked_at=datetime.now(UTC), refused_code=None, refused_reason=None)

    def _refused(self, source: LineUpSource, problem: GatewayError) -> None:
        """Write the refusal down; the household is told once of each kind."""
        is_news = self.problem is None or self.problem.code != problem.code
        self.problem = problem
        self._note(checked_at=datetime.now(UTC), refused_code=problem.code, refused_reason=str(problem))
        if is_news and source.is_refusal(problem):
            self._tell(problem)
        self.problems.publish(problem)

    def _note(self, **facts: Any) -> None:  # noqa: ANN401 - fields of `LineUpRecord`
        if self.record is not None:
            self.record = replace(self.record, **facts)

    def _keep(self, path: Path) -> None:
        replace_file(LocalDisk(), self._kept, path.read_bytes())

    def _publish(self, line_up: LineUp) -> None:
        if line_up == self.state:
            return
        self.state = line_up
        self.changes.publish(line_up)
        log.info("line-up: %d channels, %d lines skipped", len(line_up.channels), len(line_up.skipped))
        for skipped in line_up.skipped[:TOLD_LINES]:
            log.warning("line-up: line %d skipped: %s", skipped.line, skipped.reason)


def _plain(address: str, config: LineUpConfig) -> PlainLineUp | None:
    if not address:
        return None
    return PlainLineUp(
        address,
        timeout_s=config.timeout_s,
        file_every_s=config.file_every_s,
        address_every_s=config.address_every_s,
    )
