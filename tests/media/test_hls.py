import contextlib
import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.hls import (
    ByteRange,
    EncryptedError,
    InitSection,
    Key,
    MasterPlaylist,
    MediaPlaylist,
    PlaylistError,
    Rendition,
    Segment,
    Variant,
    decode,
    parse,
)
from gateway.media.hls_choice import Ability, choose
from gateway.media.hls_write import write_master, write_media

AT = "http://op.example/live/index.m3u8"

MEDIA = """#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x0000000000000000000000000000002A
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.5Z
#EXTINF:2.0,
a.ts?t=1
#EXT-X-KEY:METHOD=NONE
#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"
#EXT-X-DISCONTINUITY
#EXT-X-BYTERANGE:500@100
#EXTINF:1.5,title
b.m4s
#EXT-X-BYTERANGE:50
#EXTINF:1.5
b.m4s
"""


def test_a_media_playlist_is_read_whole() -> None:
    init = InitSection("http://op.example/live/init.mp4", ByteRange(0, 100))
    part = Segment(
        uri="http://op.example/live/b.m4s",
        sequence=42,
        duration_s=1.5,
        discontinuity=True,
        byte_range=ByteRange(100, 500),
        init=init,
    )
    assert parse(MEDIA, AT) == MediaPlaylist(
        target_s=2.0,
        sequence=41,
        discontinuity_sequence=3,
        segments=(
            Segment(
                uri="http://op.example/live/a.ts?t=1",
                sequence=41,
                duration_s=2.0,
                key=Key("http://op.example/live/k1", (42).to_bytes(16)),
                program_date=datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC),
            ),
            part,
            Segment(
                uri=part.uri, sequence=43, duration_s=1.5, byte_range=ByteRange(600, 50), init=init
            ),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + MEDIA,
        MEDIA.replace("\n", "\r\n"),
        MEDIA.replace("\n", "\n\n"),
        MEDIA.replace(":2.0,", ":2.0"),
        MEDIA.replace("#EXTM3U\n", ""),
        MEDIA + "#EXT-X-SOMETHING-NEW:A=1\n# a remark\n",
    ],
    ids=["byte order mark", "CRLF", "blank lines", "missing comma", "no first line", "unknown tags"],
)
def test_what_viewers_would_not_notice_is_tolerated(text: str) -> None:
    assert parse(decode(text.encode()), AT) == parse(MEDIA, AT)


