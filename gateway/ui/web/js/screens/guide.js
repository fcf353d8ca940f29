/**
 * The programme guide: channels by hours.
 * One rule: cells are recycled; what is focused is a channel and an instant, so that
 * going up and down keeps the hour.
 *
 * @import { Screen } from "../stage.js"
 * @import { Key, Programme } from "../types.js"
 */

import { tune } from "./live.js";
import { canGoBack, choose } from "./programme.js";
import { Grid, scrolled } from "../focus.js";
import { html } from "../html.js";
import { house } from "../house.js";
import { recordingFor, refreshLibrary, reminderFor } from "../library.js";
import { canvas, preferences } from "../preferences.js";
import { between } from "../programmes.js";
import { call } from "../session.js";
import { clear } from "../stage.js";
import { calendarDay, clock, t } from "../words.js";

const HALF_HOUR = 1_800_000;
const DAYS_MS = 7 * 86_400_000;
const PX_PER_MS = 9.2 / 60_000;
const NAMES_PX = 340;
const ROW_PX = 93;
const GAP_PX = 8;
const NARROWEST_PX = 26;
const NOW_PX = 100;
const RESTS_MS = 300;

const grid = new Grid(() => house.channels.length);
let firstRow = 0;
let resting = 0;
/** @type {string|null} the channel that the daemon was told of */
let rested = null;
/** The instant at the left edge, and the one the focus stands on. */
let left = 0;
let instant = 0;
/** @type {HTMLElement|null} */
let place = null;
/** @typedef {{node: HTMLElement, one: Element, two: Element}} Part */
/** @type {Part[]} */
let cells = [];
/** @type {Part[]} */
let heads = [];

const BEYOND_PX = 400;
const rowsSeen = () => (preferences.elder ? 4 : 6);
const span = () => (canvas.width - (preferences.elder ? 71 : 96) - NAMES_PX) / PX_PER_MS;
const halfHour = (/** @type {number} */ at) => Math.floor(at / HALF_HOUR) * HALF_HOUR;
const channelAt = (/** @type {number} */ row) => house.channels[row];

/** @type {Screen} */
export const guide = {
  name: "guide",
  covers: true,
  picture: "pip",
  takes: { channels: true },
  opened() {
    instant = Date.now();
    left = halfHour(instant) - HALF_HOUR / 2;
    grid.index = Math.max(0, house.channels.findIndex((channel) => channel.id === house.tv.channel));
    firstRow = grid.index - 2;
    refreshLibrary();
  },
  closed() {
    clearTimeout(resting);
    if (rested) restOn(null);
  },
  view,
  painted: paint,
  key(key) {
    const channel = channelAt(grid.index);
    if (key === "ok" && channel) {
      const programme = focused();
      if (programme) choose(channel, programme);
      else {
        clear();
        tune(channel.id);
      }
    } else if (key === "left" || key === "right") walk(key);
    else if (key === "green") guide.opened?.();
    else if (key === "yellow") move(Math.min(instant + 86_400_000, Date.now() + DAYS_MS));
    else return grid.move(key, rowsSeen()) || ["up", "down", "channel_up", "channel_down"].includes(key);
    return true;
  },
};

/** @returns {Programme|undefined} */
function focused() {
  const channel = channelAt(grid.index);
  if (!channel) return undefined;
  return between(channel.id, left, left + span()).find((p) => Date.parse(p.start) <= instant && Date.parse(p.stop) > instant);
}

/** @param {Key} key */
function walk(key) {
  const at = focused();
  const step = key === "left" ? (at ? Date.parse(at.start) - 1 : instant - HALF_HOUR) : at ? Date.parse(at.stop) : instant + HALF_HOUR;
  move(Math.max(Date.now() - DAYS_MS, Math.min(step, Date.now() + DAYS_MS)));
}

/** @param {number} to */
function move(to) {
  instant = to;
  const at = focused();
  const start = at ? Math.max(Date.parse(at.start), instant - 2 * HALF_HOUR) : instant;
  if (start < left) left = halfHour(start);
  else if (instant + HALF_HOUR > left + span()) left = halfHour(instant) - HALF_HOUR;
}

function view() {
  const programme = focused();
  const channel = channelAt(grid.index);
  const inView = Date.now() > left && Date.now() < left + span();
  return html`<section class="guide" aria-label=${t("nav.guide")}>
    <div class="top"><div class="pip"><span class="live">${t("live")}</span></div>
      <div class="about"><h1 class="one">${programme?.title ?? t("guide.none")}</h1>
        <div class="meta num"><span class="one">${t("channel", { n: channel?.number ?? "–" })} · ${channel?.name ?? ""}</span>
          ${programme && html`<span>${clock(programme.start)} – ${clock(programme.stop)}</span><span class="jade">${when(programme)}</span>`}</div>
        <p class="two">${programme?.description || programme?.subtitle || ""}</p></div>
      <div class="today num">${clock(Date.now())}<small>${calendarDay(instant)}</small></div></div>
    <div class="hours num">${hours().map((at) => html`<span key=${at} style=${{ transform: `translateX(${(at - left) * PX_PER_MS}px)` }}>${clock(at)}</span>`)}
      ${inView && html`<b style=${{ transform: `translateX(${(Date.now() - left) * PX_PER_MS}px) translateX(-50%)` }}>${t("guide.now")}</b>`}</div>
    <div class="cells" role="grid" ref=${take} />
    <footer class="keys"><span><b class="green" />${t("guide.keys.now")}</span><span><b class="yellow" />${t("guide.keys.day")}</span><span class="right">${t("guide.keys")}</span></footer>
  </section>`;
}

