"""The API answers whatever is thrown at it with what its own description says."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from gateway.ui.server import UiConfig
from tests.ui.conftest import Box, lived_in

EXAMPLES = 10
TIMEOUT_S = 300.0

# Both of these are about meaning, not shape: whether a call of an app exists and whether a lamp
# can be "blue" is for the app bridge and the home to say, and 400 is documented for both.
NOT_EXPRESSIBLE = "positive_data_acceptance"

# Conditions hold conditions: to walk to every corner of such a body takes longer than all others together.
WITHOUT_CORNERS = "--phases=examples,fuzzing,stateful"
NESTED = "-path-regex=/rules"


async def fuzz(box: Box, state: Path, *more: str) -> tuple[int | None, str]:
    """Run the fuzzer against `box`; return its exit code and what it said."""
    fuzzer = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        box.at("openapi.json"),
        "--header",
        f"Authorization: Bearer {box.access.token()}",
        "--suppress-health-check=all",
        "--seed=20260131",
        "--no-color",
        f"--max-examples={EXAMPLES}",
        *more,
        cwd=state,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            told, _ = await fuzzer.communicate()
    finally:
        if fuzzer.returncode is None:
            fuzzer.kill()
            await fuzzer.wait()
    return fuzzer.returncode, told.decode()


@pytest.mark.slow
@pytest.mark.timeout(660)
async def test_the_description_is_true_of_every_answer(tmp_path: Path) -> None:
    async with lived_in(tmp_path, UiConfig(port=0, wrong_tokens_per_minute=100_000)) as box:
        async with box.client.get(box.at("openapi.json")) as answer:
            described = await answer.json(content_type=None)
        operations = sum(len(methods) for methods in described["paths"].values())
        tested = 0
        for options in ([f"--exclude{NESTED}"], [f"--include{NESTED}", WITHOUT_CORNERS]):
            code, told = await fuzz(box, tmp_path, f"--exclude-checks={NOT_EXPRESSIBLE}", *options)
            assert code == 0, told
            count = re.search(r"Tested: +(\d+)", told)
            assert count
            tested += int(count[1])
    assert tested == operations
