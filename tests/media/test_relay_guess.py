"""What a channel's first segment is called now follows from its last list, or is not guessed."""

import pytest

from gateway.media.hls import ByteRange, MediaPlaylist, Segment
from gateway.media.relay_guess import KEPT_S, MOST, WRONG_S, Guesses, counted

URL = "http://h/news/index.m3u8"


def segments(*names: str, first: int = 7, each_s: float = 2.0) -> tuple[Segment, ...]:
    return tuple(
        Segment(uri=name if "//" in name else f"http://h/{name}", sequence=first + at, duration_s=each_s)
        for at, name in enumerate(names)
    )


@pytest.mark.parametrize(
    ("names", "later", "name"),
    [
        (("seg_9.ts", "seg_10.ts", "seg_11.ts"), 5, "seg_14.ts"),
        (("s007.ts", "s008.ts", "s009.ts"), 3, "s010.ts"),
        (("998.ts", "999.ts", "1000.ts"), 4, "1002.ts"),
        (("1763750000.m4s", "1763750002.m4s", "1763750004.m4s"), 300, "1763750600.m4s"),
        (("a/1-t0.ts?k=3", "a/2-t180000.ts?k=3", "a/3-t360000.ts?k=3"), 3, "a/4-t540000.ts?k=3"),
        (("x?n=5", "x?n=6", "x?n=7"), 3, "x?n=8"),
        (("2026/11/21/s1.ts", "2026/11/21/s2.ts", "2026/11/21/s3.ts"), 3, "2026/11/21/s4.ts"),
    ],
)
def test_names_that_count_go_on(names: tuple[str, ...], later: int, name: str) -> None:
    found = counted(segments(*names))

    assert found is not None
    assert found.address(7 + later) == f"http://h/{name}"
    assert found.address(8) == f"http://h/{names[1]}"


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("1.ts", "2.ts"),
        ("1.ts", "2.ts", "4.ts"),
        ("1.ts", "1.ts", "1.ts"),
        ("8.ts", "9.ts", "0.ts"),
        ("09.ts", "10.ts", "011.ts"),
        ("a1.ts", "b2.ts", "c3.ts"),
        ("9f2c.ts", "77b1.ts", "0a0d.ts"),
        ("20261121215501.ts", "20261121215503.ts", "20261121215505.ts"),
        ("20261121/215501.ts", "20261121/215503.ts", "20261121/215505.ts"),
        ("20261121T215501.ts", "20261121T215503.ts", "20261121T215505.ts"),
        ("1.ts?t=8f", "2.ts?t=a1", "3.ts?t=07"),
        ("http://e1/1.ts", "http://e2/1.ts", "http://e3/1.ts"),
        ("http://h:81/1.ts", "http://h:82/2.ts", "http://h:83/3.ts"),
        ("9" * 19 + ".ts", "1" + "0" * 19 + ".ts", "1" + "0" * 18 + "1.ts"),
        ("1" * 1100 + "1.ts", "1" * 1100 + "2.ts", "1" * 1100 + "3.ts"),
        ("\uff11.ts", "\uff12.ts", "\uff13.ts"),
        ("//", "//", "//"),
    ],
)
def test_names_that_do_not_strictly_count_are_left_alone(names: tuple[str, ...]) -> None:
    assert counted(segments(*names)) is None


def test_parts_of_one_file_are_left_alone() -> None:
    part = Segment(uri="http://h/1.ts", sequence=1, duration_s=2.0, byte_range=ByteRange(0, 1000))

    assert counted([part] * 3) is None


def test_a_number_before_the_first_is_none() -> None:
    found = counted(segments("1.ts", "2.ts", "3.ts"))

    assert found is not None
    assert found.address(6) == "http://h/0.ts"
    assert found.address(5) is None


def window(newest: int, *, each_s: float = 2.0, name: str = "s{}.ts", ended: bool = False) -> MediaPlaylist:
    """Return a list of six that ends with `newest`."""
    first = newest - 5
    names = (name.format(at) for at in range(first, newest + 1))
    made = segments(*names, first=first, each_s=each_s)
    return MediaPlaylist(target_s=each_s, sequence=first, segments=made, ended=ended)


