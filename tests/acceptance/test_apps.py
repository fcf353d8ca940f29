"""Apps of the demo: signed, opened, refused when they should be, and removed for good."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.acceptance.box import Box, Document
from tests.acceptance.page import opened
from tests.acceptance.started import BUNDLES, ROOT, Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VILLAGE = "org.example.village"
TO_APPS = ("h", "ArrowDown", "ArrowDown")
MARK = "a-note-that-nothing-else-would-contain"


@dataclass
class Operator:
    """Whoever runs the demo's repository, with the operator's own command."""

    folder: Path

    @property
    def metadata(self) -> Path:
        return self.folder / "repo/metadata"

    def do(self, command: str, *arguments: str | Path, keys: bool = True) -> None:
        """Run a ``headend`` command, which must succeed."""
        argv: list[str | Path] = [sys.executable, "-m", "headend", command, *arguments]
        if keys:
            argv += ["--keys", self.folder / "keys", "--insecure-no-passphrase"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr

    def publish_village(self, version: str) -> Path:
        """Publish the village's app as `version`; return the file that boxes fetch."""
        source = self.folder / "source"
        shutil.copytree(BUNDLES / "village-affairs", source, dirs_exist_ok=True)
        manifest = source / "manifest.yaml"
        lines = manifest.read_text().splitlines(keepends=True)
        changed = [f"version: {version}\n" if line.startswith("version:") else line for line in lines]
        manifest.write_text("".join(changed))
        archive = self.folder / "built" / f"village-{version}.zip"
        self.do("build", source, "-o", archive, keys=False)
        self.do("publish", self.folder / "repo", archive)
        (published,) = (self.folder / "repo/targets/apps" / VILLAGE).glob(f"*.{version}.zip")
        return published


@pytest.fixture
async def operator(demo: Demo, box: Box) -> AsyncIterator[Operator]:
    """The operator of a repository from which the box has everything."""
    await box.apps(lambda apps: len(apps) == 4, within_s=120)
    yield Operator(demo.state / "demo")
    await checked(box, lambda record: record["refused_code"] is None)


async def checked(box: Box, good: object) -> Document:
    """Let the box look at the repository; return the village's record when it is `good`."""
    assert callable(good)

    def of_the_village(records: list[Document]) -> Document | None:
        return next((one for one in records if one["id"] == VILLAGE and good(one)), None)

    before = await box.get("updates")
    last = max(str(one["checked_at"]) for one in before)
    assert (await box.call("POST", "updates/check")).status == 202
    records = await box.until(
        "updates",
        lambda now: all(str(one["checked_at"]) > last for one in now) and of_the_village(now),
        within_s=60,
    )
    found = of_the_village(records)
    assert found
    return found


async def still_opens(box: Box, version: str) -> None:
    """The app is there in `version` and opens."""
    apps = {app["id"]: app["version"] for app in await box.get("apps")}
    assert apps[VILLAGE] == version
    answer = await box.call("POST", f"apps/{VILLAGE}/open")
    assert answer.status == 200
    assert (await box.call("POST", f"apps/{VILLAGE}/close")).status == 204


async def test_the_four_apps_open_in_a_sandboxed_frame_and_close_with_home(demo: Demo, box: Box) -> None:
    apps = await box.apps(lambda apps: len(apps) == 4, within_s=120)
    async with opened(demo.page) as screen:
        await screen.press(*TO_APPS)
        for app in apps:
            await expect(screen.focused).to_contain_text(app["name"]["zh-CN"])
            await screen.press("Enter")
            frame = screen.see(".frame iframe.ready")
            await expect(frame).to_be_visible()
            assert await frame.get_attribute("sandbox") == "allow-scripts"
            inside = screen.page.frame_locator(".frame iframe")
            await expect(inside.locator("body")).to_contain_text(app["name"]["zh-CN"])
            first = await inside.locator(".gw-focus").inner_text()
            await screen.press("ArrowDown")
            await expect(inside.locator(".gw-focus")).not_to_have_text(first, use_inner_text=True)
            await screen.keep(f"app-{app['id']}")
            assert await _reaches_the_house(screen.app) is False
            await screen.press("h")
            await expect(screen.see(".frame")).to_have_count(0)
            await screen.press("ArrowRight")


