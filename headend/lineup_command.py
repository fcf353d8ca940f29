"""``headend lineup``: the commands about channels.

One rule: what a person reads is said in Chinese and in English, one finding a line.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headend import ceremony, lineup
from headend.ceremony import Validity
from headend.errors import LineUpFaultError
from headend.keys import KeyRing
from headend.lineup import Checked, Wishes
from headend.repository import Repository

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name

_EXAMPLES = """\
examples 示例:
  headend lineup check list.m3u
  headend lineup admit repo --keys keys --passphrase-file pass.txt
  headend publish repo --keys keys --passphrase-file pass.txt
  headend lineup publish list.m3u --repo repo --area all --keys keys --passphrase-file pass.txt
  headend lineup publish list.m3u --repo repo --area 4403 --host live.example --host '*.cdn.example' \\
      --guide https://guide.example/guide.xml.gz --keys keys --passphrase-file pass.txt

A box takes the line-up whose area is the longest beginning of its own `box.area`.
盒子选用与其 box.area 前缀最接近的区域的频道列表。
"""

_REASONS = {
    "channel without an address": "频道没有地址",
    "channel without a name": "频道没有名称",
    "address without #EXTINF": "地址前没有 #EXTINF",
    "address without a host": "地址中没有主机名",
    "address scheme": "不支持的地址类型",
    "address that is not well formed": "地址格式错误",
    "relative address": "相对地址无法使用",
    "datagrams need": "组播地址必须是数字 IP",
    "is neither": "既不是分组也不是频道",
    "is longer than": "行太长",
    "more than": "超出数量限制",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What all commands of the operator share.

    Attributes:
        ring: The keys a command line names.
        validity: How long its signatures hold.
        say: Tells the operator one line.
    """

    ring: Callable[[argparse.Namespace], KeyRing]
    validity: Callable[[argparse.Namespace], Validity]
    say: Callable[[str], None]

    def check(self, arguments: argparse.Namespace) -> None:
        """Say everything about a list."""
        checked = lineup.check(arguments.file)
        self._tell(checked)
        if not checked.is_faultless:
            skipped, repeated = len(checked.line_up.skipped), len(checked.repeated)
            raise LineUpFaultError(f"{skipped} lines skipped, {repeated} numbers repeated 列表有错误")

    def admit(self, arguments: argparse.Namespace) -> None:
        """Stage the role that signs line-ups."""
        ceremony.admit_line_ups(Repository(arguments.repo), self.ring(arguments), self.validity(arguments))
        self.say("staged a key for line-ups; now run `headend publish` 已准备频道列表的签名密钥，请接着发布")

    def publish(self, arguments: argparse.Namespace) -> None:
        """Sign a line-up and make it public."""
        checked = lineup.check(arguments.file)
        self._tell(checked)
        wishes = Wishes(
            area=arguments.area,
            hosts=tuple(arguments.host),
            guide=arguments.guide,
            with_faults=arguments.with_faults,
        )
        repository, ring = Repository(arguments.repo), self.ring(arguments)
        validity = self.validity(arguments)
        document = lineup.stage(repository, ring, checked, wishes, validity)
        ceremony.publish(repository, ring, validity)
        self.say(
            f"published line-up {document.version} for {document.area}, {len(document.hosts)} hosts allowed "
            f"已发布：区域 {document.area} 第 {document.version} 版，允许 {len(document.hosts)} 台服务器"
        )

    def _tell(self, checked: Checked) -> None:
        count = len(checked.line_up.channels)
        self.say(f"{count} channels 个频道")
        for skipped in sorted(checked.line_up.skipped, key=lambda skipped: skipped.line):
            chinese = next((said for start, said in _REASONS.items() if skipped.reason.startswith(start)), "")
            self.say(f"line 第 {skipped.line} 行: {skipped.reason} {chinese}".rstrip())
        for number, names in sorted(checked.repeated.items()):
            self.say(f"number 频道号 {number}: {', '.join(names)} (only the first keeps it 仅第一个保留)")
        for host in checked.hosts:
            self.say(f"host 服务器: {host}")


def add_to(commands: "Commands", keys: argparse.ArgumentParser, desk: Desk) -> None:
    """Add ``lineup`` to the `commands` of a parser; `keys` are the options about keys."""
    own = commands.add_parser(
        "lineup",
        help="check a line-up, or sign and publish it",
        description="Check line-ups, sign them, publish them. 检查、签名并发布频道列表。",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = own.add_subparsers(required=True, metavar="act")
    check = acts.add_parser(
        "check", help="say every fault and every host of a list; exits 2 if there is a fault"
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(work=desk.check)
    admit = acts.add_parser("admit", parents=[keys], help="stage the role that signs line-ups, once")
    admit.add_argument("repo", type=Path, metavar="REPO")
    admit.set_defaults(work=desk.admit)
    publish = acts.add_parser(
        "publish",
        parents=[keys],
        help="sign a list with its hosts and make it public",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    publish.add_argument("file", type=Path, metavar="FILE")
    publish.add_argument("--repo", type=Path, required=True)
    publish.add_argument("--area", required=True, help="1 to 12 digits that box.area begins with, or all")
    hosts = "a host that may stream, *.name too; again for more; without: those in the list"
    publish.add_argument("--host", action="append", default=[], help=hosts)
    publish.add_argument("--guide", default="", metavar="URL", help="address of the guide")
    publish.add_argument("--with-faults", action="store_true", help="publish although the check finds faults")
    publish.set_defaults(work=desk.publish)