class Lists:
    """A list as it was heard at some moments, and what is guessed from it."""

    def __init__(self) -> None:
        self.guesses = Guesses()

    def heard(self, now_s: float, playlist: MediaPlaylist) -> None:
        self.guesses.heard(URL, {}, playlist, asked_s=now_s - 0.03, now_s=now_s)

    def guess(self, now_s: float, *, exactly: bool = False) -> int | None:
        found = self.guesses.guess(URL, {}, lambda _: 3, now_s=now_s, exactly=exactly)
        return int(found.url.removeprefix("http://h/s").removesuffix(".ts")) if found else None


def test_the_guess_moves_on_with_time_and_stays_behind_the_newest() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))

    assert lists.guess(100.5) == 48
    assert lists.guess(104.5) == 50
    assert lists.guess(104.1) == 49  # an origin may be a little late
    assert lists.guess(104.5, exactly=True) is None
    assert lists.guess(100.0 + KEPT_S) is None


def test_more_lists_tell_when_segments_change() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))  # 50 is there since 98 to 100,
    lists.heard(105.1, window(53))  # so since 99.1 at the latest,
    lists.heard(110.9, window(55))  # and since 98.8 at the earliest

    assert lists.guess(111.5) == 54
    assert lists.guess(112.1, exactly=True) == 54
    assert lists.guess(113.0, exactly=True) is None
    assert lists.guess(113.0) == 54


def test_an_origin_that_is_slower_than_it_says_is_believed_for_the_last_list() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))
    lists.heard(160.0, window(76))

    assert lists.guess(162.5) == 75


def test_an_old_copy_of_a_list_changes_nothing() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))
    lists.heard(100.5, window(48))

    assert lists.guess(104.5) == 50


def test_a_list_that_counts_anew_is_followed_anew() -> None:
    lists = Lists()
    lists.heard(100.0, window(5000))
    lists.heard(110.0, window(9))

    assert lists.guess(112.5) == 8


def test_names_that_went_on_otherwise_are_not_guessed_again_for_a_while() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))
    lists.heard(102.0, window(51, name="s{}.ts?token=2"))
    lists.heard(104.0, window(52))

    assert lists.guess(104.5) is None
    lists.heard(104.0 + KEPT_S, window(352))
    assert lists.guess(104.5 + KEPT_S) == 350


def test_what_has_ended_or_is_told_to_be_wrong_is_not_guessed() -> None:
    lists = Lists()
    lists.heard(100.0, window(50, ended=True))
    assert lists.guess(101.0) is None
    lists.heard(102.0, window(50, each_s=0.1))
    assert lists.guess(103.0) is None
    lists.heard(104.0, window(50))
    assert lists.guess(105.0) == 48
    lists.guesses.wrong(URL, {}, now_s=105.0)
    assert lists.guess(104.9 + WRONG_S) is None
    assert lists.guess(105.1 + WRONG_S) is not None
    lists.guesses.wrong(URL, {}, now_s=140.0)
    assert lists.guess(141.0 + WRONG_S) is None
    lists.heard(141.0 + KEPT_S, window(400))
    assert lists.guess(142.0 + KEPT_S) == 398


def test_a_guess_that_was_right_makes_up_for_a_wrong_one() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))
    lists.guesses.wrong(URL, {}, now_s=100.0)
    lists.guesses.right(URL, {})
    lists.guesses.wrong(URL, {}, now_s=101.0)

    assert lists.guess(101.1 + WRONG_S) is not None


def test_only_so_many_lists_are_remembered_and_each_with_its_headers() -> None:
    lists = Lists()
    lists.heard(100.0, window(50))
    assert lists.guesses.guess(URL, {"token": "x"}, lambda _: 3, now_s=101.0) is None
    for at in range(MOST):
        lists.guesses.heard(f"{URL}?{at}", {}, window(50), asked_s=100.0, now_s=100.0)
    assert lists.guess(101.0) is None
