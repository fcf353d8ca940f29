/**
 * Village market: look, put on a list, pay in person at the pick-up point.
 * One rule: nothing is bought by a key; the list is a note to oneself.
 */

import { storage } from "./gateway-sdk.js";
import { el, speak, Stage } from "./gateway-tv.js";
import { picture } from "./art.js";
import goods from "./data/goods.js";
import en from "./locales/en.js";
import zh from "./locales/zh-CN.js";

const ICON = "M6 8h13l-1.5 9H8L6 4H3m6 16.5h.1M17 20.5h.1";
const COLUMNS = 3;
const FEW = 10;

const { locale, words, say } = await speak({ "zh-CN": zh, en });
/** How many of each good, by its id. */
const list = (await storage.get("list").catch(() => null)) ?? {};
let stage = null;
let sure = false;

const price = (fen) => `¥${(fen / 100).toFixed(2)}`;
const listed = () => goods.filter(({ id }) => list[id] > 0);

function keep(id, count) {
  if (count > 0) list[id] = count;
  else delete list[id];
  storage.set("list", list).catch(() => {});
}

function shelf() {
  const cards = goods.map((good) => ({
    node: el("div.gw-card.good", el("div.art", picture(good), good.stock < FEW && el("span.gw-pill.bad", words.few)),
      el("div.label", el("span.gw-h2", say(good.name)), el("p.gw-cap", words.from(say(good.who))), el("p.price.num", el("strong", price(good.price)), el("small", words.each(say(good.unit)))))),
    ok: () => choose(good),
  }));
  const rows = [];
  for (let index = 0; index < cards.length; index += COLUMNS) rows.push(cards.slice(index, index + COLUMNS));
  return { node: el("div.goods", cards.map((card) => card.node)), rows };
}

function choose(good) {
  let count = list[good.id] ?? 1;
  const number = el("strong.num");
  const sum = el("span.num");
  const show = () => {
    number.textContent = String(count);
    sum.textContent = `${words.sum} ${price(good.price * count)}`;
  };
  const button = el("div.gw-btn", words.add);
  const step = (key) => {
    if (key !== "up" && key !== "down") return false;
    count = Math.min(Math.max(count + (key === "up" ? 1 : -1), 1), good.stock);
    show();
    return true;
  };
  const ok = () => {
    keep(good.id, count);
    stage.close();
  };
  show();
  stage.open(el("div.detail",
    el("div.art", picture(good)),
    el("div.about", el("h2", say(good.name)), el("p.gw-dim.num", `${words.from(say(good.who))} · ${words.left(good.stock, say(good.unit))}`),
      el("p.story", say(good.story)),
      el("p.price.num", el("strong", price(good.price)), el("small", words.each(say(good.unit)))),
      el("div.count", el("span", words.quantity), number, sum),
      el("div.act", button, el("span.gw-cap", words.up)))), [[{ node: button, key: step, ok }]]);
}

function shoppingList() {
  if (!listed().length) {
    const node = el("div.gw-card.wide", el("span.gw-h2", words.empty), el("p.gw-dim", words.emptyLong));
    return { node, rows: [[{ node }]] };
  }
  const rows = listed().map((good) => {
    const node = el("div.gw-card.wide.line", el("div.thumb", picture(good)), el("div.what", el("span.gw-h2", say(good.name)), el("p.gw-cap.num", `${price(good.price)} ${words.each(say(good.unit))}`)), el("span.times.num", `× ${list[good.id]}`), el("strong.num", price(good.price * list[good.id])));
    return [{ node, ok: () => choose(good) }];
  });
  const total = listed().reduce((sum, { id, price: each }) => sum + each * list[id], 0);
  const button = el("div.gw-btn", sure ? words.sure : words.clear);
  const ok = () => {
    if (sure) for (const { id } of listed()) keep(id, 0);
    sure = !sure;
    stage.refresh();
  };
  // Two separate presses, and any other key in between takes the first one back.
  const key = (pressed) => {
    if (pressed !== "ok" && sure) {
      sure = false;
      stage.refresh();
    }
    return false;
  };
  return {
    node: el("div.stack", rows.flat().map((row) => row.node), el("div.total", button, el("span", words.total), el("strong.num", price(total)))),
    rows: [...rows, [{ node: button, ok, key }]],
  };
}

function help() {
  const steps = words.how.map((step, index) => el("div", el("i.num", String(index + 1)), el("span", step)));
  const node = el("div.gw-card.wide.help", el("h2", words.howTitle), steps, el("p.gw-dim", words.pickup));
  const warning = el("div.gw-card.wide.warning", words.promise);
  return { node: el("div.stack", node, warning), rows: [[{ node }], [{ node: warning }]] };
}

stage = new Stage({
  name: words.name, place: words.place, icon: ICON, color: "#b8631b", locale,
  sections: [
    { label: words.sections.goods, show: shelf },
    { label: words.sections.list, note: () => String(listed().length || ""), show: shoppingList },
    { label: words.sections.help, show: help },
  ],
});
