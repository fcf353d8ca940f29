"""From the subsystems' own types to the documents of the outside.

One rule: pure; nothing here waits, decides or remembers.
"""

from datetime import datetime
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from gateway.apps.installer import UpdateRecord
from gateway.focus import Holder
from gateway.iot.body import BodyConfig, in_household_unit
from gateway.iot.commands_model import Command
from gateway.iot.entity import Entity, Quality, State
from gateway.iot.firmware_facts import FirmwareRecord
from gateway.iot.history import History
from gateway.iot.household import Helper
from gateway.iot.rules_file import document_of
from gateway.iot.rules_model import Rule
from gateway.iot.scenes import Ordered
from gateway.iot.scenes_model import Scene
from gateway.media.epg import Programme
from gateway.media.lineup import Channel, LineUp
from gateway.media.lineup_book import LineUpRecord
from gateway.trust.manifest import Permission
from gateway.ui import documents as doc
from gateway.ui import documents_pairing as pairing
from gateway.ui import documents_rules as rules_doc
from gateway.ui.house import House


def channel(facts: Channel) -> doc.Channel:
    """One entry of the line-up."""
    return doc.Channel(
        id=facts.id,
        number=facts.number,
        name=facts.name,
        group=facts.group,
        logo=facts.logo,
        radio=facts.radio,
        resolution=facts.resolution,
        catchup=doc.Catchup(days=facts.catchup.days) if facts.catchup else None,
    )


def channels(line_up: LineUp) -> list[doc.Channel]:
    """The whole line-up, in operator order."""
    return [channel(one) for one in line_up.channels]


def programme(facts: Programme) -> doc.Programme:
    """One entry of the guide."""
    return doc.Programme(
        id=facts.id,
        channel=facts.channel,
        start=facts.start,
        stop=facts.stop,
        title=facts.title,
        subtitle=facts.subtitle,
        description=facts.description,
        category=facts.category,
        age=facts.age,
    )


def tv(house: House) -> doc.Tv:
    """The television now."""
    now = house.tv.state
    on = now.channel
    window = house.tv.window
    return doc.Tv(
        channel=on.id if on else None,
        number=on.number if on else None,
        name=on.name if on else None,
        picture=now.picture.value,
        first_frame_ms=now.first_frame_ms,
        mode=now.mode,
        position=now.position,
        paused=now.paused,
        window=doc.TvWindow(start=_coarse(window.start), end=_coarse(window.end)) if window else None,
        recording=now.recording,
        zap=now.zap,
        tracks=[
            doc.Track(
                id=track.id,
                kind="audio" if track.kind == "audio" else "subtitle",
                language=track.language,
                name=track.name,
                selected=track.id in now.selected,
            )
            for track in now.tracks
        ],
        volume_percent=now.volume_percent,
        muted=now.muted,
        plane=house.screen.plane.value,
        stream=stream_address(house.inpage.state.stream) if house.inpage else None,
        stream_id=house.inpage.state.stream_id if house.inpage else None,
        code=now.code,
    )


def _coarse(at: datetime) -> datetime:
    """Return `at` to ten seconds, so that a window that moves is not news each time it is looked at."""
    return at.replace(second=at.second // 10 * 10, microsecond=0)


def stream_address(url: str | None) -> str | None:
    """Return `url` as the page must ask for it.

    The box's own streams are given without host and ticket: the page may have
    been opened under any of the box's names, and its cookie opens them.
    """
    parts = urlsplit(url or "")
    if not parts.path.startswith(("/live/", "/recordings/")):
        return url
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "ticket"])
    return f"{parts.path}?{query}" if query else parts.path


def history(entity: Entity, found: History) -> doc.EntityHistory:
    """Return what an entity reported."""
    points = [
        doc.HistoryPoint(
            at=point.at,
            value=point.value,
            count=point.count,
            least=point.least,
            most=point.most,
            mean=point.mean,
        )
        for point in found.points
    ]
    return doc.EntityHistory(id=entity.id, unit=entity.unit, step_s=found.step_s, points=points)


def _quality(state: State) -> Literal["good", "kept", "unknown", "implausible", "undated"]:
    if state.value is None:
        return "unknown"
    if state.quality is not Quality.GOOD:
        return "implausible" if state.quality is Quality.IMPLAUSIBLE else "undated"
    # What was measured of a body has its own time, however long somebody kept it.
    return "good" if state.sure or state.entity.body is not None else "kept"


