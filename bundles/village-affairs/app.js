/** Village affairs: accounts that are added up again, notices, decisions, who to ask. */

import { storage } from "./gateway-sdk.js";
import { el, speak, Stage } from "./gateway-tv.js";
import contacts from "./data/contacts.js";
import ledgers from "./data/ledgers.js";
import matters from "./data/matters.js";
import notices from "./data/notices.js";
import { check, yuan } from "./ledger.js";
import en from "./locales/en.js";
import zh from "./locales/zh-CN.js";

const ICON = "M3 20h18M5 20V10l7-6 7 6v10M10 20v-5h4v5";

const { locale, words, say } = await speak({ "zh-CN": zh, en });
const seen = new Set((await storage.get("seen").catch(() => null)) ?? []);

function verdict(ledger) {
  if (!ledger.signedBy) return el("span.gw-pill.wait", words.unsigned);
  const { difference } = check(ledger);
  return difference === 0 ? el("span.gw-pill.ok", `✓ ${words.balanced}`) : el("span.gw-pill.bad", words.off(yuan(Math.abs(difference))));
}

function figure(label, amount, kind = "") {
  return el("div.figure", el("small.gw-cap", label), el(`strong.num${kind && "." + kind}`, amount));
}

function finance(stage) {
  const rows = ledgers.map((ledger) => {
    const { income, spending } = check(ledger);
    const figures = ledger.signedBy
      ? el("div.figures", figure(words.opening, yuan(ledger.opening)), figure(words.income, `+${yuan(income)}`, "in"), figure(words.spending, yuan(-spending)), figure(words.closing, yuan(ledger.closing)))
      : el("p.gw-dim", words.unsignedLong);
    const node = el("div.gw-card.wide.month", el("div.head", el("span.gw-h2.num", ledger.month), verdict(ledger)), figures);
    return [{ node, ok: () => ledger.signedBy && openLedger(stage, ledger) }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function openLedger(stage, ledger) {
  const { income, spending, difference } = check(ledger);
  const lines = ledger.lines.map((line) =>
    el("tr", el("td.num", line.day), el("td", say(line.item)), el(`td.num.money${line.fen > 0 ? ".in" : ""}`, (line.fen > 0 ? "+" : "") + yuan(line.fen)), el("td.num.gw-dim", line.voucher)));
  stage.open(el("div.ledger",
    el("div.head", el("span.gw-h2.num", `${ledger.month} · ${words.sections.finance}`), verdict(ledger)),
    el("div.figures", figure(words.opening, yuan(ledger.opening)), figure(words.income, `+${yuan(income)}`, "in"), figure(words.spending, yuan(-spending)), figure(words.closing, yuan(ledger.closing))),
    el("table", el("thead", el("tr", el("th", words.date), el("th", words.item), el("th.money", words.amount), el("th", words.voucher))), el("tbody", lines)),
    el(`p.sum${difference ? ".bad" : ""}`, difference ? words.offLong(yuan(Math.abs(difference))) : words.balancedLong),
    el("p.gw-cap", words.signed(ledger.signedBy))));
}

function board(stage) {
  const rows = notices.map((notice) => {
    const fresh = !seen.has(notice.id);
    const node = el("div.gw-card.wide.notice", el("div.head", el("span.gw-h2", say(notice.title)), el(`span.gw-pill${fresh ? ".wait" : ""}`, fresh ? words.unread : words.read)), el("p.gw-cap.num", `${notice.day} · ${say(notice.from)}`));
    return [{ node, ok: () => readNotice(stage, notice) }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function readNotice(stage, notice) {
  seen.add(notice.id);
  storage.set("seen", [...seen]).catch(() => {});
  stage.open(el("div.reading", el("h2", say(notice.title)), el("p.gw-cap.num", `${notice.day} · ${say(notice.from)}`), el("p.text", say(notice.text))));
}

function decisions() {
  const rows = matters.map((matter) => {
    const steps = words.steps.map((step, index) => el(`li${index < matter.step ? ".done" : index === matter.step ? ".now" : ""}`, el("i", index < matter.step ? "✓" : String(index + 1)), el("span", step)));
    const state = matter.step === words.steps.length ? el("span.gw-pill.ok", words.stepsDone) : el("span.gw-pill.wait", words.stepNow);
    return [{ node: el("div.gw-card.wide.matter", el("div.head", el("span.gw-h2", say(matter.title)), state), el("p.gw-dim", say(matter.text)), el("ol", steps)) }];
  });
  return { node: el("div.stack", rows.flat().map((row) => row.node)), rows };
}

function people() {
  const cards = contacts.map((person) => ({ node: el("div.gw-card.person", el("span.gw-h2", person.name), el("p.gw-dim", say(person.role)), el("p.phone.num", person.phone), el("p.gw-cap", say(person.hours))) }));
  const rows = [];
  for (let index = 0; index < cards.length; index += 2) rows.push(cards.slice(index, index + 2));
  return { node: el("div.grid", cards.map((card) => card.node)), rows };
}

new Stage({
  name: words.name, place: words.place, icon: ICON, color: "#2d7d46", locale,
  sections: [
    { label: words.sections.finance, show: finance },
    { label: words.sections.notices, note: () => String(notices.filter(({ id }) => !seen.has(id)).length || ""), show: board },
    { label: words.sections.matters, show: decisions },
    { label: words.sections.contacts, show: people },
  ],
});
