"""Who may log in to the broker and what they may touch, in mosquitto's own words.

One rule: a device reaches what is below its own name and nothing else; of its
secret only the hash is written anywhere.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Mapping

GATEWAY = "gateway"
"""The daemon's own account; it may do everything."""
PROBE = "gateway-probe"
"""May log in and do nothing: that it can tells that the newest files were read."""
MAX_DEVICES = 500

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# First levels of topics that are everybody's: whoever had such a name would own them all.
# "5" is Homie's version, which stands where a device's name does in Homie 4.
_RESERVED = frozenset({"homeassistant", "homie", "5", "tasmota", "cmnd", "stat", "tele"})
# Mosquitto's own figures (mosquitto_passwd.c).  Secrets are 160 random bits or more: guessing is not
# made slower by more, and after each change the broker checks everybody who is connected.
_ITERATIONS = 101
_SALT_BYTES = 12
_HASH = re.compile(r"\$7\$[0-9]{1,6}\$[A-Za-z0-9+/=]{16,128}\$[A-Za-z0-9+/=]{88}")

_DEVICE_RIGHTS = """\
user {name}
topic readwrite {name}/#
topic write homeassistant/+/{name}/#
topic write homeassistant/device/{name}/#
topic read homeassistant/status
topic readwrite homie/5/{name}/#
topic readwrite homie/{name}/#
topic write tasmota/discovery/{mac}/config
topic write tasmota/discovery/{mac}/sensors
topic read cmnd/{name}/#
topic write stat/{name}/#
topic write tele/{name}/#
"""


def is_device_name(name: str) -> bool:
    """Whether `name` can be a device's: it stands in topics and in files of lines."""
    # Names that begin like our own would be our client ids, too; see `gateway.broker`.
    return _NAME.fullmatch(name) is not None and name not in _RESERVED and not name.startswith(GATEWAY)


def topics_of(name: str) -> tuple[str, ...]:
    """Return filters for everything that the device `name` may have left with the broker."""
    return (
        f"{name}/#",
        f"homeassistant/+/{name}/#",
        f"homeassistant/device/{name}/#",
        f"homie/5/{name}/#",
        f"homie/{name}/#",
        f"tasmota/discovery/{name.upper()}/#",
        f"stat/{name}/#",
        f"tele/{name}/#",
    )


def hashed(secret: str) -> str:
    """Return `secret` as mosquitto's password file has it: salted PBKDF2 over SHA-512, type 7."""
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_hash(text: str) -> bool:
    """Whether `text` can be what `hashed` returned."""
    return _HASH.fullmatch(text) is not None


def password_file(hashes: Mapping[str, str]) -> bytes:
    """Return the password file that lets in whoever is in `hashes`, from name to hash."""
    return "".join(f"{name}:{digest}\n" for name, digest in hashes.items()).encode()


def acl_file(devices: Iterable[str]) -> bytes:
    """Return the file of rights for ourselves and `devices`; whom it does not name may do nothing."""
    rights = [f"user {GATEWAY}\ntopic readwrite #\n"]
    rights += [_DEVICE_RIGHTS.format(name=name, mac=name.upper()) for name in devices]
    return "\n".join(rights).encode()
