"""What there is in the fake house: channels, programmes, apps, devices.

One rule: made of `gateway.ui.documents`, and the same at every start but for the time.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.ui import documents as doc

CHANNELS = (
    ("综合", "央视", "1080p"), ("财经", "央视", "1080p"), ("综艺", "央视", None), ("国防军事", "央视", None),
    ("体育", "央视", "4K"), ("电影", "央视", None), ("农林卫视", "卫视", "1080p"), ("科教", "央视", None),
    ("戏曲", "央视", None), ("社会与法", "央视", None), ("农业农村", "央视", "4K"), ("县融媒", "本地", None),
)  # fmt: skip
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 17, 21)
TITLES = (
    "新闻联播", "致富经：一颗橙子的旅行", "梯田里的四季", "戏曲空间", "名医在线", "乡村大舞台",
    "健康之路：秋冬护关节", "自然传奇：雪线之上", "讲武堂",
    "三农问诊：霜冻来了怎么办", "海上灯火", "村口调解室",
)  # fmt: skip
TEXT = "哈尼族老人和返乡的孙子，用一年时间守住一片山。今晚：秋收与开镰。"
APPS = (
    ("cn.example.party", "党员之家", "Party", "flag", "#c2253b"),
    ("cn.example.village", "村务公开", "Village", "village", "#2d7d46"),
    ("cn.example.doctor", "看医生", "Doctor", "health", "#1676a8"),
    ("cn.example.market", "乡味集市", "Market", "shop", "#b8631b"),
)


def channel(index: int) -> doc.Channel:
    """The channel at `index`; beyond the twelve there are as many as one likes."""
    name, group, resolution = (
        CHANNELS[index] if index < len(CHANNELS) else (f"地方台 {index + 100}", "地方", None)
    )
    number = NUMBERS[index] if index < len(NUMBERS) else index + 100
    catchup = doc.Catchup(days=7) if index % 2 else None
    return doc.Channel(
        id=f"c{number}", number=number, name=name, group=group, resolution=resolution, catchup=catchup
    )


def apps() -> list[doc.App]:
    """The four apps."""
    return [
        doc.App(
            id=i,
            version="1.2.0",
            name={"zh-CN": zh, "en": en},
            summary={},
            icon=icon,
            color=color,
            state="installed",
        )
        for i, zh, en, icon, color in APPS
    ]


def programmes(index: int, channel: str, start: datetime, stop: datetime) -> list[doc.Programme]:
    """What the channel at `index` shows between two times."""
    length = timedelta(minutes=(30, 40, 45, 60, 90)[index % 5])
    origin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * (index % 4))
    number = int((start - origin) / length)
    found = []
    while (begins := origin + number * length) < stop:
        title = TITLES[(number + index * 5) % len(TITLES)]
        found.append(
            doc.Programme(
                id=f"{channel}-{number}",
                channel=channel,
                start=begins,
                stop=begins + length,
                title=title,
                description=TEXT,
            )
        )
        number += 1
    return found


BODIES = {"mqtt.bp_sys": "systolic", "mqtt.bp_dia": "diastolic", "mqtt.bp_pul": "pulse"}


def home() -> list[doc.Entity]:
    """A lamp, a plug, a thermometer, a door, a blood-pressure meter, and one thing that is gone."""
    now = datetime.now(UTC)
    ago = now - timedelta(minutes=12)
    rows: list[tuple[str, str, str, str, str, str, doc.Value, bool, datetime]] = [
        ("mqtt.lamp", "客厅灯", "灯", "light", "", "", False, True, now),
        ("mqtt.plug", "热水壶插座", "插座", "switch", "outlet", "", True, True, now),
        ("coap.ep1.3303.0.5700", "卧室温度计", "温度", "sensor", "temperature", "°C", 23.4, True, ago),
        ("coap.ep1.3304.0.5700", "卧室温度计", "湿度", "sensor", "humidity", "%", 51, True, ago),
        ("mqtt.door", "大门", "门磁", "binary_sensor", "door", "", False, True, now),
        ("mqtt.bp_sys", "血压计", "收缩压", "sensor", "blood_pressure", "mmHg", 128, True, now),
        ("mqtt.bp_dia", "血压计", "舒张压", "sensor", "blood_pressure", "mmHg", 82, True, now),
        ("mqtt.bp_pul", "血压计", "脉搏", "sensor", "", "bpm", 71, True, now),
        ("mqtt.soil", "菜棚", "湿度", "sensor", "humidity", "%", 37, False, ago),
    ]
    return [
        doc.Entity(
            id=key,
            name=name,
            device=f"{key.partition('.')[0]}.{device}",
            device_name=device,
            capability=capability,
            device_class=kind,
            unit=unit,
            part="",
            writable=capability in ("light", "switch"),
            choices=[],
            minimum=None,
            maximum=None,
            step=0.0,
            value=value,
            available=available,
            reported_at=reported_at,
            source=key.partition(".")[0],
            body=BODIES.get(key, ""),
        )
        for key, device, name, capability, kind, unit, value, available, reported_at in rows
    ]


def air_conditioner() -> list[doc.Entity]:
    """A thing of several sides: its mode, two temperatures and the fan."""
    now = datetime.now(UTC)
    whole = doc.Entity(
        id="mqtt.ac",
        name="客厅空调",
        device="mqtt.ac",
        device_name="客厅空调",
        capability="climate",
        device_class="",
        unit="",
        part="",
        writable=True,
        choices=["off", "cool", "heat", "dry"],
        minimum=None,
        maximum=None,
        step=0.0,
        value="cool",
        available=True,
        reported_at=now,
        source="mqtt",
    )
    target = msgspec.structs.replace(
        whole,
        id="mqtt.ac.target",
        part="target",
        capability="number",
        unit="°C",
        choices=[],
        minimum=16.0,
        maximum=30.0,
        step=1.0,
        value=26,
    )
    room = msgspec.structs.replace(
        target, id="mqtt.ac.room", part="current_temperature", capability="sensor", writable=False, value=27.5
    )
    fan = msgspec.structs.replace(
        whole,
        id="mqtt.ac.fan",
        part="fan_mode",
        capability="select",
        choices=["auto", "low", "high"],
        value="auto",
    )
    return [whole, target, room, fan]
