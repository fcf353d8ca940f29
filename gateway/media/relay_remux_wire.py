"""What the relay and the process that repacks media say to each other.

One rule: a frame tells its size first, and one beyond the limits is never read.
Each order has exactly one answer.
"""

import struct

import msgspec

from gateway.media.relay_facts import MIB

HEAD_LIMIT = 64 * 1024
ORDER_LIMIT = 128 * MIB
ANSWER_LIMIT = 256 * MIB
SIZES = struct.Struct(">II")
PICTURE = "v"


class Sound(msgspec.Struct, frozen=True):
    """A track of sound beside the picture.

    Attributes:
        track: The name its pieces come under.
        language: ISO 639-2, such as ``zho``.
    """

    track: str
    language: str


class Feed(msgspec.Struct, frozen=True, tag="feed", tag_field="do"):
    """Take the segment that follows, its init section in front.

    Attributes:
        channel: Number of the pull it belongs to.
        track: `PICTURE`, or one of `sounds`.
        number: Named again in the `Cut` it leads to.
        kind: How it is packed: ``ts``, ``m4s`` or ``aac``.
        sounds: All there are, the one to be heard first at the front.
    """

    channel: int
    track: str
    number: int
    kind: str
    sounds: tuple[Sound, ...]


class Force(msgspec.Struct, frozen=True, tag="force", tag_field="do"):
    """Make the oldest picture segment into a piece though some of its sound has not come."""

    channel: int


class Forget(msgspec.Struct, frozen=True, tag="forget", tag_field="do"):
    """Nothing more comes of this channel."""

    channel: int


class Cut(msgspec.Struct, frozen=True):
    """A piece of transport stream, made from the picture segment `number`."""

    number: int
    size: int


class Answer(msgspec.Struct, frozen=True):
    """The pieces that are ready; their bytes follow, one after the other.

    Attributes:
        refused: Why the segment is of no use, or nothing.
    """

    cuts: tuple[Cut, ...] = ()
    refused: str = ""


Order = Feed | Force | Forget

_encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


class WireError(Exception):
    """The other side does not keep to the form."""


def header(word: Order | Answer, data_size: int) -> bytes:
    """Return what goes before `data_size` bytes of media."""
    head = _encode(word)
    return SIZES.pack(len(head), data_size) + head


def sizes(packed: bytes, data_limit: int) -> tuple[int, int]:
    """Return the sizes of head and data.

    Raises:
        WireError: either is beyond its limit.
    """
    head_size, data_size = SIZES.unpack(packed)
    if head_size > HEAD_LIMIT or data_size > data_limit:
        raise WireError(f"a frame of {head_size} and {data_size} bytes")
    return head_size, data_size
