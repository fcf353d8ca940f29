"""What a board is: one YAML file of facts about the hardware, checked before use.

One rule: a board file describes, it never decides.  The player and the zap
read what the board can do and choose for themselves.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

from gateway.errors import BadInputError
from gateway.schema import FieldError, SchemaError, decode, parse_yaml
from hw.keymap import LOGICAL_KEYS, is_kernel_key

SCHEMA_VERSION = 1


class BoardError(BadInputError):
    """The board file is missing or wrong."""

    code: ClassVar[str] = "HW-101"
    hint = "Choose one of the names `python -m hw boards` prints, or correct the file."


class Codec(StrEnum):
    """A way video is coded."""

    H264 = "h264"
    HEVC = "hevc"
    AVS2 = "avs2"
    AVS3 = "avs3"
    VP9 = "vp9"
    AV1 = "av1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """The largest picture one decoder manages.

    Attributes:
        codec: What it decodes.
        max_height: Lines, for example 2160.
        max_fps: Pictures a second at that height.
        bit_depth: 8 or 10.
        instances: How many streams at once at that size.
    """

    codec: Codec
    max_height: int
    max_fps: int
    bit_depth: int = 8
    instances: int = 1

    def __post_init__(self) -> None:
        """Refuse what no decoder can be."""
        for name, low, high in (("max_height", 144, 4320), ("max_fps", 1, 240), ("instances", 1, 16)):
            if not low <= getattr(self, name) <= high:
                raise FieldError(name, f"{getattr(self, name)} is outside {low}..{high}")
        if self.bit_depth not in (8, 10, 12):
            raise FieldError("bit_depth", f"{self.bit_depth} is not 8, 10 or 12")


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """Picture.

    Attributes:
        decoders: What can be decoded smoothly, hardware or software.
        panel_max_height: The largest picture the output carries.
        player: The engine that works best here.
        player_options: Extra options of that engine on this board.
        packages: Debian packages the player needs here beyond the usual.
    """

    decoders: tuple[Decoder, ...]
    panel_max_height: int = 1080
    player: Literal["vlc", "mpv"] = "vlc"
    player_options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """The household's remote control.

    Attributes:
        devices: Names of input devices to take keys from, as the kernel gives them; a name
            may end in ``*``.
        grab: Whether nobody else may read them meanwhile.
        keys: Kernel key name to logical key, beyond the usual ones.
    """

    devices: tuple[str, ...] = ()
    grab: bool = True
    keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse logical keys that nobody understands."""
        for name, key in self.keys.items():
            if not is_kernel_key(name):
                raise FieldError(f"keys.{name}", "is neither a kernel key nor a code")
            if key not in LOGICAL_KEYS:
                raise FieldError(f"keys.{name}", f"{key} is not a logical key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One kind of box.

    Attributes:
        schema: Version of this file's format.
        name: Short name, the same as the file's.
        title: For people.
        architecture: ``aarch64`` or ``x86_64``.
        memory_mb: Main memory.
        video: Picture.
        remote: The remote control.
        cec_device: HDMI-CEC device, empty if there is none.
        state_device: Block device with the state folder's file system, empty if unknown.
    """

    schema: int
    name: str
    title: str
    architecture: str
    memory_mb: int
    video: Video
    remote: Remote = field(default_factory=Remote)
    cec_device: str = ""
    state_device: str = ""

    def __post_init__(self) -> None:
        """Refuse formats and machines we do not know."""
        if self.schema != SCHEMA_VERSION:
            raise FieldError("schema", f"version {self.schema} is not known, only {SCHEMA_VERSION}")
        if self.architecture not in ("aarch64", "x86_64"):
            raise FieldError("architecture", f"{self.architecture} is not aarch64 or x86_64")
        if not 256 <= self.memory_mb <= 65_536:  # noqa: PLR2004 - bounds of sense, said only here
            raise FieldError("memory_mb", f"{self.memory_mb} is outside 256..65536")

    @property
    def decodes_two(self) -> bool:
        """Whether a second channel can be decoded beside the one that is seen."""
        return any(decoder.instances > 1 for decoder in self.video.decoders)

    def can_decode(self, codec: Codec, height: int, bit_depth: int = 8) -> bool:
        """Whether a stream of this kind plays smoothly here."""
        return any(
            decoder.codec is codec and decoder.max_height >= height and decoder.bit_depth >= bit_depth
            for decoder in self.video.decoders
        )


def known_boards(folder: Path) -> tuple[str, ...]:
    """Return the names of the boards in `folder`, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_board(name_or_file: str, folder: Path) -> Board:
    """Return the board of that name in `folder`, or in that file.

    Raises:
        BoardError: there is none, or it is wrong; names every dotted path.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        if name_or_file not in known_boards(folder):
            raise BoardError(f"no board {name_or_file!r}; known are {', '.join(known_boards(folder))}")
        path = folder / f"{name_or_file}.yaml"
    try:
        board = decode(parse_yaml(path.read_bytes()), Board)
    except OSError as error:
        raise BoardError(f"{path}: {error.strerror}") from error
    except SchemaError as error:
        raise BoardError(f"{path.name}: {error}") from error
    if board.name != path.stem:
        raise BoardError(f"{path.name}: name: is {board.name}, the file says {path.stem}")
    return board
