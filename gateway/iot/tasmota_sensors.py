"""What the numbers in a Tasmota device's telemetry are: class, unit, and where they stand.

One rule: pure.  A quantity is known by the name that the firmware gives it in
``tele/…/SENSOR`` (tasmota.github.io, "JSON status responses"); an unknown one is shown as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.iot.link import AnnouncementError

MAX_SENSORS = 100
MAX_DEPTH = 3
MAX_KEY_CHARS = 64

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a number means.

    Attributes:
        device_class: Home Assistant's, empty if it has none.
        unit: Home Assistant's; the name of the key that says it if `said` is true.
        said: Whether the device chooses the unit.
    """

    device_class: str = ""
    unit: str = ""
    said: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One value in the telemetry.

    Attributes:
        path: The keys and positions that lead to it.
        device_class, unit: Home Assistant's, empty if it has none.
        numeric: Whether it must be a number.
    """

    path: Path
    device_class: str = ""
    unit: str = ""
    numeric: bool = False


_CELSIUS_OR_NOT = Quantity("temperature", "TempUnit", said=True)
_PRESSURE = Quantity("pressure", "PressureUnit", said=True)
_ENERGY = Quantity("energy", "kWh")
_DUST = Quantity("", "µg/m³")

QUANTITIES: Mapping[str, Quantity] = {
    "ActivePower": Quantity("power", "W"),
    "Ambient": Quantity("illuminance", "lx"),
    "ApparentPower": Quantity("apparent_power", "VA"),
    "Battery": Quantity("battery", "%"),
    "CCT": Quantity("", "K"),
    "CF1": _DUST,
    "CF2.5": _DUST,
    "CF10": _DUST,
    "CarbonDioxide": Quantity("carbon_dioxide", "ppm"),
    "Current": Quantity("current", "A"),
    "CurrentNeutral": Quantity("current", "A"),
    "DewPoint": _CELSIUS_OR_NOT,
    "Distance": Quantity("distance", "cm"),
    "Energy": _ENERGY,
    "ExportActive": _ENERGY,
    "ExportReactive": Quantity("", "kvarh"),
    "ExportTariff": _ENERGY,
    "Factor": Quantity("power_factor"),
    "Frequency": Quantity("frequency", "Hz"),
    "Humidity": Quantity("humidity", "%"),
    "Illuminance": Quantity("illuminance", "lx"),
    "ImportActive": _ENERGY,
    "ImportReactive": Quantity("", "kvarh"),
    "Moisture": Quantity("moisture", "%"),
    "PM1": Quantity("pm1", "µg/m³"),
    "PM10": Quantity("pm10", "µg/m³"),
    "PM2.5": Quantity("pm25", "µg/m³"),
    "PhaseAngle": Quantity("", "°"),
    "Power": Quantity("power", "W"),
    "Pressure": _PRESSURE,
    "ReactivePower": Quantity("reactive_power", "var"),
    "SeaPressure": _PRESSURE,
    "Speed": Quantity("speed", "SpeedUnit", said=True),
    "TVOC": Quantity("volatile_organic_compounds_parts", "ppb"),
    "Temperature": _CELSIUS_OR_NOT,
    "Today": _ENERGY,
    "Total": _ENERGY,
    "TotalTariff": _ENERGY,
    "Voltage": Quantity("voltage", "V"),
    "Weight": Quantity("weight", "kg"),
    "Yesterday": _ENERGY,
    "eCO2": Quantity("carbon_dioxide", "ppm"),
}

_UNITS: Mapping[str, str] = {
    "C": "°C",
    "F": "°F",
    **{unit: unit for unit in ("hPa", "mmHg", "inHg", "m/s", "km/h", "kn", "mph", "ft/s")},
}
_NO_MEASUREMENTS = frozenset({"Time", "Id", "TotalStartTime", "PN532", "RDM6300"})
"""Addresses, dates, and readers of cards, which say something only when there is one."""
_OTHER_ENERGY = frozenset({"AS3935", "LD2410"})
"""Lightning and presence sensors; what they call energy is no kWh."""


def measurements(said: Mapping[str, object]) -> tuple[Measurement, ...]:
    """Return what is measured in the sample `said`, as a device announces it under ``sn``.

    Raises:
        AnnouncementError: it is too deep or too long.
    """
    found: list[Measurement] = []
    for key, inner in said.items():
        if key in _NO_MEASUREMENTS or not isinstance(inner, Mapping):
            continue
        for path, sample in _leaves((key,), inner):
            if len(found) == MAX_SENSORS:
                raise AnnouncementError(f"announces more than {MAX_SENSORS} measurements")
            found.append(_measurement(path, sample, said))
    return tuple(found)


def _leaves(path: Path, inner: object) -> Iterator[tuple[Path, object]]:
    if len(path) > MAX_DEPTH + 1:
        raise AnnouncementError(f"has measurements more than {MAX_DEPTH} levels deep")
    if isinstance(inner, Mapping):
        for key, each in inner.items():
            if len(str(key)) > MAX_KEY_CHARS:
                raise AnnouncementError(f"has a name of more than {MAX_KEY_CHARS} characters")
            if key not in _NO_MEASUREMENTS:
                yield from _leaves((*path, str(key)), each)
    elif isinstance(inner, list):
        for i, each in enumerate(inner):
            yield from _leaves((*path, i), each)
    else:
        yield path, inner


def _measurement(path: Path, sample: object, said: Mapping[str, object]) -> Measurement:
    quantity = _quantity(path)
    if quantity is None:
        return Measurement(path=path)
    unit = quantity.unit
    if quantity.said:
        unit = _UNITS.get(str(said.get(unit, "")), "")
        if not unit:
            # A class without its unit would be read in whatever unit the reader expects.
            return Measurement(path=path, numeric=_is_number(sample))
    return Measurement(path=path, device_class=quantity.device_class, unit=unit, numeric=True)


def _quantity(path: Path) -> Quantity | None:
    for key in reversed(path[1:]):
        if not isinstance(key, str):
            continue
        if key == "Energy" and path[0] in _OTHER_ENERGY:
            return None
        # Analogue inputs carry the number of their pin.
        bare = key.rstrip("0123456789") if path[0] == "ANALOG" else key
        known = QUANTITIES.get(key) or QUANTITIES.get(bare)
        if known is not None:
            return known
    return None


def _is_number(sample: object) -> bool:
    return isinstance(sample, int | float) and not isinstance(sample, bool)