/** @param {Programme} programme */
function when(programme) {
  const minutes = Math.ceil((Date.parse(programme.start) - Date.now()) / 60_000);
  if (Date.parse(programme.stop) <= Date.now()) return t("guide.over");
  if (minutes <= 0) return t("guide.on");
  return minutes < 120 ? t("guide.in", { n: minutes }) : "";
}

function hours() {
  const marks = [];
  for (let at = Math.ceil(left / HALF_HOUR) * HALF_HOUR; at < left + span() - HALF_HOUR / 3; at += HALF_HOUR) {
    if (Math.abs(at - Date.now()) * PX_PER_MS > NOW_PX) marks.push(at);
  }
  return marks;
}

/** @param {HTMLElement|null} node */
function take(node) {
  if (node === place) return;
  place = node;
  cells = [];
  heads = [];
}

/** Tell the daemon what may be wanted next. @param {string|null} channel */
function restOn(channel) {
  rested = channel;
  call("POST", "tv/focus", { channel }).catch(() => {});
}

function noteRest() {
  const channel = channelAt(grid.index)?.id ?? null;
  clearTimeout(resting);
  if (channel !== rested) resting = setTimeout(restOn, RESTS_MS, channel);
}

function paint() {
  if (!place) return;
  noteRest();
  firstRow = scrolled(firstRow, grid.index, rowsSeen(), house.channels.length);
  const right = left + span();
  let used = 0;
  for (let row = 0; row < rowsSeen(); row++) {
    const channel = channelAt(firstRow + row);
    const head = (heads[row] ??= make("head"));
    head.node.hidden = !channel;
    if (!channel) continue;
    const here = firstRow + row === grid.index;
    head.node.className = `head${here ? " on" : ""}${channel.id === house.tv.channel ? " tuned" : ""}`;
    head.one.textContent = String(channel.number);
    head.two.textContent = channel.name;
    head.node.style.transform = `translateY(${row * ROW_PX}px)`;
    const programmes = between(channel.id, left, right);
    for (const programme of programmes) {
      const focus = here && Date.parse(programme.start) <= instant && Date.parse(programme.stop) > instant;
      fillCell((cells[used++] ??= make("cell")), programme, row, focus);
    }
    if (here && !programmes.some((p) => Date.parse(p.start) <= instant && Date.parse(p.stop) > instant)) {
      const start = Math.max(left, halfHour(instant));
      const gap = { id: "", channel: channel.id, title: t("guide.none"), start: new Date(start).toISOString(), stop: new Date(start + HALF_HOUR).toISOString() };
      fillCell((cells[used++] ??= make("cell")), gap, row, true);
    }
  }
  cells.forEach((cell, i) => (cell.node.hidden = i >= used));
}

/** @param {string} kind @returns {Part} */
function make(kind) {
  const node = document.createElement("div");
  node.className = kind;
  node.setAttribute("role", kind === "head" ? "rowheader" : "gridcell");
  node.tabIndex = -1;
  const one = document.createElement(kind === "head" ? "i" : "span");
  const two = document.createElement(kind === "head" ? "span" : "small");
  node.append(one, two);
  /** @type {HTMLElement} */ (place).append(node);
  return { node, one, two };
}

/** @param {Part} cell @param {Programme} programme @param {number} row @param {boolean} focus */
function fillCell(cell, programme, row, focus) {
  const start = Date.parse(programme.start);
  const stop = Date.parse(programme.stop);
  const x = Math.max(0, (start - left) * PX_PER_MS);
  // What goes on beyond the edge is seen to do so; but what has the focus is seen whole.
  const edge = span() * PX_PER_MS + (focus ? 0 : BEYOND_PX);
  const width = Math.min((stop - left) * PX_PER_MS, edge) - x - GAP_PX;
  const tense = stop <= Date.now() ? " past" : start <= Date.now() ? " now" : "";
  cell.node.className = `cell${tense}${focus ? " f" : ""}${width < 90 ? " slim" : ""}`;
  cell.node.style.width = `${Math.max(width, NARROWEST_PX)}px`;
  cell.node.style.translate = `${NAMES_PX + x}px ${row * ROW_PX + 2}px`;
  cell.node.setAttribute("aria-selected", String(focus));
  const channel = house.channels.find((each) => each.id === programme.channel);
  const marks = [
    tense === " past" && programme.id && channel && canGoBack(channel, programme) ? "↺ " : "",
    recordingFor(programme) ? "● " : "",
    reminderFor(programme) ? "♪ " : "",
  ];
  cell.one.textContent = `${marks.join("")}${programme.title}`;
  cell.two.textContent = `${clock(start)} – ${clock(stop)}`;
}
