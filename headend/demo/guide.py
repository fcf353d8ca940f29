"""What is on: a programme guide for fifteen days, the same for the same day whoever asks.

One rule: every channel's day is filled from midnight to midnight (China time)
without gaps or overlaps.
"""

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from xml.sax.saxutils import escape, quoteattr

from headend.demo.channels import DemoChannel, Scene

DAYS_BACK = 7
DAYS_FORWARD = 7
CHINA = timezone(timedelta(hours=8))
_MINUTES_PER_DAY = 24 * 60
_LENGTHS = (20, 30, 40, 45, 50, 60, 75, 90)
_SHORTEST = 20


@dataclass(frozen=True, slots=True)
class Programme:
    """One entry of the guide; times in China time."""

    channel: str
    start: datetime
    stop: datetime
    title: str
    description: str
    category: str


_REPERTOIRE: dict[Scene, tuple[str, tuple[tuple[str, str], ...]]] = {
    Scene.TERRACES: (
        "综合",
        (
            ("梯田里的四季", "哈尼山寨的一年:引水、插秧、守田、开镰。"),
            ("早安,青石县", "天气、农时、路况,和一碗热米线。"),
            ("百姓问事", "把群众的难事摆到桌面上,一件一件办。"),
            ("手艺人", "竹编师傅和他带的三个徒弟。"),
            ("家里的味道", "今天做一道腊肉焖笋。"),
            ("山河路书", "沿着一条老茶路走到山外。"),
            ("晚间故事", "返乡的年轻人,和他的第一片果园。"),
        ),
    ),
    Scene.CITY: (
        "新闻",
        (
            ("整点播报", "过去一小时,身边发生的事。"),
            ("晨光新闻", "一天的开始,先看要闻。"),
            ("经济半小时谈", "菜价、油价和小店的账本。"),
            ("数说今天", "用一张图讲清一件事。"),
            ("记者在现场", "跟着镜头去汛期的堤上。"),
            ("夜读新闻", "今天值得再看一遍的三件事。"),
        ),
    ),
    Scene.LANTERNS: (
        "综艺",
        (
            ("海上灯火", "渔港的夜市和会唱歌的船老大。"),
            ("村口大舞台", "八个村的节目,一个晚上唱完。"),
            ("笑一笑", "相声小品新人专场。"),
            ("合唱之夜", "一百个普通人的合唱团。"),
            ("猜猜我是谁", "家庭竞猜,赢一台洗衣机。"),
        ),
    ),
    Scene.PADDIES: (
        "农业",
        (
            ("致富路上", "稻田养鱼,一亩多收三千元。"),
            ("农技课堂", "柑橘黄龙病怎么防。"),
            ("田间天气", "未来三天适不适合晒谷。"),
            ("林中一日", "护林员的三十公里巡山路。"),
            ("乡村集市", "今天的土货和行情。"),
            ("种子的旅行", "从育种基地到你家地头。"),
        ),
    ),
    Scene.REEF: (
        "少儿",
        (
            ("小鱼泡泡", "泡泡第一次离开珊瑚礁。"),
            ("动手做一做", "用纸盒做一台潜望镜。"),
            ("为什么呢", "大海为什么是咸的?"),
            ("晚安故事", "会发光的小水母。"),
            ("唱唱跳跳", "跟着节拍学数数。"),
        ),
    ),
    Scene.STAGE: (
        "戏曲",
        (
            ("梨园春晓", "名段欣赏:青衣专场。"),
            ("跟我学唱", "今天学一段花鼓戏。"),
            ("戏里戏外", "武生的一天从五点开始。"),
            ("锣鼓点儿", "后台乐师的故事。"),
            ("老戏台", "一座古戏台和一个村子的三百年。"),
        ),
    ),
    Scene.LAKE: (
        "电影",
        (
            ("影院:月下船歌", "老船工最后一次摆渡,儿子从城里赶回来。"),
            ("影院:第七封信", "一封寄错的信,让两家人成了朋友。"),
            ("短片集", "五位年轻导演的家乡。"),
            ("幕后", "看一场雨戏怎样拍成。"),
            ("剧场:茶马人家", "第十二集。商队遇上大雪封山。"),
        ),
    ),
    Scene.PLANETS: (
        "科教",
        (
            ("星空笔记", "今晚可以看到土星。"),
            ("名医在线", "高血压病人怎样安排一天。"),
            ("大国工匠谈", "一颗螺丝的千分之一毫米。"),
            ("实验室开放日", "看得见的声音。"),
            ("空中课堂", "初中物理:浮力。"),
            ("考古现场", "竹简上的菜谱。"),
        ),
    ),
    Scene.KITES: (
        "体育",
        (
            ("村超时刻", "小组赛:青石镇队对白水村队。"),
            ("早操时间", "跟着教练动起来。"),
            ("球迷会客厅", "聊聊昨晚的绝杀。"),
            ("风筝大赛", "三百只风筝一起上天。"),
            ("乒乓课堂", "反手怎么发力。"),
        ),
    ),
    Scene.WAVES: (
        "音乐",
        (
            ("山歌对唱", "隔着一条河唱了一辈子。"),
            ("民乐时间", "古筝与竹笛。"),
            ("新歌来了", "本周十首原创。"),
            ("老歌回放", "父母年轻时听的歌。"),
            ("夜色电台", "给还没睡的人。"),
        ),
    ),
    Scene.BRIDGE: (
        "本地",
        (
            ("青石新闻", "县里今天的大事小情。"),
            ("村务公开", "低保名单公示与集体账目。"),
            ("健康大讲堂", "县医院张医生讲慢病用药。"),
            ("党员之家", "学习时间。"),
            ("赶集啦", "周三白水集,看看有什么好货。"),
            ("应急小课", "山洪来了往哪走。"),
            ("桥上人家", "风雨桥边的老铺子。"),
        ),
    ),
    Scene.SUMMIT: (
        "纪录片",
        (
            ("云端之上", "超高清航拍:雪山日出。"),
            ("候鸟的湖", "十万只候鸟过冬的地方。"),
            ("冰川日志", "科考队的第四十天。"),
            ("一滴水的路", "从雪线到稻田。"),
            ("星轨", "高原上的一夜。"),
        ),
    ),
}


