"""What support is told about the home's devices."""

import msgspec


class RefusedAnnouncement(msgspec.Struct, frozen=True, kw_only=True):
    """A device that described itself in a way that the box does not take."""

    topic: str
    why: str


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """A topic that said more than anybody needs; `passed_over` messages were heard by nobody."""

    topic: str
    passed_over: int


class HomeTroubles(msgspec.Struct, frozen=True, kw_only=True):
    """What devices said that was not taken, since the box was started; never what it was.

    `refused` names the first of the `announcements` that were refused, and `floods` who says too much.
    Then counts: `reports` that were not what their device had announced, `oversized` messages, `late` reports
    of things that are not there or have said something newer, `unkept` ones that the history had no room for,
    `pictures` of cameras, `sealed` CoAP messages that were not believed, `strangers` turned away unseen.
    """

    refused: list[RefusedAnnouncement]
    floods: list[Flood]
    announcements: int
    reports: int
    oversized: int
    late: int
    unkept: int
    pictures: int
    sealed: int
    strangers: int
