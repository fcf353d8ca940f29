"""``headend firmware``: the commands about the firmware of the home's devices.

One rule: what a person reads is said in Chinese and in English.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from gateway.trust.firmware import Kind
from headend import ceremony, firmware
from headend.ceremony import Validity
from headend.firmware import Wishes
from headend.keys import KeyRing
from headend.repository import Repository, in_days

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name

_GOOD_FOR_DAYS = 365

_EXAMPLES = """\
examples 示例:
  headend firmware admit repo --keys keys --passphrase-file pass.txt
  headend publish repo --keys keys --passphrase-file pass.txt
  headend firmware publish lamp.bin --repo repo --vendor ACME --model L1 --hardware B --version 2.1 \\
      --link lwm2m --minimum-installed 1.4 --keys keys --passphrase-file pass.txt

Vendor, model and hardware are what the device itself reports, word for word.
厂商、型号和硬件版本必须与设备自身上报的内容逐字一致。
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all commands of the operator share.

    Attributes:
        ring: The keys a command line names.
        validity: How long its signatures hold.
        moment: Reads ``30d`` or a time.
        say: Tells the operator one line.
    """

    ring: Callable[[argparse.Namespace], KeyRing]
    validity: Callable[[argparse.Namespace], Validity]
    moment: Callable[[str], datetime]
    say: Callable[[str], None]

    def admit(self, arguments: argparse.Namespace) -> None:
        """Stage the role that signs firmware."""
        ceremony.admit_firmware(Repository(arguments.repo), self.ring(arguments), self.validity(arguments))
        self.say(
            "staged a key for firmware; now run `headend publish`, and keep the key off line "
            "已准备固件的签名密钥，请接着发布，并离线保管密钥"
        )

    def publish(self, arguments: argparse.Namespace) -> None:
        """Sign an image and make it public."""
        wishes = Wishes(
            vendor=arguments.vendor,
            model=arguments.model,
            hardware=tuple(arguments.hardware) or ("",),
            version=arguments.version,
            link=arguments.link,
            expires=arguments.good_until or in_days(_GOOD_FOR_DAYS),
            minimum_installed=arguments.minimum_installed,
            sequence=arguments.sequence,
        )
        repository, ring = Repository(arguments.repo), self.ring(arguments)
        validity = self.validity(arguments)
        signed = firmware.stage(repository, ring, arguments.image, wishes, validity)
        ceremony.publish(repository, ring, validity)
        self.say(
            f"published {signed.vendor} {signed.model} {signed.version}, sequence {signed.sequence} "
            f"已发布：{signed.vendor} {signed.model} {signed.version}，序号 {signed.sequence}"
        )


def add_to(commands: "Commands", keys: argparse.ArgumentParser, desk: Desk) -> None:
    """Add ``firmware`` to the `commands` of a parser; `keys` are the options about keys."""
    own = commands.add_parser(
        "firmware",
        help="sign and publish the firmware of the home's devices",
        description="Sign and publish firmware for devices. 签名并发布设备固件。",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = own.add_subparsers(required=True, metavar="act")
    admit = acts.add_parser("admit", parents=[keys], help="stage the role that signs firmware, once")
    admit.add_argument("repo", type=Path, metavar="REPO")
    admit.set_defaults(work=desk.admit)
    publish = acts.add_parser(
        "publish",
        parents=[keys],
        help="sign an image for one model and make it public",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    publish.add_argument("image", type=Path, metavar="IMAGE")
    publish.add_argument("--repo", type=Path, required=True)
    publish.add_argument("--vendor", required=True, help="as the device reports it")
    publish.add_argument("--model", required=True, help="as the device reports it")
    revision = "a revision it is for; again for more; without: devices that report none"
    publish.add_argument("--hardware", action="append", default=[], help=revision)
    publish.add_argument("--version", required=True, help="what the device reports once it runs the image")
    publish.add_argument("--link", choices=get_args(Kind), required=True)
    publish.add_argument(
        "--minimum-installed", default="", metavar="VERSION", help="for no lower one than this"
    )
    publish.add_argument("--sequence", type=int, help="above all earlier ones; without: the next")
    publish.add_argument(
        "--good-until", type=desk.moment, metavar="WHEN", help="nobody begins after it: 30d or a time"
    )
    publish.set_defaults(work=desk.publish)
