import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

import gateway
import headend
import hw
from gateway.errors import BadInputError, GatewayError, ungrouped

DOCUMENTED = Path(__file__).parents[1] / "docs/errors.md"
ROW = re.compile(r"^\| ([A-Z]+-\d+) \|(.*)\|$", re.MULTILINE)
CODE = re.compile(r'"((?:GW|CFG|SUP|HW|TV|IOT|APP|TRUST|UI|HE|DEMO)-\d{3})"')
# Both import libraries that may not be there.
NOT_IMPORTABLE = {"gateway.media.vlc_worker", "gateway.media.mpv_worker"}
ROOT = Path(__file__).parents[1]


def every_error() -> set[type[GatewayError]]:
    for package in (gateway, headend, hw):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and module.name not in NOT_IMPORTABLE:
                importlib.import_module(module.name)
    found: set[type[GatewayError]] = {GatewayError}
    waiting = [GatewayError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.split(".")[0] in ("gateway", "headend", "hw") and kind not in found:
                found.add(kind)
                waiting.append(kind)
    return found


def codes_in_sources() -> set[str]:
    pages = (ROOT / "gateway/ui/web/js").rglob("*.js")
    sources = [path for name in ("gateway", "headend", "hw") for path in (ROOT / name).rglob("*.py")]
    return {code for path in (*sources, *pages) for code in CODE.findall(path.read_text())}


def test_every_code_is_documented_once() -> None:
    rows = Counter(code for code, _ in ROW.findall(DOCUMENTED.read_text()))
    used = {error.code for error in every_error()} | codes_in_sources()
    assert used - rows.keys() == set(), "codes without a row in docs/errors.md"
    assert rows.keys() - used == set(), "rows in docs/errors.md that nothing raises"
    assert [code for code, times in rows.items() if times > 1] == []


def test_every_row_says_what_happened_and_what_to_do_in_both_languages() -> None:
    for code, row in ROW.findall(DOCUMENTED.read_text()):
        english, chinese, advice = (cell.strip() for cell in row.split(" | "))
        assert re.search(r"[A-Za-z]", english), code
        assert re.search(r"[\u4e00-\u9fff]", chinese), code
        assert re.search(r"[A-Za-z]", advice), code
        assert re.search(r"[\u4e00-\u9fff]", advice), code


def test_every_error_has_a_hint() -> None:
    assert [error for error in every_error() if not error.hint] == []


@pytest.mark.parametrize("hint", [None, "Plug it in."])
def test_an_error_is_one_line_with_code_and_advice(hint: str | None) -> None:
    line = BadInputError("the plug\n is loose.", hint=hint).line()
    assert line == f"GW-002: the plug is loose. {hint or BadInputError.hint}"


def test_a_task_groups_own_error_comes_out_by_itself() -> None:
    plug = BadInputError("the plug is loose")
    with pytest.raises(BadInputError) as caught, ungrouped():
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [plug]), GatewayError("second")])
    assert caught.value is plug


def test_a_group_with_a_defect_in_it_stays_whole() -> None:
    with pytest.raises(ExceptionGroup), ungrouped():
        raise ExceptionGroup("tasks", [BadInputError("the plug is loose"), ZeroDivisionError()])
