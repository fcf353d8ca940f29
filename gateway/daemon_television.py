"""The television half of the composition root.

One rule: the same as for `gateway.daemon`: objects are made and given what they
need; nothing is started.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config import GatewayConfig, MediaConfig
from gateway.errors import GatewayError
from gateway.focus import Focus
from gateway.media import household as household_facts
from gateway.media import lock_memory, recordings_table, tv_memory, viewing_log, zap_memory
from gateway.media import reminders as reminder_facts
from gateway.media.archive import Archive
from gateway.media.child_lock import ChildLock, LockService
from gateway.media.epg import Guide
from gateway.media.hls_choice import Decoder
from gateway.media.household import Household
from gateway.media.levelling import Levelling
from gateway.media.lineup_book import LineUpBook
from gateway.media.lineup_signed import SignedLineUps
from gateway.media.lock_memory import LockMemory
from gateway.media.past import Past, Shelves
from gateway.media.past_pages import PastPages
from gateway.media.player import Plane
from gateway.media.recorder import Recorder
from gateway.media.recorder_agenda import Programmes
from gateway.media.recorder_capture import Sources
from gateway.media.recordings import Recordings
from gateway.media.recordings_library import Library
from gateway.media.recordings_table import RecordingTable
from gateway.media.relay import Relay
from gateway.media.reminders import Reminders
from gateway.media.streams import Door, Streams
from gateway.media.timeshift import TimeShift
from gateway.media.timeshift_store import ShiftStore
from gateway.media.tv import Tv
from gateway.media.tv_facts import Surroundings
from gateway.media.tv_memory import TvMemory
from gateway.media.tv_player import AnyPlayer, choose_player
from gateway.media.viewing_log import ViewingLog
from gateway.media.warming import Warming
from gateway.media.warming_facts import Hands
from gateway.media.zap_memory import HabitMemory
from gateway.store import Store
from gateway.supervisor import Unit
from gateway.trust.asking import Asking
from hw.board import Board

TELEVISION_TABLES = {
    "tv": tv_memory.MIGRATIONS,
    "habits": zap_memory.MIGRATIONS,
    "viewing": viewing_log.MIGRATIONS,
    "household": household_facts.MIGRATIONS,
    "lock": lock_memory.MIGRATIONS,
    "reminders": reminder_facts.MIGRATIONS,
    "recordings": recordings_table.MIGRATIONS,
}


@dataclass(frozen=True, slots=True)
class Kit:
    """What several parts share.

    Attributes:
        ticket: Lets the local player in.
        display: X display, None without one.
        tell: Tells the household of an error.
        is_open: Set while the box serves its streams to its own player.
    """

    store: Store
    focus: Focus
    ticket: str
    display: str | None
    tell: Callable[[GatewayError], None]
    is_open: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Television:
    """Line-up, guide, relay, player, set, and what the household wants of them."""

    line_up: LineUpBook
    guide: Guide
    shift: ShiftStore
    relay: Relay
    past: Past
    past_pages: PastPages
    player: AnyPlayer
    tv: Tv
    viewing: ViewingLog
    household: Household
    lock: ChildLock
    reminders: Reminders
    library: Library
    recordings: Recordings
    recorder: Recorder
    units: tuple[Unit, ...]


def compose_television(config: GatewayConfig, state: Path, board: Board, kit: Kit) -> Television:
    """Return the television of a box, in start order, not started."""
    media = config.media
    line_up = LineUpBook(
        media.line_up,
        state / "media",
        media.line_up_reload,
        signed=_signed_line_ups(config, state),
        tell=kit.tell,
    )
    guide = Guide(
        state / "guide.db", line_up, media.guide, state / "media", media.guide_reload, box=config.box.id
    )
    shift = ShiftStore(media.timeshift.folder or state / "timeshift", media.timeshift)
    relay = Relay(
        line_up,
        replace(media.relay, decoders=_decoders(board)) if not media.relay.decoders else media.relay,
        base_url=config.ui.local_url,
        ticket=kit.ticket,
        deep=shift.piece,
        allowed=line_up.allows,
    )
    past = Past(
        Shelves(shift=shift, archive=Archive(media.relay, line_up.allows), live=relay), line_up, guide
    )
    past_pages = PastPages(past)
    household = Household(kit.store)
    lock = ChildLock(LockMemory(kit.store), household, guide)
    player = _player(media, board, kit.display)
    door = Door(
        base_url=config.ui.local_url,
        ticket=kit.ticket,
        in_page=player.plane is Plane.INPAGE,
        is_open=kit.is_open,
    )
    library = Library(
        RecordingTable(kit.store), media.recordings.folder or state / "recordings", media.recordings
    )
    recordings = Recordings(library)
    at_once = min(media.recordings.max_at_once, media.relay.max_channels)
    recorder = Recorder(
        library,
        Sources(relay, shift),
        Programmes(guide, line_up, guide.changes),
        replace(media.recordings, max_at_once=at_once),
    )
    streams = Streams(relay, door, past=past, recordings=recordings)
    tv = Tv(
        media.tv,
        player=player,
        source=streams,
        line_up=line_up,
        focus=kit.focus,
        memory=TvMemory(kit.store),
        around=Surroundings(guide=guide, gate=lock, tell=kit.tell),
    )
    hands = Hands(tv=tv, relay=relay, streams=streams, player=player, line_up=line_up, gate=lock)
    viewing = ViewingLog(kit.store, tv, relay, shared=lambda: household.state.share_viewing)
    reminders = Reminders(kit.store, guide, media.reminders)
    units = (
        # A list that an operator copies onto a new box is looked for often.  Its signatures are
        # read by a child; the set shows its channel as soon as there is a list.
        Unit(name="line-up", service=line_up, essential=False, retry_s=3.0, alongside=True),
        # Before the set: a locked channel must not be seen for a moment at start.
        Unit(name="household", service=household),
        Unit(name="child lock", service=LockService(lock, tv)),
        Unit(name="relay", service=relay),
        Unit(name="past", service=past_pages, essential=False),
        Unit(name="player", service=player),
        Unit(name="tv", service=tv),
        Unit(name="levelling", service=Levelling(household, tv), essential=False),
        Unit(name="time-shift", service=TimeShift(shift, relay, tv, media.timeshift), essential=False),
        Unit(name="warming", service=Warming(media.warming, hands, HabitMemory(kit.store)), essential=False),
        Unit(name="viewing log", service=viewing, essential=False),
        Unit(name="guide", service=guide, essential=False),
        Unit(name="recorder", service=recorder, essential=False),
        Unit(name="reminders", service=reminders, essential=False),
    )
    return Television(
        line_up=line_up,
        guide=guide,
        shift=shift,
        relay=relay,
        past=past,
        past_pages=past_pages,
        player=player,
        tv=tv,
        viewing=viewing,
        household=household,
        lock=lock,
        reminders=reminders,
        library=library,
        recordings=recordings,
        recorder=recorder,
        units=units,
    )


def _signed_line_ups(config: GatewayConfig, state: Path) -> SignedLineUps | None:
    updates = config.updates
    if not updates.repository:
        return None
    return SignedLineUps(
        # Metadata of its own: it is asked while the installer asks.
        Asking(updates.repository, updates.root, state / "trust-line-up"),
        every_s=config.media.line_up_reload.signed_every_s,
        area=config.box.area,
        box=config.box.id,
    )


def _player(media: MediaConfig, board: Board, display: str | None) -> AnyPlayer:
    kind = media.player_on(board)
    buffer = (f"--network-caching={media.tv.buffer_ms}",) if kind == "vlc" else ()
    of_board = board.video.player_options if kind == board.video.player else ()
    return choose_player(
        kind, display=display, options=(*buffer, *of_board), second_decoder=board.decodes_two
    )


def _decoders(board: Board) -> tuple[Decoder, ...]:
    return tuple(
        Decoder(
            codec=each.codec.value, max_height=each.max_height, max_fps=each.max_fps, bit_depth=each.bit_depth
        )
        for each in board.video.decoders
    )
