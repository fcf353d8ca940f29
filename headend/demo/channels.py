"""The twelve channels of the demo: what each one is called, looks, sounds and is sent like.

One rule: everything here is data.  What is made from it is in `recipe`, what
is announced of it in `lineup` and `guide`.  All names are invented.
"""

from dataclasses import dataclass, field, replace
from enum import Enum

LOOP_S = 60


class Scene(Enum):
    """What the picture shows."""

    TERRACES = "terraces"
    CITY = "city"
    LANTERNS = "lanterns"
    PADDIES = "paddies"
    REEF = "reef"
    STAGE = "stage"
    LAKE = "lake"
    PLANETS = "planets"
    KITES = "kites"
    WAVES = "waves"
    BRIDGE = "bridge"
    SUMMIT = "summit"


class Packaging(Enum):
    """How the segments are carried."""

    TS = "ts"
    FMP4 = "fmp4"


class CatchUp(Enum):
    """How the line-up says that a channel's past is asked for."""

    NONE = "none"
    DEFAULT = "default"
    """A whole address, with the local times that China's operators use."""
    APPEND = "append"
    SHIFT = "shift"
    FLUSSONIC = "flussonic"


@dataclass(frozen=True, slots=True)
class Rung:
    """One encoding of the picture.

    Attributes:
        name: Folder and playlist name of the rendition.
        bitrate_kbps: What a master playlist announces, and the encoder's ceiling.
    """

    name: str
    width: int
    height: int
    bitrate_kbps: int


@dataclass(frozen=True, slots=True)
class Tune:
    """A little melody, so that channels can be told apart with closed eyes.

    Attributes:
        notes: Steps of the pentatonic scale; ``.`` holds the note before.
        root_hz: The scale's first step.
        overtones: Strength of the 1st, 2nd ... harmonic.
    """

    notes: str
    root_hz: float
    overtones: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoChannel:
    """One live channel.

    Attributes:
        id: Name in addresses and in the line-up's ``tvg-id``.
        palette: Sky top, middle, horizon, then four layers from far to near.
        rungs: Encodings, best first; more than one makes a master playlist.
        video_loop_s: After how many seconds the picture repeats; a divisor of `LOOP_S`.
        languages: Audio languages; more than one become renditions of their own.
        subtitles: Whether WebVTT renditions go with it.
        encrypted: Whether segments are AES-128 encrypted.
        catch_up: How its past is announced; the head-end keeps seven days of it then.
    """

    id: str
    number: int
    name: str
    english: str
    group: str
    scene: Scene
    palette: tuple[str, str, str, str, str, str, str]
    tune: Tune
    rungs: tuple[Rung, ...]
    packaging: Packaging = Packaging.TS
    fps: int = 25
    segment_s: int = 2
    video_loop_s: int = LOOP_S
    hevc: bool = False
    b_frames: int = 0
    languages: tuple[str, ...] = ("zh",)
    subtitles: bool = False
    encrypted: bool = False
    # Not in `repr`, of which the recipe's fingerprint is made: the material is the same.
    catch_up: CatchUp = field(default=CatchUp.NONE, repr=False)

    @property
    def resolution(self) -> str:
        """The best rung as a line-up writes it, ``1920x1080``."""
        return f"{self.rungs[0].width}x{self.rungs[0].height}"

    @property
    def has_master(self) -> bool:
        """Whether renditions must be chosen from a master playlist."""
        return len(self.rungs) > 1 or len(self.languages) > 1 or self.subtitles


_FHD = Rung("1080", 1920, 1080, 6000)
_HD = Rung("720", 1280, 720, 3000)
_QHD = Rung("540", 960, 540, 1800)
_SD = Rung("360", 640, 360, 800)
_UHD = Rung("2160", 3840, 2160, 16000)

_WOOD = (1.0, 0.5, 0.2, 0.1)
_FLUTE = (1.0, 0.08, 0.03)
_STRING = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1)
_BELL = (1.0, 0.0, 0.6, 0.0, 0.35)