async def test_a_bundle_with_one_byte_changed_is_refused(box: Box, operator: Operator) -> None:
    published = operator.publish_village("1.1.0")
    good = published.read_bytes()
    middle = len(good) // 2
    published.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])

    record = await checked(box, lambda one: one["refused_code"])

    assert (record["refused_code"], record["installed"]) == ("TRUST-103", "1.0.0")
    await still_opens(box, "1.0.0")
    published.write_bytes(good)
    assert (await checked(box, lambda one: not one["refused_code"]))["installed"] == "1.1.0"


async def test_an_older_version_is_refused(box: Box, operator: Operator, tmp_path: Path) -> None:
    shutil.copytree(operator.metadata, tmp_path / "older")
    operator.publish_village("1.2.0")
    assert (await checked(box, lambda one: not one["refused_code"]))["installed"] == "1.2.0"
    shutil.copytree(operator.metadata, tmp_path / "newer")
    shutil.rmtree(operator.metadata)
    shutil.copytree(tmp_path / "older", operator.metadata)

    record = await checked(box, lambda one: one["refused_code"])

    assert (record["refused_code"], record["installed"]) == ("TRUST-104", "1.2.0")
    await still_opens(box, "1.2.0")
    shutil.copytree(tmp_path / "newer", operator.metadata, dirs_exist_ok=True)


async def test_an_expired_repository_is_refused(box: Box, operator: Operator) -> None:
    installed = {one["id"]: one["installed"] for one in await box.get("updates")}
    operator.do("timestamp", operator.folder / "repo", "--expires", "2020-01-01T00:00:00Z")

    record = await checked(box, lambda one: one["refused_code"])

    assert (record["refused_code"], record["installed"]) == ("TRUST-102", installed[VILLAGE])
    assert {one["id"]: one["installed"] for one in await box.get("updates")} == installed
    await still_opens(box, installed[VILLAGE])
    operator.do("timestamp", operator.folder / "repo", "--expires", "7d")


async def test_an_uninstalled_app_leaves_no_trace_and_stays_away(demo: Demo, box: Box) -> None:
    apps = await box.apps(lambda apps: VILLAGE in {app["id"] for app in apps}, within_s=120)
    name = next(app["name"]["zh-CN"] for app in apps if app["id"] == VILLAGE)
    assert (await box.call("POST", f"apps/{VILLAGE}/open")).status == 200
    kept = {"method": "storage.set", "params": {"key": "note", "value": MARK}}
    answer = await box.call("POST", f"apps/{VILLAGE}/rpc", kept)
    assert answer.status == 200, answer
    assert (await box.call("POST", f"apps/{VILLAGE}/close")).status == 204
    assert traces(demo.state, MARK)
    async with opened(demo.page) as screen:
        await screen.press(*TO_APPS)
        for _ in range([app["id"] for app in apps].index(VILLAGE)):
            await screen.press("ArrowRight")
        await expect(screen.focused).to_contain_text(name)
        await screen.press("m", "ArrowDown", "Enter")
        await expect(screen.see(".menu h1", f"“{name}”")).to_be_visible()
        await screen.keep("app-removal")
        await screen.press("ArrowDown", "Enter")
        await expect(screen.see(".home .app", name)).to_have_count(0)

    assert traces(demo.state, MARK) == []
    assert traces(demo.state, VILLAGE) == []
    before = (await box.get("updates"))[0]["checked_at"]
    assert (await box.call("POST", "updates/check")).status == 202
    await box.until("updates", lambda now: all(one["checked_at"] > before for one in now), within_s=60)
    assert VILLAGE not in {app["id"] for app in await box.get("apps")}
    assert traces(demo.state, VILLAGE) == []


def traces(state: Path, text: str) -> list[Path]:
    """Return every file of the box that is named `text` or has it inside.

    The head-end's folder is not the box's, and what the operator offers to
    everybody is not a trace of what somebody had.
    """
    found = []
    for path in state.rglob("*"):
        place = path.relative_to(state)
        if place.parts[0] in ("demo", "trust", "demo.log"):
            continue
        if text in str(place) or (path.is_file() and text.encode() in path.read_bytes()):
            found.append(place)
    return found


async def _reaches_the_house(frame: object) -> bool:
    """Whether script in the app's frame can read the house's API."""
    attempt = "fetch('/api/v1/tv').then((answer) => answer.ok && answer.status === 200, () => false)"
    return bool(await frame.evaluate(attempt))  # type: ignore[attr-defined]
