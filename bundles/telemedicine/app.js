/**
 * See the doctor: the meter's live value, who is in, what to do in an emergency.
 * One rule: a medical value is on the screen only after a key press, for half a
 * minute, and is never kept, sent or written to the console.
 */

import { clock, sensors } from "./gateway-sdk.js";
import { el, speak, Stage } from "./gateway-tv.js";
import classes from "./data/classes.js";
import doctors from "./data/doctors.js";
import firstaid from "./data/firstaid.js";
import en from "./locales/en.js";
import zh from "./locales/zh-CN.js";

const ICON = "M4 12h4l2-6 4 12 2-6h4";
const SHOWN_S = 30;
const READ_EVERY_MS = 2000;

const { locale, words, say } = await speak({ "zh-CN": zh, en });
let stage = null;
let readings = [];
let shownUntil = 0;
let now = await clock.now().catch(() => new Date());

/** The readings that together are one blood pressure, newest measurement first. */
function pressure() {
  const mmHg = readings.filter(({ unit, value }) => unit === "mmHg" && typeof value === "number");
  const named = (word, chinese) => mmHg.find(({ entity, name }) => entity.toLowerCase().includes(word) || name.includes(chinese));
  const systolic = named("systolic", "收缩");
  const diastolic = named("diastolic", "舒张");
  const pulse = readings.find(({ unit, value }) => unit === "bpm" && typeof value === "number");
  return systolic && diastolic ? { systolic, diastolic, pulse } : null;
}

function big(label, reading, unit, open) {
  return el("div.value", el("span.gw-cap", label), el(`strong.num${open ? "" : ".veiled"}`, open && reading ? String(reading.value) : "– –"), el("small.gw-dim", unit));
}

function measure() {
  const found = pressure();
  const left = Math.ceil((shownUntil - performance.now()) / 1000);
  const open = left > 0;
  const how = el("div.how", words.how.map((step, index) => el("div", el("i.num", String(index + 1)), step)));
  if (!found) {
    const node = el("div.gw-card.wide.meter", el("h2", words.noMeter), el("p.gw-dim", words.noMeterLong));
    return { node: el("div.stack", node, how), rows: [[{ node }]] };
  }
  const { systolic, diastolic, pulse } = found;
  const minutes = Math.max(0, Math.floor((now - systolic.measuredAt) / 60_000));
  const node = el("div.gw-card.wide.meter",
    el("div.head", el("span.gw-h2", open ? words.hideNow : words.reveal), el("span.gw-pill.num", open ? words.left(left) : words.hidden)),
    el("div.values", big(words.systolic, systolic, "mmHg", open), el("b", "/"), big(words.diastolic, diastolic, "mmHg", open), big(words.pulse, pulse, words.perMinute, open)),
    el("p.gw-dim.num", minutes < 1 ? words.justNow : words.minutesAgo(minutes)),
    systolic.available ? null : el("p.gw-pill.wait", words.away));
  const ok = () => {
    shownUntil = open ? 0 : performance.now() + SHOWN_S * 1000;
    stage.refresh();
  };
  return { node: el("div.stack", node, how, el("p.gw-cap", `${words.private} ${words.noDiagnosis}`)), rows: [[{ node, ok }]] };
}

function whoIsIn() {
  const rows = doctors.map((doctor) => {
    const present = doctor.days.includes(now.getDay());
    const node = el("div.gw-card.wide.doctor",
      el("div.face", doctor.name[0]),
      el("div.who", el("span.gw-h2", doctor.name), el("p.gw-dim", say(doctor.title)), el("p.gw-cap", `${say(doctor.where)} · ${words.days} ${doctor.hours}`)),
      el("div.reach", el(`span.gw-pill${present ? ".ok" : ""}`, present ? words.today : words.off), el("strong.num", doctor.phone)));
    return [{ node }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function lessons() {
  const cards = classes.map((lesson) => ({
    node: el("div.gw-card.lesson", el("span.gw-h2", say(lesson.title)), el("p.gw-dim", `${say(lesson.text).slice(0, locale === "en" ? 70 : 34)}…`)),
    ok: () => stage.open(el("div.reading", el("h2", say(lesson.title)), el("p.text", say(lesson.text)), el("p.gw-cap", words.noDiagnosis))),
  }));
  const rows = [];
  for (let index = 0; index < cards.length; index += 2) rows.push(cards.slice(index, index + 2));
  return { node: el("div.grid", cards.map((card) => card.node)), rows };
}

function emergency() {
  const call = el("div.gw-card.wide.call", el("strong", "120"), el("div", el("span.gw-h2", words.callTitle), words.callLines.map((line) => el("p", line)), el("p.gw-cap", words.villageDoctor)));
  const rows = [[{ node: call }], ...firstaid.map((case_) => {
    const node = el("div.gw-card.wide.case", el("span.gw-h2", say(case_.title)), el("span.gw-pill", words.steps));
    const steps = case_.steps.map((step, index) => el("div", el("i.num", String(index + 1)), say(step)));
    return [{ node, ok: () => stage.open(el("div.reading", el("h2", say(case_.title)), el("div.how.tall", steps))) }];
  })];
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

let measuring = false;
stage = new Stage({
  name: words.name, place: words.place, icon: ICON, color: "#1676a8", locale,
  sections: [
    { label: words.sections.measure, show: () => { measuring = true; return measure(); } },
    { label: words.sections.doctor, show: () => { leave(); return whoIsIn(); } },
    { label: words.sections.classes, show: () => { leave(); return lessons(); } },
    { label: words.sections.help, show: () => { leave(); return emergency(); } },
  ],
});

/** Leaving the measurement hides it. */
function leave() {
  measuring = false;
  shownUntil = 0;
}

async function look() {
  now = await clock.now().catch(() => new Date());
  readings = await sensors.read().catch(() => []);
  if (measuring) stage.refresh();
}

await look();
setInterval(look, READ_EVERY_MS);
