import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.guide_pinyin import initials, spellings
from gateway.media.guide_words import MAX_AGE, age_of, series_of


@pytest.mark.parametrize(
    "episode",
    [
        "甄嬛传",
        "甄嬛传 第12集",
        "甄嬛传第三十集 重逢",
        "甄嬛传(12)",
        "甄嬛传（12/76）",
        "甄嬛传12集",
        "《甄嬛传》 12集",
        "《甄嬛传》12",
        "电视剧：甄嬛传(重播)",
        "第12集 甄嬛传",
        "甄嬛传 ＥＰ１２",  # noqa: RUF001 - as a full-width keyboard writes it
        "甄嬛传 S01E12",
        "甄嬛传 12/76",
    ],
)
def test_every_episode_belongs_to_its_series(episode: str) -> None:
    assert series_of(episode) == "甄嬛传"


@pytest.mark.parametrize(
    "title", ["潜伏2", "1921", "24小时", "nba 2026", "第5集", "向往的生活 第2季", "cctv5 直播", "(12)"]
)
def test_a_number_that_belongs_to_the_title_stays(title: str) -> None:
    assert series_of(title) == title


@given(st.text(max_size=60))
def test_any_title_has_a_series_and_the_series_is_its_own(title: str) -> None:
    assert series_of(title) or not title.strip()
    assert not set("\n\t") & set(series_of(" ".join(title.split())))


@pytest.mark.parametrize(
    ("rating", "age"),
    [
        ("18+", 18),
        ("PG", 8),
        ("PG-13", 13),
        ("TV-14", 14),
        ("TV-Y7", 7),
        ("R", 17),
        ("NC-17", 18),
        ("FSK 12", 12),
        ("１２岁以上", 12),
        ("U", 0),
        ("", 0),
        ("unknown", 0),
        ("99", 0),
        ("2026", 0),
    ],
)
def test_an_age_is_read_where_one_is_said(rating: str, age: int) -> None:
    assert age_of(rating) == age


@given(st.text(max_size=100))
def test_no_rating_says_more_than_an_age(rating: str) -> None:
    assert 0 <= age_of(rating) <= MAX_AGE


@pytest.mark.parametrize(
    ("title", "typed"),
    [("新闻联播", "xwlb"), ("重庆新闻", "cqxw"), ("重庆新闻", "zqxw"), ("NBA直播", "nbazb"), ("音乐", "yy")],
)
def test_a_title_is_found_by_the_letters_of_any_of_its_readings(title: str, typed: str) -> None:
    assert typed in initials(title).split()


def test_a_title_is_spelt_in_full() -> None:
    assert "xinwenlianbo" in spellings("新闻联播").split()
    assert "chongqing" in spellings("重庆").split()
    assert spellings("！？") == ""


@given(st.text(max_size=40))
def test_no_title_takes_the_spelling_by_surprise(title: str) -> None:
    assert all(word.isascii() or word.isalpha() for word in (initials(title) + spellings(title)).split())
