/**
 * Search by the first letters of the pinyin, with a keyboard of the screen's own.
 * One rule: what is shown was found for what is typed; an answer that comes too late is not shown.
 *
 * @import { Screen } from "../stage.js"
 * @import { Channel, Programme } from "../types.js"
 */

import { Grid, scrolled } from "../focus.js";
import { html } from "../html.js";
import { house } from "../house.js";
import { refreshLibrary } from "../library.js";
import { tune } from "./live.js";
import { choose } from "./programme.js";
import { canvas } from "../preferences.js";
import { call } from "../session.js";
import { clear, redraw } from "../stage.js";
import { calendarDay, clock, t } from "../words.js";

const COLUMNS = 6;
const CHARACTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"];
const KEYS = [...CHARACTERS, "delete", "clear"];
const LONGEST = 20;
const MOST = 40;
const PAUSE_MS = 250;
const ROW_PX = 116;
const TOP_PX = 220;
const BOTTOM_PX = 110;

/** @typedef {{channel: Channel, programme: Programme|null}} Found */

let typed = "";
/** @type {Found[]} */
let found = [];
/** @type {"nothing"|"looking"|"done"|"failed"} */
let state = "nothing";
let atKeys = true;
let first = 0;
let pause = 0;

const keyboard = new Grid(() => KEYS.length, () => COLUMNS);
const list = new Grid(() => found.length);
const visible = () => Math.floor((canvas.height - TOP_PX - BOTTOM_PX) / ROW_PX);

/** @type {Screen} */
export const search = {
  name: "search",
  covers: true,
  picture: "hidden",
  takes: { digits: true, channels: true },
  opened() {
    typed = "";
    atKeys = true;
    keyboard.index = 0;
    refreshLibrary();
    changed();
  },
  closed: () => clearTimeout(pause),
  view() {
    first = scrolled(first, list.index, visible(), found.length);
    return html`<section class="search paper" aria-label=${t("nav.search")}>
      <header class="head"><h1>${t("nav.search")}</h1><p>${t("search.what")}</p></header>
      <div class="typing"><div class="typed num" role="status" aria-label=${t("search.typed")}>${typed}<i class="caret" /></div>
        <div class="letters" role="grid">${KEYS.map(letter)}</div></div>
      <div class="found" role="listbox">${found.length ? found.slice(first, first + visible()).map(row) : html`<p class="none">${t(`search.${state}`)}</p>`}</div>
      <footer class="keys">${t("search.keys")}</footer></section>`;
  },
  key(key) {
    if (/^[0-9]$/.test(key)) type(key);
    else if (atKeys) ofKeyboard(key);
    else ofList(key);
    return key !== "back" && ["up", "down", "left", "right", "ok", "channel_up", "channel_down"].includes(key) || /^[0-9]$/.test(key);
  },
};

/** @param {import("../types.js").Key} key */
function ofKeyboard(key) {
  if (key === "ok") {
    const what = KEYS[keyboard.index] ?? "";
    if (what === "delete") type("", 1);
    else if (what === "clear") type("", typed.length);
    else type(what);
  } else if (!keyboard.move(key) && key === "right" && found.length) atKeys = false;
}

/** @param {import("../types.js").Key} key */
function ofList(key) {
  const one = found[list.index];
  if (key === "ok" && one) open(one);
  else if (key === "left") atKeys = true;
  else list.move(key, visible());
}

/** @param {Found} one */
function open({ channel, programme }) {
  if (programme) return choose(channel, programme);
  clear();
  tune(channel.id);
}

/** @param {string} more @param {number} [less] */
function type(more, less = 0) {
  const before = typed;
  typed = (less ? typed.slice(0, -less) : typed + more).slice(0, LONGEST);
  if (typed !== before) changed();
}

function changed() {
  clearTimeout(pause);
  list.index = 0;
  found = typed ? channels() : [];
  if (!found.length) atKeys = true;
  state = typed ? "looking" : "nothing";
  if (typed) pause = setTimeout(look, PAUSE_MS);
  redraw();
}

/** Channels by number or by letters of their name: CCTV is written so. @returns {Found[]} */
function channels() {
  const wanted = typed.toLowerCase();
  return house.channels
    .filter((channel) => String(channel.number) === wanted || channel.name.toLowerCase().includes(wanted))
    .map((channel) => ({ channel, programme: null }));
}

async function look() {
  const wanted = typed;
  try {
    /** @type {Programme[]} */
    const programmes = await call("GET", `guide/search?q=${encodeURIComponent(wanted)}&limit=${MOST}`);
    if (typed !== wanted) return;
    const byId = new Map(house.channels.map((channel) => [channel.id, channel]));
    found = [...channels(), ...programmes.flatMap((programme) => {
      const channel = byId.get(programme.channel);
      return channel ? [{ channel, programme }] : [];
    })];
    state = "done";
  } catch {
    if (typed === wanted) state = "failed";
  }
  if (!found.length) atKeys = true;
  redraw();
}

/** @param {string} what @param {number} i */
function letter(what, i) {
  const focused = atKeys && i === keyboard.index;
  const wide = what.length > 1;
  return html`<span class=${`letter-key${focused ? " f" : ""}${wide ? " wide" : ""}`} role="gridcell" tabindex="-1" aria-selected=${focused} key=${what}>${wide ? t(`search.${what}`) : what}</span>`;
}

/** @param {Found} one @param {number} i */
function row({ channel, programme }, i) {
  const focused = !atKeys && first + i === list.index;
  const name = programme ? programme.title : channel.name;
  return html`<div class=${`one-found${focused ? " f" : ""}`} role="option" tabindex="-1" aria-selected=${focused} key=${programme?.id ?? channel.id}>
    <span class="name one">${name}</span><span class="title one">${programme ? when(channel, programme) : t("search.channel", { n: channel.number })}</span></div>`;
}

/** @param {Channel} channel @param {Programme} programme */
function when(channel, programme) {
  const now = Date.now();
  const tense = Date.parse(programme.stop) <= now ? "past" : Date.parse(programme.start) <= now ? "now" : "future";
  return `${t(`search.${tense}`)} · ${channel.name} · ${calendarDay(new Date(programme.start))} ${clock(programme.start)}`;
}
