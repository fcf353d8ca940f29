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
import { canvas } from "../preferences.js";
import { onAir, passed } from "../programmes.js";
import { close } from "../stage.js";
import { t } from "../words.js";

const ROW_PX = 104;
const TOP_PX = 170;
const BOTTOM_PX = 110;
const IDLE_MS = 15_000;

/** @typedef {{node: HTMLElement, number: HTMLElement, name: HTMLElement, title: HTMLElement, bar: HTMLElement}} Row */

const grid = new Grid(() => house.channels.length);
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
  idleMs: IDLE_MS,
  opened() {
    grid.index = Math.max(0, house.channels.findIndex((channel) => channel.id === house.tv.channel));
    first = grid.index - Math.floor(visible() / 2);
  },
  view: () => html`<section class="channels" aria-label=${t("dock.channels")}>
    <h1>${t("dock.channels")}<small class="num">${t("channels.count", { n: house.channels.length })}</small></h1>
    <div class="list" role="listbox" ref=${take} />
    <footer class="keys">${t("channels.keys")}</footer></section>`,
  painted: paint,
  key(key) {
    if (key === "ok") {
      const channel = house.channels[grid.index];
      close(channelList);
      if (channel) tune(channel.id);
      return true;
    }
    if (key === "left" || key === "right") {
      close(channelList);
      return true;
    }
    return grid.move(key, visible()) || ["up", "down", "channel_up", "channel_down"].includes(key);
  },
};

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
  first = scrolled(first, grid.index, count, house.channels.length);
  rows.forEach((row, i) => fill(row, house.channels[first + i], first + i));
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
  return { node, number, name: make("span", "name one", words), title: make("span", "title one", words), bar: make("i", "passed", node) };
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
  row.name.textContent = channel.name;
  row.title.textContent = now?.title ?? t("guide.none");
  row.bar.style.transform = `scaleX(${passed(now)})`;
}
