/** Party members' home: the day, lessons that remember the page, meetings, a ledger of points. */

import { clock, storage } from "./gateway-sdk.js";
import { el, speak, Stage } from "./gateway-tv.js";
import lessons from "./data/lessons.js";
import meetings from "./data/meetings.js";
import { entries, rank } from "./data/points.js";
import { news, themeDay } from "./data/today.js";
import en from "./locales/en.js";
import zh from "./locales/zh-CN.js";

const ICON = "M5 21V4m0 0h13l-3 4 3 4H5";

const { locale, words, say } = await speak({ "zh-CN": zh, en });
const today = (await clock.now().catch(() => new Date())).toLocaleDateString("sv-SE");
/** Pages read of each lesson, by its id. */
const progress = (await storage.get("progress").catch(() => null)) ?? {};

function day(stage) {
  const agenda = themeDay.agenda.map((point, index) => el("li", el("i.num", String(index + 1)), el("span", say(point))));
  const hero = el("div.gw-card.wide.hero", el("span.gw-pill.wait", words.themeDay), el("h2", say(themeDay.title)),
    el("p.gw-dim.num", `${themeDay.date} ${themeDay.time} · ${say(themeDay.where)} · ${words.host}：${themeDay.host}`), el("ol", agenda));
  const rows = [[{ node: hero }], ...news.map((item) => {
    const node = el("div.gw-card.wide.line", el("span.gw-cap.num", item.day), el("span.gw-h2", say(item.title)));
    return [{ node, ok: () => stage.open(el("div.reading", el("h2", say(item.title)), el("p.text", say(item.text)))) }];
  })];
  return { node: el("div.stack", hero, el("p.gw-h2.title", words.news), rows.slice(1).flat().map((row) => row.node)), rows };
}

function study(stage) {
  const rows = lessons.map((lesson) => {
    const read = progress[lesson.id] ?? 0;
    const done = read >= lesson.pages.length;
    const bar = el("div.bar", el("i"));
    bar.firstChild.style.setProperty("width", `${(100 * read) / lesson.pages.length}%`);
    const state = done ? el("span.gw-pill.ok", `✓ ${words.finished}`) : el("span.gw-pill", read ? words.resume : words.begin);
    const node = el("div.gw-card.wide.lesson", el("div.head", el("span.gw-h2", say(lesson.title)), state), el("p.gw-cap", words.minutes(lesson.minutes)), bar);
    return [{ node, ok: () => readLesson(stage, lesson) }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function readLesson(stage, lesson) {
  const count = lesson.pages.length;
  let page = (progress[lesson.id] ?? 0) % count;
  const text = el("p.text");
  const foot = el("p.gw-cap.num");
  const turn = (to) => {
    page = Math.min(Math.max(to, 0), count - 1);
    text.textContent = say(lesson.pages[page]);
    foot.textContent = `${words.page(page + 1, count)} · ${words.turn}`;
    progress[lesson.id] = Math.max(progress[lesson.id] ?? 0, page + 1);
    storage.set("progress", progress).catch(() => {});
  };
  const node = el("div.reading.paged", el("h2", say(lesson.title)), text, foot);
  const key = (pressed) => {
    if (pressed === "right" || (pressed === "ok" && page < count - 1)) turn(page + 1);
    else if (pressed === "left" && page > 0) turn(page - 1);
    else return false;
    return true;
  };
  turn(page);
  stage.open(node, [[{ node: el("span"), key, ok: () => stage.close() }]]);
}

function calendar() {
  const order = [...meetings].sort((a, b) => (a.date + a.time).localeCompare(b.date + b.time));
  const coming = order.filter(({ date }) => date >= today);
  const held = order.filter(({ date }) => date < today).reverse();
  const rows = [...coming, ...held].map((meeting) => {
    const future = meeting.date >= today;
    const node = el("div.gw-card.wide.meeting",
      el("div.date.num", el("strong", meeting.date.slice(8)), el("small", meeting.date.slice(0, 7))),
      el("div.what", el("span.gw-h2", say(meeting.title)), el("p.gw-cap", `${words.kinds[meeting.kind]} · ${words.rhythm[meeting.kind]} · ${meeting.time}`)),
      el(`span.gw-pill${future ? ".wait" : ""}`, future ? words.next : words.past));
    return [{ node }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function points() {
  const total = entries.reduce((sum, entry) => sum + entry.points, 0);
  const rows = entries.map((entry) => {
    const minus = entry.points < 0;
    const node = el("div.gw-card.wide.entry", el("span.gw-cap.num", entry.day), el("span", say(entry.text)), minus && el("span.gw-pill.bad", words.correction), el("strong.num", `${minus ? "−" : "+"}${Math.abs(entry.points)}`));
    return [{ node }];
  });
  const sum = el("div.total", el("div", el("p.gw-dim", words.total), el("strong.num", String(total))), el("p.gw-pill.ok.num", words.rank(rank.place, rank.members)), el("p.gw-cap", words.ledgerNote));
  return { node: el("div.stack", sum, rows.flat().map((row) => row.node)), rows };
}

new Stage({
  name: words.name, place: words.place, icon: ICON, color: "#c2253b", locale,
  sections: [
    { label: words.sections.today, show: day },
    { label: words.sections.study, note: () => String(lessons.filter(({ id, pages }) => (progress[id] ?? 0) < pages.length).length || ""), show: study },
    { label: words.sections.meetings, note: () => String(meetings.filter(({ date }) => date >= today).length || ""), show: calendar },
    { label: words.sections.points, show: points },
  ],
});