def programmes(channel: DemoChannel, today: date) -> Iterator[Programme]:
    """Yield the programmes of `channel` from seven days before `today` to seven after, in order."""
    for offset in range(-DAYS_BACK, DAYS_FORWARD + 1):
        yield from _day(channel, today + timedelta(days=offset))


def xmltv(channels: Sequence[DemoChannel], now: datetime, *, base: str) -> bytes:
    """Return the guide around `now` as gzipped XMLTV.

    Args:
        channels: Whose guide.
        now: Timezone-aware.
        base: Address of the origin, for the channels' pictures.
    """
    today = now.astimezone(CHINA).date()
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<tv generator-info-name="gateway-demo">']
    for channel in channels:
        lines.append(f"<channel id={quoteattr(channel.id)}>")
        lines.append(f'<display-name lang="zh">{escape(channel.name)}</display-name>')
        lines.append(f'<display-name lang="en">{escape(channel.english)}</display-name>')
        lines.append(f"<icon src={quoteattr(f'{base}/logo/{channel.id}.svg')}/></channel>")
    for channel in channels:
        lines += (_element(programme) for programme in programmes(channel, today))
    lines.append("</tv>\n")
    return gzip.compress("\n".join(lines).encode(), compresslevel=6, mtime=0)


def _day(channel: DemoChannel, day: date) -> Iterator[Programme]:
    dice = random.Random(f"{channel.id} {day.isoformat()}")  # noqa: S311 - a guide, not a secret
    category, repertoire = _REPERTOIRE[channel.scene]
    midnight = datetime.combine(day, time(), CHINA)
    minute, last = 0, -1
    while minute < _MINUTES_PER_DAY:
        left = _MINUTES_PER_DAY - minute
        # What is left after this one must again be at least the shortest.
        fitting = [n for n in _LENGTHS if n == left or n <= left - _SHORTEST]
        length = dice.choice(fitting) if fitting else left
        which = dice.choice([n for n in range(len(repertoire)) if n != last])
        last = which
        title, description = repertoire[which]
        start = midnight + timedelta(minutes=minute)
        yield Programme(
            channel.id,
            start,
            start + timedelta(minutes=length),
            title,
            description.replace(",", "，").replace(":", "："),
            category,
        )
        minute += length


def _element(programme: Programme) -> str:
    return (
        f'<programme start="{programme.start:%Y%m%d%H%M%S %z}" stop="{programme.stop:%Y%m%d%H%M%S %z}" '
        f'channel={quoteattr(programme.channel)}><title lang="zh">{escape(programme.title)}</title>'
        f'<desc lang="zh">{escape(programme.description)}</desc>'
        f'<category lang="zh">{escape(programme.category)}</category></programme>'
    )