CHANNELS: tuple[DemoChannel, ...] = (
    DemoChannel(
        id="zonghe",
        number=1,
        name="综合",
        english="General",
        group="综合",
        scene=Scene.TERRACES,
        palette=("#13233f", "#c8643c", "#ffcf86", "#3a5560", "#25424a", "#162c35", "#0a161d"),
        tune=Tune("0.2.3.4.5.4.3.2.0.2.4.3.2.0.1.0.", 262.0, _WOOD),
        rungs=(_FHD,),
        b_frames=2,
        catch_up=CatchUp.FLUSSONIC,
    ),
    DemoChannel(
        id="xinwen",
        number=2,
        name="新闻",
        english="News",
        group="综合",
        scene=Scene.CITY,
        palette=("#060b1e", "#1b2a5c", "#7d78c8", "#2b3874", "#1d2758", "#131b40", "#0a0f26"),
        tune=Tune("5.55.5.75.55.3.0.00.0.20.00.5.", 196.0, _BELL),
        rungs=(_QHD,),
        catch_up=CatchUp.DEFAULT,
    ),
    DemoChannel(
        id="zongyi",
        number=3,
        name="综艺",
        english="Variety",
        group="综合",
        scene=Scene.LANTERNS,
        palette=("#1c0b26", "#6e2a6d", "#f0a3a0", "#63305f", "#47204a", "#2f1334", "#1b0a1d"),
        tune=Tune("0123454321234565432.4.2.0...4...", 330.0, _FLUTE),
        rungs=(_HD,),
        packaging=Packaging.FMP4,
    ),
    DemoChannel(
        id="nonglin",
        number=4,
        name="农林",
        english="Farm and forest",
        group="乡村",
        scene=Scene.PADDIES,
        palette=("#0b3a44", "#2c8f78", "#e2f0b0", "#2d7a68", "#1d6152", "#12463c", "#082822"),
        tune=Tune("4.3.2...0.1.2...4.5.4...2.1.0...", 220.0, _FLUTE),
        rungs=(_HD, _QHD, _SD),
        catch_up=CatchUp.APPEND,
    ),
    DemoChannel(
        id="shaoer",
        number=5,
        name="少儿",
        english="Children",
        group="少儿",
        scene=Scene.REEF,
        palette=("#0a5c8f", "#17a3c4", "#a8f0e2", "#1187a8", "#0c6f93", "#0a577a", "#083c5c"),
        tune=Tune("0.0.4.4.5.5.4...3.3.2.2.1.1.0...", 392.0, _BELL),
        rungs=(_QHD,),
    ),
    DemoChannel(
        id="xiqu",
        number=6,
        name="戏曲",
        english="Opera",
        group="文艺",
        scene=Scene.STAGE,
        palette=("#2b0608", "#8f1420", "#f2913d", "#8a1a24", "#6b0f1a", "#4a0a12", "#220408"),
        tune=Tune("5..4.53.2..3.20.1..2.1.0.24542.0", 294.0, _STRING),
        rungs=(_QHD,),
    ),
    DemoChannel(
        id="yingshi",
        number=7,
        name="影视",
        english="Film",
        group="文艺",
        scene=Scene.LAKE,
        palette=("#050b1c", "#14264a", "#5f86b8", "#1d3560", "#14264a", "#0d1a36", "#070f22"),
        tune=Tune("0...4...3...2...1...4...2...0...", 175.0, _STRING),
        rungs=(_HD,),
        languages=("zh", "en"),
        subtitles=True,
    ),
    DemoChannel(
        id="kejiao",
        number=8,
        name="科教",
        english="Science",
        group="文艺",
        scene=Scene.PLANETS,
        palette=("#04131c", "#0b3f52", "#4fc3c9", "#0c4a58", "#093844", "#062731", "#03151c"),
        tune=Tune("0247...7420...1358...8531...", 233.0, _BELL),
        rungs=(_HD,),
        encrypted=True,
        catch_up=CatchUp.SHIFT,
    ),
    DemoChannel(
        id="tiyu",
        number=9,
        name="体育",
        english="Sport",
        group="文艺",
        scene=Scene.KITES,
        palette=("#2f6fb0", "#7fb6d8", "#fbe6b4", "#8fae6a", "#6d9450", "#4b7639", "#2d5426"),
        tune=Tune("00400040245424020040004024542400", 247.0, _WOOD),
        rungs=(_QHD,),
        catch_up=CatchUp.APPEND,
    ),
    DemoChannel(
        id="yinyue",
        number=10,
        name="音乐",
        english="Music",
        group="文艺",
        scene=Scene.WAVES,
        palette=("#2a0a3c", "#8a2f7d", "#ff9e8a", "#a8458a", "#7c2f7a", "#552062", "#2f1144"),
        tune=Tune("0246864202468642135797531357975.", 262.0, _FLUTE),
        rungs=(_QHD,),
    ),
    DemoChannel(
        id="xianrongmei",
        number=11,
        name="县融媒",
        english="County media",
        group="乡村",
        scene=Scene.BRIDGE,
        palette=("#3d2608", "#b8791f", "#ffe6ac", "#a8792c", "#7d5618", "#573a0f", "#2e1e07"),
        tune=Tune("2.3.5...3.2.0...2.3.2...1.0.0...", 208.0, _WOOD),
        rungs=(_HD,),
        segment_s=6,
    ),
    DemoChannel(
        id="chaoqing",
        number=12,
        name="超清 4K",
        english="Ultra HD",
        group="超清",
        scene=Scene.SUMMIT,
        palette=("#0a1030", "#3a3f86", "#f5b6a8", "#5a6aa6", "#3f4c86", "#28325f", "#141a38"),
        tune=Tune("0..2..4..7..4..2..0..4..9..7....", 147.0, _BELL),
        rungs=(_UHD,),
        fps=50,
        video_loop_s=4,
        hevc=True,
    ),
)

QUICK_IDS = ("xinwen", "zongyi", "yingshi", "kejiao")
_SMALL = (Rung("180", 320, 180, 300), Rung("120", 216, 120, 200), Rung("90", 160, 90, 120))


class Extent(Enum):
    """How much of the demo is made; the smaller ones are for tests, with the full one's numbers and ids."""

    FULL = "full"
    SMALL = "small"
    """All twelve channels, small."""
    QUICK = "quick"
    """Four small channels that cover every packaging but the large pictures."""

    @property
    def channels(self) -> tuple[DemoChannel, ...]:
        """The line-up."""
        if self is Extent.FULL:
            return CHANNELS
        small = tuple(replace(one, rungs=_SMALL[: len(one.rungs)], fps=10) for one in CHANNELS)
        return small if self is Extent.SMALL else tuple(one for one in small if one.id in QUICK_IDS)

    @property
    def folder(self) -> str:
        """The name of the folder in which its material is kept."""
        return "material" if self is Extent.FULL else f"material-{self.value}"
