"""``python -m headend.demo.devices lamp --port 1883``: one demo device, in the foreground."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from headend.demo.devices.airconditioner import AirConditioner
from headend.demo.devices.bloodpressure import BloodPressureMeter
from headend.demo.devices.door import Door
from headend.demo.devices.lamp import Lamp
from headend.demo.devices.over_coap import Box, Instrument, live_on_coap
from headend.demo.devices.over_mqtt import Account, Appliance, live_on_mqtt
from headend.demo.devices.running import run_until_told
from headend.demo.devices.thermometer import Thermometer

_TITLES = {
    "lamp": "客厅灯",
    "door": "大门",
    "airconditioner": "客厅空调",
    "thermometer": "客厅温度计",
    "bloodpressure": "血压计",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the device that the command line names."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    name = options.name or options.device
    title = options.title or _TITLES[options.device]
    appliance = _appliance(options)
    if appliance is not None:
        account = Account(
            host=options.host, port=options.port, name=name, password_file=options.password_file
        )
        return run_until_told(live_on_mqtt(appliance, account, title))
    instrument: Instrument = (
        Thermometer(start=options.start, step=options.step, period_s=options.period)
        if options.device == "thermometer"
        else BloodPressureMeter(period_s=options.period)
    )
    box = Box(host=options.host, port=options.port, endpoint=name, title=title, model=options.device)
    return run_until_told(live_on_coap(instrument, box))


def _appliance(options: argparse.Namespace) -> Appliance | None:
    match options.device:
        case "lamp":
            return Lamp(delay_s=options.delay, deaf=options.deaf)
        case "door":
            return Door(period_s=options.period)
        case "airconditioner":
            return AirConditioner(period_s=options.period)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m headend.demo.devices", description=__doc__)
    devices = parser.add_subparsers(dest="device", required=True)
    for device, port, period_s in (
        ("lamp", 1883, 0.0),
        ("door", 1883, 45.0),
        ("airconditioner", 1883, 10.0),
        ("thermometer", 5683, 2.0),
        ("bloodpressure", 5683, 30.0),
    ):
        sub = devices.add_parser(device)
        sub.add_argument("--host", default="127.0.0.1", help="where the broker or the box is")
        sub.add_argument("--port", type=int, default=port)
        sub.add_argument("--name", help="account or endpoint name; the kind of device by default")
        sub.add_argument("--title", help="as the household calls it")
        sub.add_argument("--period", type=float, default=period_s, help="seconds between its own changes")
        if port == 1883:  # noqa: PLR2004 - MQTT's port
            sub.add_argument("--password-file", type=Path, help="file with the password of the account NAME")
        if device == "lamp":
            sub.add_argument("--delay", type=float, default=0.0, help="seconds it takes to obey")
            sub.add_argument("--deaf", action="store_true", help="hear commands and do nothing")
        if device == "thermometer":
            sub.add_argument("--start", type=float, default=24.0, help="first temperature, °C")
            sub.add_argument("--step", type=float, default=0.2, help="largest change per period; 0 holds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
