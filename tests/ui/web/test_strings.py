"""Every sentence the screen may need is there, in both languages."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
WEB = ROOT / "gateway" / "ui" / "web"
MOST_BYTES = 40 * 1024

CODE = re.compile(r"^\| ([A-Z]+-\d+) \|", re.MULTILINE)
IMPORTED = re.compile(r"""^(?:import|export)[^;"]*?"(\.[^"]+)";""", re.MULTILINE)
USED = re.compile(r"""\bt\(\s*"([^"]+)\"""")


def words(language: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((WEB / "strings" / f"{language}.json").read_text())
    return read


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_documented_code_has_a_sentence_for_the_household(language: str) -> None:
    documented = set(CODE.findall((ROOT / "docs" / "errors.md").read_text()))
    told = {code for code, said in words(language)["codes"].items() if said["say"] and said["do"]}
    assert documented - told == set()


def test_both_languages_say_the_same_things() -> None:
    assert words("zh")["ui"].keys() == words("en")["ui"].keys()
    assert words("zh")["codes"].keys() == words("en")["codes"].keys()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_screen_asks_for_a_sentence_that_is_missing(language: str) -> None:
    used = {name for module in WEB.glob("js/**/*.js") for name in USED.findall(module.read_text())}
    assert used - words(language)["ui"].keys() == set()


def test_parts_of_sentences_are_the_same_in_both_languages() -> None:
    def parts(language: str) -> dict[str, list[str]]:
        return {name: sorted(re.findall(r"\{\w+\}", text)) for name, text in words(language)["ui"].items()}

    assert parts("zh") == parts("en")


def test_no_chinese_stands_in_the_code() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert [m.name for m in WEB.glob("js/**/*.js") if chinese.search(m.read_text())] == []


def test_the_page_starts_with_at_most_forty_kilobytes_of_script() -> None:
    loaded: set[Path] = set()
    waiting = [WEB / "js" / "main.js"]
    while waiting:
        script = waiting.pop().resolve()
        if script not in loaded:
            loaded.add(script)
            waiting += [script.parent / name for name in IMPORTED.findall(script.read_text())]
    assert WEB / "js" / "picture.js" not in loaded
    assert sum(len(gzip.compress(script.read_bytes())) for script in loaded) <= MOST_BYTES