def entity(state: State, units: BodyConfig | None = None) -> doc.Entity:
    """One ability of a device, and what it last reported; in `units` as well, where they are others."""
    what = state.entity
    return doc.Entity(
        id=what.id,
        name=what.name,
        device=what.device.id,
        device_name=what.device.name,
        capability=what.capability,
        device_class=what.device_class,
        unit=what.unit,
        part=what.part,
        writable=what.writable,
        choices=list(what.choices),
        minimum=what.minimum,
        maximum=what.maximum,
        step=what.step,
        value=state.value,
        available=state.available,
        reported_at=state.reported_at,
        source=what.device.link,
        body=what.body or "",
        quality=_quality(state),
        shown=_shown(state, units or BodyConfig()),
    )


def _shown(state: State, units: BodyConfig) -> doc.Shown | None:
    entity, value = state.entity, state.value
    if entity.body is None or value is None or isinstance(value, bool | str):
        return None
    told, unit = in_household_unit(entity.body, value, entity.unit, units.glucose_unit)
    return doc.Shown(value=told, unit=unit) if unit != entity.unit else None


def devices(states: list[State]) -> list[doc.Device]:
    """The things in the home, each with its entities."""
    things = {state.entity.device.id: state.entity.device for state in states}
    owned: dict[str, list[str]] = {}
    for state in states:
        owned.setdefault(state.entity.device.id, []).append(state.entity.id)
    return [
        doc.Device(
            id=thing.id,
            name=thing.name,
            link=thing.link,
            manufacturer=thing.manufacturer,
            model=thing.model,
            firmware=thing.firmware,
            entities=owned[thing.id],
        )
        for thing in things.values()
    ]


def waiting(house: House) -> list[pairing.WaitingDevice]:
    """The devices that wait to be allowed into the home."""
    return [
        pairing.WaitingDevice(
            endpoint=one.endpoint, name=one.name, model=one.model, address=one.address, since=one.since
        )
        for one in house.admission.waiting
    ]


def screen(holder: Holder | None) -> str:
    """Who has the screen: ``tv``, ``app``, ``doorbell`` or ``alert``."""
    return holder.priority.name.lower() if holder else "tv"


def command(facts: Command) -> doc.Command:
    """The life of an order so far."""
    return doc.Command(
        id=facts.id,
        entity=facts.entity,
        value=facts.value,
        state=facts.state.value,
        code=facts.code,
        created_at=facts.created_at,
        changed_at=facts.changed_at,
        expires_at=facts.expires_at,
    )


def rule(what: Rule) -> rules_doc.Rule:
    """A rule in the words of the rules file."""
    return msgspec.convert(document_of(what), rules_doc.Rule)


def scene(what: Scene) -> rules_doc.Scene:
    """A scene in the words of the rules file."""
    return msgspec.convert(document_of(what), rules_doc.Scene)


def scene_order(facts: Ordered) -> rules_doc.SceneOrder:
    """What became of one command of a scene at first."""
    return rules_doc.SceneOrder(
        entity=facts.entity,
        value=facts.value,
        command=command(facts.command) if facts.command else None,
        code=facts.code,
    )


def helper(what: Helper) -> rules_doc.Helper:
    """A helper in the words of the rules file."""
    return msgspec.convert(document_of(what), rules_doc.Helper)


def apps(house: House) -> list[doc.App]:
    """The installed apps, in the order of their ids."""
    return [
        doc.App(
            id=app.id,
            version=app.version,
            name=dict(app.manifest.name),
            summary=dict(app.manifest.summary),
            icon=f"/api/v1/apps/{app.id}/icon",
            color=app.manifest.color,
            state="open" if app.id in house.app_host.opened else "installed",
        )
        for _, app in sorted(house.catalog.apps.items())
    ]


def permission(asked: Permission) -> doc.Permission:
    """What an app may do, and why it says it must."""
    return doc.Permission(name=asked.name, sensitivity=asked.sensitivity, reason=dict(asked.reason))


def line_up_update(record: LineUpRecord) -> doc.Update:
    """What is here of the signed line-up, and why the last offer was refused."""
    return doc.Update(
        kind="line-up",
        id="line-up",
        installed=record.installed,
        available=None if record.refused_code else record.installed,
        refused_code=record.refused_code,
        refused_reason=record.refused_reason,
        checked_at=record.checked_at,
    )


def firmware_update(record: FirmwareRecord) -> doc.Update:
    """What a device runs, what is offered, and why it does not get that."""
    return doc.Update(
        kind="firmware",
        id=record.id,
        installed=record.installed,
        available=record.available,
        refused_code=record.code,
        refused_reason=record.reason,
        checked_at=record.checked_at,
        stage=record.stage.value if record.stage else msgspec.UNSET,
    )


def update(record: UpdateRecord) -> doc.Update:
    """What is here, what is offered, and why the last offer was refused."""
    return doc.Update(
        kind="app",
        id=record.app,
        installed=record.installed,
        available=record.available,
        refused_code=record.refused_code,
        refused_reason=record.refused_reason,
        checked_at=record.checked_at,
    )
