/**
 * The channel list over the picture.
 * One rule: as many rows exist as fit on the screen; scrolling gives them new words.
 *
 * @import { Screen } from "../stage.js"
 * @import { Channel } from "../types.js"
 */

import { tune } from "./live.js";
import { Grid, scrolled } from "../focus.js";
import { html } from "../html.js";
import { house } from "../house.js";
import { favourites, refreshHousehold, toggleFavourite } from "../household.js";
import { canvas } from "../preferences.js";
import { onAir, passed } from "../programmes.js";
import { close } from "../stage.js";
import { t } from "../words.js";

const ROW_PX = 104;
const TOP_PX = 170;
const BOTTOM_PX = 110;
const IDLE_MS = 15_000;
const FAVOURITES = "\u2665";

/** @typedef {{node: HTMLElement, number: HTMLElement, name: HTMLElement, title: HTMLElement, mark: HTMLElement, bar: HTMLElement}} Row */

const grid = new Grid(() => listed.length);
let tab = "";
/** What the tab lists now. @type {Channel[]} */
let listed = [];
/** @type {Row[]} */
let rows = [];
/** @type {HTMLElement|null} */
let place = null;
let first = 0;

const visible = () => Math.floor((canvas.height - TOP_PX - BOTTOM_PX) / ROW_PX);

/** @type {Screen} */
export const channelList = {
  name: "channels",
  covers: false,
  takes: { channels: true },
  idleMs: IDLE_MS,
  opened() {
    refreshHousehold().catch(() => {});
    turnTo("");
  },
  view() {
    const before = listed;
    listed = ofTab();
    if (listed !== before) grid.stay(before.map((each) => each.id), listed.map((each) => each.id));
    const { names, at } = tabs();
    return html`<section class="channels" aria-label=${t("dock.channels")}>
    <h1>${tabName(tab)}<small class="num">${t("channels.count", { n: listed.length })}</small>
      ${names.length > 1 && html`<span class="tabs" aria-hidden="true">${at > 0 && html`<i>‹ ${tabName(names[at - 1] ?? "")}</i>`}${at < names.length - 1 && html`<i>${tabName(names[at + 1] ?? "")} ›</i>`}</span>`}</h1>
    <div class="list" role="listbox" ref=${take} />${listed.length === 0 && html`<p class="empty">${t("channels.empty")}</p>`}
    <footer class="keys">${t("channels.keys")}</footer></section>`;
  },
  painted: paint,
  key(key) {
    if (key === "ok") {
      const channel = listed[grid.index];
      close(channelList);
      if (channel) tune(channel.id);
      return true;
    }
    if (key === "left" || key === "right") {
      const { names, at } = tabs();
      const next = names[at + (key === "left" ? -1 : 1)];
      if (next !== undefined) turnTo(next);
      return true;
    }
    if (key === "menu" || key === "yellow") {
      const channel = listed[grid.index];
      if (channel) toggleFavourite(channel.id);
      return true;
    }
    return grid.move(key, visible()) || ["up", "down", "channel_up", "channel_down"].includes(key);
  },
};

/** All, what is liked, and the operator's groups in their order. */
function tabs() {
  const names = ["", FAVOURITES, ...new Set(house.channels.map((channel) => channel.group).filter(Boolean))];
  return { names, at: Math.max(0, names.indexOf(tab)) };
}

/** @param {string} name */
const tabName = (name) => (name === "" ? t("dock.channels") : name === FAVOURITES ? t("channels.tab.favourites") : name);

/** @returns {Channel[]} */
function ofTab() {
  if (tab === "") return house.channels;
  if (tab !== FAVOURITES) return house.channels.filter((channel) => channel.group === tab);
  const byId = new Map(house.channels.map((channel) => [channel.id, channel]));
  return favourites().map((id) => byId.get(id)).filter((channel) => channel !== undefined);
}

/** @param {string} name */
function turnTo(name) {
  tab = name;
  listed = ofTab();
  grid.index = Math.max(0, listed.findIndex((channel) => channel.id === house.tv.channel));
  first = grid.index - Math.floor(visible() / 2);
}

/** @param {HTMLElement|null} node */
function take(node) {
  if (node === place) return;
  place = node;
  rows = [];
}

function paint() {
  if (!place) return;
  const count = visible();
  while (rows.length < count) rows.push(makeRow(place));
  while (rows.length > count) rows.pop()?.node.remove();
  first = scrolled(first, grid.index, count, listed.length);
  rows.forEach((row, i) => fill(row, listed[first + i], first + i));
}

/** @param {HTMLElement} list @returns {Row} */
function makeRow(list) {
  const make = (/** @type {string} */ tag, /** @type {string} */ kind, /** @type {HTMLElement} */ parent) => {
    const node = document.createElement(tag);
    node.className = kind;
    return parent.appendChild(node);
  };
  const node = make("div", "row", list);
  node.setAttribute("role", "option");
  node.tabIndex = -1;
  const number = make("span", "no num", node);
  const words = make("span", "words", node);
  return { node, number, name: make("span", "name one", words), title: make("span", "title one", words), mark: make("span", "liked", node), bar: make("i", "passed", node) };
}

/** @param {Row} row @param {Channel|undefined} channel @param {number} index */
function fill(row, channel, index) {
  row.node.hidden = !channel;
  if (!channel) return;
  const { now } = onAir(channel.id);
  const focused = index === grid.index;
  row.node.className = `row${focused ? " f" : ""}${channel.id === house.tv.channel ? " on" : ""}`;
  row.node.setAttribute("aria-selected", String(focused));
  row.number.textContent = String(channel.number);
  row.name.textContent = channel.name + (channel.radio ? ` · ${t("channels.radio")}` : "");
  row.mark.textContent = favourites().includes(channel.id) ? "♥" : "";
  row.title.textContent = now?.title ?? t("guide.none");
  row.bar.style.transform = `scaleX(${passed(now)})`;
}
