"""``gateway doctor``: what works on this box, what does not, and what to do.

One rule: it only looks.  Every fault comes with the step that mends it, in
words for whoever stands in front of the box.
"""

import contextlib
import ctypes.util
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.broker import SEARCH_PATH
from gateway.config import BOARDS, GatewayConfig
from gateway.errors import GatewayError
from gateway.iot.announcement import leaves_the_box
from gateway.iot.lan import attachments
from hw.board import load_board
from hw.display import x_display

LEAST_FREE_BYTES = 256 * 1024 * 1024
CONNECT_TIMEOUT_S = 0.5

ENGINES = {
    "vlc": ("libVLC", "libvlc5 vlc-plugin-base vlc-plugin-video-output"),
    "mpv": ("libmpv", "libmpv2"),
}
"""Players that draw on a display: their name, and Debian's packages."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name, in English and Chinese.
        well: Whether it is as it should be.
        detail: What was found.
        advice: What to do when it is not well.
    """

    what: str
    well: bool
    detail: str
    advice: str = ""


def examine(config: GatewayConfig, state: Path) -> list[Finding]:
    """Look at everything a box with this configuration and state folder needs."""
    return [
        _board(config),
        _picture(config),
        *_programs(config),
        _state_folder(state),
        *_databases(state),
        *_files(config),
        *_ports(config, state),
        _neighbourhood(config),
    ]


def report(findings: list[Finding]) -> str:
    """Return the findings as text for a terminal."""
    lines = []
    for finding in findings:
        lines.append(f"{'✔' if finding.well else '✘'} {finding.what}: {finding.detail}")
        if not finding.well:
            lines.append(f"    → {finding.advice}")
    faults = sum(not finding.well for finding in findings)
    lines.append("")
    if faults:
        lines.append(f"{faults} to mend · 有 {faults} 项需要处理")
    else:
        lines.append("All is well · 一切正常")
    return "\n".join(lines) + "\n"


def _board(config: GatewayConfig) -> Finding:
    try:
        board = load_board(config.board.name, BOARDS)
    except GatewayError as error:
        return Finding("Board · 板卡", False, str(error), error.hint)
    return Finding("Board · 板卡", True, board.title)


def _picture(config: GatewayConfig) -> Finding:
    display = x_display(os.environ)
    try:
        kind = config.media.player_on(load_board(config.board.name, BOARDS))
    except GatewayError as error:
        return Finding("Picture · 画面", False, str(error), error.hint)
    if kind not in ENGINES or display is None:
        return Finding("Picture · 画面", True, "shown by the page itself · 由网页播放")
    name, packages = ENGINES[kind]
    if ctypes.util.find_library(kind) is None:
        detail = f"{name} is not installed · 未安装 {name}"
        return Finding("Picture · 画面", False, detail, f"sudo apt-get install {packages}")
    return Finding("Picture · 画面", True, f"{name} on display {display}")


def _programs(config: GatewayConfig) -> Iterator[Finding]:
    wanted = {"setpriv": "util-linux"}
    if config.broker.mode == "managed":
        wanted |= {"mosquitto": "mosquitto"}
    for program, package in wanted.items():
        found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
        detail = found or "not installed · 未安装"
        yield Finding(f"Program · 程序 {program}", bool(found), detail, f"sudo apt-get install {package}")


def _state_folder(state: Path) -> Finding:
    what = "State folder · 状态目录"
    place = state if state.exists() else state.absolute().parent
    if not place.is_dir():
        return Finding(
            what, False, f"{place} is not a folder · 不是目录", "Choose another folder with --state."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(what, False, f"{place} cannot be written · 不可写", "Run as the user that owns it.")
    free = shutil.disk_usage(place).free
    detail = f"{state}, {free // 1024**2} MiB free · 剩余空间"
    return Finding(what, free >= LEAST_FREE_BYTES, detail, "Free some space: at least 256 MiB are needed.")


def _databases(state: Path) -> Iterator[Finding]:
    for file in sorted(state.glob("*.db")):
        detail = _looked_into(file)
        advice = "Restart the box: it goes back to the newest good copy by itself."
        yield Finding(f"Database · 数据库 {file.name}", detail == "ok", detail, advice)


def _looked_into(file: Path) -> str:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)


def _files(config: GatewayConfig) -> Iterator[Finding]:
    for what, place in (("Line-up · 频道表", config.media.line_up), ("Guide · 节目单", config.media.guide)):
        if not place:
            yield Finding(
                what, False, "none is configured · 未配置", "Set it in gateway.yaml, section media."
            )
        elif "://" in place:
            yield Finding(what, True, place.split("?")[0])
        else:
            found = Path(place).is_file()
            yield Finding(what, found, place, "The file is not there; copy it, or correct the path.")


def _ports(config: GatewayConfig, state: Path) -> Iterator[Finding]:
    running = (state / "token").exists() and _answers(config.ui.port)
    wanted = [("page · 页面", config.ui.port)]
    if config.broker.mode == "managed":
        wanted.append(("broker · 消息代理", config.broker.port))
        if config.broker.tls:
            wanted.append(("broker, TLS · 消息代理（加密）", config.broker.tls_port))
    for name, port in wanted:
        if running:
            yield Finding(f"Port · 端口 {port} ({name})", True, "the box is running · 盒子正在运行")
        else:
            advice = "Stop the program that holds it, or choose another port in gateway.yaml."
            detail = "free · 空闲" if (free := _is_free(port)) else "taken by another program · 被占用"
            yield Finding(f"Port · 端口 {port} ({name})", free, detail, advice)


def _neighbourhood(config: GatewayConfig) -> Finding:
    what = "Found on the network · 网络发现"
    discovery = config.iot.discovery
    shown = leaves_the_box(config.ui.host) or leaves_the_box(config.iot.coap.host)
    if not shown or not discovery.announce:
        return Finding(what, True, "no, the box keeps to itself · 否，盒子不对外广播")
    try:
        here = attachments(discovery.interfaces)
    except OSError as error:
        return Finding(what, False, str(error), "Run as the user that runs the box.")
    detail = ", ".join(f"{each.name} {(*each.ipv4, *each.ipv6)[0]}" for each in here)
    advice = "Plug in the network cable, or correct iot.discovery.interfaces."
    return Finding(what, bool(here), detail or "no network is up · 没有可用的网络", advice)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT_S):
        return True
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