def test_gzip_that_does_not_say_so_is_unpacked() -> None:
    assert decode(gzip.compress(MEDIA.encode())) == MEDIA


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("", PlaylistError, "empty"),
        ("<html><body>404", PlaylistError, "web page"),
        ("hello", PlaylistError, "does not answer with a playlist"),
        ("#EXTM3U\n", PlaylistError, "does not answer with a playlist"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", PlaylistError, "no variant"),
        ('#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n#EXTINF:2,\na', EncryptedError, "SAMPLE-AES"),
        (
            '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.x"\n#EXTINF:2,\na',
            EncryptedError,
            "cannot open",
        ),
    ],
    ids=["empty", "web page", "text", "only the header", "no variant", "SAMPLE-AES", "key system"],
)
def test_what_cannot_be_played_is_refused_with_a_reason(text: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        parse(text, AT)


def test_a_gzip_bomb_is_refused() -> None:
    with pytest.raises(PlaylistError, match="unpacks to more"):
        decode(gzip.compress(b"#" * 20_000_000))


MASTER = MasterPlaylist(
    variants=(
        Variant(
            uri="http://x/l", bandwidth_bps=800_000, width=640, height=360, codecs=("avc1.4d", "mp4a.40")
        ),
        Variant(uri="http://x/m", bandwidth_bps=4_000_000, width=1920, height=1080, codecs=("avc1.64",)),
        Variant(uri="http://x/h", bandwidth_bps=20_000_000, width=3840, height=2160, codecs=("hvc1.2",)),
        Variant(uri="http://x.example/a", bandwidth_bps=64_000, codecs=("mp4a.40.2",)),
    ),
    renditions=(
        Rendition(
            kind="AUDIO",
            group="a",
            name="中文",
            language="zh",
            uri="http://x/zh",
            default=True,
            autoselect=True,
        ),
        Rendition(kind="SUBTITLES", group="s", name="English", language="en", uri="http://x.example/en"),
    ),
)


def test_a_master_playlist_survives_being_written() -> None:
    assert parse(write_master(MASTER), AT) == MASTER


@pytest.mark.parametrize(
    ("max_height", "codecs", "throughput_bps", "chosen"),
    [
        (None, None, None, "h"),
        (1080, None, None, "m"),
        (2160, {"avc1", "mp4a"}, None, "m"),
        (2160, None, 6_000_000.0, "m"),
        (2160, None, 1_500_000.0, "l"),
        (2160, None, 10_000.0, "l"),
        (144, None, None, "l"),
    ],
    ids=["best", "panel", "decoder", "line", "thin line", "hopeless line", "smallest"],
)
def test_the_variant_fits_panel_decoder_and_line(
    max_height: int | None, codecs: set[str] | None, throughput_bps: float | None, chosen: str
) -> None:
    ability = Ability(max_height=max_height, codecs=codecs or ())
    variant = choose(MASTER.variants[:3], ability, throughput_bps)
    assert variant.uri.rpartition("/")[2] == chosen


def test_a_channel_nobody_here_can_decode_says_so() -> None:
    with pytest.raises(PlaylistError, match="can decode none"):
        choose(MASTER.variants, Ability(codecs={"vp09"}))


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
INITS = st.none() | st.builds(InitSection, NAMES.map(lambda n: f"http://h/{n}.mp4"))


@st.composite
def playlists(draw: st.DrawFn) -> MediaPlaylist:
    first = draw(st.integers(0, 2**40))
    count = draw(st.integers(0, 8))
    init = draw(INITS)
    segments = tuple(
        Segment(
            uri=f"http://h/{draw(NAMES)}.ts",
            sequence=first + at,
            duration_s=draw(st.integers(1, 12_000)) / 1000,
            discontinuity=draw(st.booleans()),
            gap=draw(st.booleans()),
            init=init,
        )
        for at in range(count)
    )
    return MediaPlaylist(
        target_s=12.0,
        sequence=first,
        discontinuity_sequence=draw(st.integers(0, 99)),
        segments=segments,
        ended=draw(st.booleans()),
    )


@given(playlists())
def test_every_playlist_is_read_back_as_it_was_written(playlist: MediaPlaylist) -> None:
    assert parse(write_media(playlist), AT) == playlist


@given(
    st.lists(st.sampled_from([*MEDIA.splitlines(), "#EXTINF:", "#EXT-X-KEY:", "#EXT-X-BYTERANGE:9@", "\x00"]))
)
def test_no_order_of_lines_makes_the_reader_fall(lines: list[str]) -> None:
    try:
        playlist = parse("\n".join(lines), AT)
    except PlaylistError:
        return
    assert isinstance(playlist, MediaPlaylist)
    numbers = [segment.sequence for segment in playlist.segments]
    assert numbers == list(range(playlist.sequence, playlist.sequence + len(numbers)))


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fall(text: str) -> None:
    with contextlib.suppress(PlaylistError):
        parse("#EXTM3U\n#EXTINF:1,\nx\n" + text, AT)


def test_a_vector_that_is_no_block_is_none() -> None:
    text = '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV={}\n#EXTINF:2,\na.ts\n'
    for said in ("0x" + " " * 20 + "2a", "0x" + "0" * 30 + "zz", "42"):
        playlist = parse(text.format(said), AT)
        assert isinstance(playlist, MediaPlaylist)
        key = playlist.segments[0].key
        assert key is not None
        assert key.iv is None
