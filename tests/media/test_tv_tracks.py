"""What the household likes to hear, against players that take their time to list and to obey."""

import pytest

from gateway.media.lineup import ChannelId
from gateway.media.player import Track, TracksFound
from gateway.media.tv_tracks import MOST_TRIES, Languages

FILM = ChannelId("film")
CHINESE = Track("7", "audio", "zh", "")
ENGLISH = Track("5", "audio", "en", "")
NAMELESS = Track("9", "audio", "", "")
URL = "http://box.example/live/film.ts"


@pytest.fixture
def languages() -> Languages:
    """A household that chose English on the film channel."""
    languages = Languages()
    languages.chosen(FILM, ENGLISH)
    languages.began()
    return languages


def found(*selected: str, tracks: tuple[Track, ...] = (ENGLISH, CHINESE)) -> TracksFound:
    return TracksFound(URL, tracks, selected)


def test_what_was_chosen_is_selected_until_it_is_in_use(languages: Languages) -> None:
    assert list(languages.to_select(FILM, found("7"))) == [ENGLISH]
    assert list(languages.to_select(FILM, found("7"))) == [ENGLISH]
    assert list(languages.to_select(FILM, found("5"))) == []


def test_a_player_that_changes_its_mind_while_it_starts_is_told_again(languages: Languages) -> None:
    assert list(languages.to_select(FILM, found("5"))) == []
    assert list(languages.to_select(FILM, found("7"))) == [ENGLISH]


def test_the_next_programme_may_number_its_tracks_otherwise(languages: Languages) -> None:
    assert list(languages.to_select(FILM, found("5"))) == []
    renumbered = (Track("1", "audio", "zh", ""), Track("2", "audio", "en", ""))
    assert list(languages.to_select(FILM, found("1", tracks=renumbered))) == [renumbered[1]]


def test_a_player_that_never_obeys_is_left_alone(languages: Languages) -> None:
    asked = [list(languages.to_select(FILM, found("7"))) for _ in range(3 * MOST_TRIES)]
    assert asked.count([ENGLISH]) == MOST_TRIES
    languages.began()
    assert list(languages.to_select(FILM, found("7"))) == [ENGLISH]


def test_each_new_list_of_tracks_is_another_chance(languages: Languages) -> None:
    other = (Track("1", "audio", "zh", ""), Track("2", "audio", "en", ""))
    for _ in range(2 * MOST_TRIES):
        assert list(languages.to_select(FILM, found("7"))) == [ENGLISH]
        assert list(languages.to_select(FILM, found("1", tracks=other))) == [other[1]]


def test_a_track_without_a_language_stays_when_it_was_chosen(languages: Languages) -> None:
    languages.chosen(FILM, NAMELESS)
    assert list(languages.to_select(FILM, found("9", tracks=(ENGLISH, NAMELESS)))) == []
    languages.began()
    assert list(languages.to_select(FILM, found("9", tracks=(ENGLISH, NAMELESS)))) == [ENGLISH]
