"""What the doctor says of the box's place on the network."""

from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from gateway.doctor import Finding, examine
from gateway.schema import decode


@pytest.mark.parametrize(
    ("settings", "well", "says"),
    [
        ({}, True, "keeps to itself"),
        ({"ui": {"host": "0.0.0.0"}, "iot": {"discovery": {"announce": False}}}, True, "keeps to itself"),  # noqa: S104 - as on a real box
        (
            {"iot": {"coap": {"host": "::"}, "discovery": {"interfaces": ["nosuch0"]}}},
            False,
            "no network is up",
        ),
    ],
    ids=["nothing configured", "told to be silent", "an interface that is not there"],
)
def test_the_doctor_says_where_the_box_is_found(
    tmp_path: Path, settings: dict[str, object], well: bool, says: str
) -> None:
    findings: list[Finding] = examine(decode(settings, GatewayConfig), tmp_path)
    (found,) = [each for each in findings if each.what.startswith("Found on the network")]
    assert found.well is well
    assert says in found.detail
    assert well or "iot.discovery.interfaces" in found.advice
