/**
 * What is kept, being recorded and planned.
 * One rule: each says what has become of it in words, and only what can be watched is offered to watch.
 *
 * @import { Screen } from "../stage.js"
 * @import { Recording } from "../types.js"
 */

import { Grid, scrolled } from "../focus.js";
import { ask } from "./live.js";
import { choiceOf } from "./menu.js";
import { Bar, html } from "../html.js";
import { tellFailure } from "../hud.js";
import { library, refreshLibrary } from "../library.js";
import { canvas } from "../preferences.js";
import { call } from "../session.js";
import { clear, close, open } from "../stage.js";
import { advice, calendarDay, clock, t } from "../words.js";

const ROW_PX = 124;
const TOP_PX = 220;
const BOTTOM_PX = 110;
const LOOK_MS = 10_000;
const GB = 1e9;
const WATCHABLE = new Set(["done", "partial", "recording"]);

const grid = new Grid(() => library.kept.recordings.length);
let first = 0;
/** Ids, as they were drawn last. @type {string[]} */
let drawn = [];
let looking = 0;

const visible = () => Math.floor((canvas.height - TOP_PX - BOTTOM_PX) / ROW_PX);

/** @type {Screen} */
export const recordings = {
  name: "recordings",
  covers: true,
  picture: "hidden",
  takes: { channels: true },
  opened() {
    grid.index = 0;
    drawn = [];
    refreshLibrary();
    looking = setInterval(refreshLibrary, LOOK_MS);
  },
  closed: () => clearInterval(looking),
  view() {
    const all = library.kept.recordings;
    const { used_bytes: used, quota_bytes: quota } = library.kept.space;
    const ids = all.map((one) => one.id);
    grid.stay(drawn, ids);
    drawn = ids;
    first = scrolled(first, grid.index, visible(), all.length);
    return html`<section class="recordings paper" aria-label=${t("nav.recordings")}>
      <header class="head"><h1>${t("nav.recordings")}</h1>
        ${quota > 0 && html`<p class="space num">${t("recordings.space", { used: (used / GB).toFixed(1), quota: (quota / GB).toFixed(0) })}<${Bar} part=${Math.min(1, used / quota)} /></p>`}</header>
      <div class="kept" role="listbox">${all.length ? all.slice(first, first + visible()).map(row)
        : html`<p class="none">${library.refused || t(library.loaded ? "recordings.none" : "recordings.wait")}</p>`}</div>
      <footer class="keys">${t("recordings.keys")}</footer></section>`;
  },
  key(key) {
    const one = library.kept.recordings[grid.index];
    if (key === "ok") {
      if (one) open(sheet(one.id));
      return true;
    }
    return grid.move(key, visible()) || ["up", "down", "left", "right", "channel_up", "channel_down"].includes(key);
  },
};

/** @param {Recording} one @param {number} i */
function row(one, i) {
  const focused = first + i === grid.index;
  return html`<div class=${`one-kept${focused ? " f" : ""}`} role="option" tabindex="-1" aria-selected=${focused} key=${one.id}>
    <span class="words"><span class="name one">${one.title}</span><span class="title one">${facts(one)}</span></span>
    <span class=${`state ${one.state}`}>${t(`recordings.${one.state}`)}</span></div>`;
}

/** @param {Recording} one */
function facts(one) {
  const minutes = Math.round((one.duration_s || (Date.parse(one.stop) - Date.parse(one.start)) / 1000) / 60);
  return `${one.channel_name} · ${calendarDay(new Date(one.start))} ${clock(one.start)} · ${t("recordings.minutes", { n: minutes })}`;
}

/** What can be done with it, as it is now: it may end while the sheet is open. @param {string} id @returns {Screen} */
function sheet(id) {
  const gone = { title: t("recordings.gone"), choices: [{ name: t("cancel"), act: () => close(screen) }] };
  const keep = (/** @type {() => Promise<unknown>} */ change) => () => {
    close(screen);
    change().then(refreshLibrary, tellFailure);
  };
  const watch = (/** @type {boolean} */ from_start) => () => {
    clear();
    ask("tv/recording", { recording: id, from_start });
  };
  /** @type {Screen} */
  const screen = choiceOf(() => {
    const one = library.kept.recordings.find((each) => each.id === id);
    if (!one) return gone;
    const address = `recordings/${encodeURIComponent(id)}`;
    const rule = library.kept.series.find((each) => each.id === one.series);
    const has_begun = one.state !== "planned" && one.state !== "conflict";
    const back = { name: t("key.back"), act: () => close(screen) };
    return {
      title: one.title,
      text: [facts(one), t(`recordings.${one.state}`), one.code && advice(one.code)].filter(Boolean).join(" · "),
      choices: [
        ...(has_begun ? [] : [back]),
        ...(WATCHABLE.has(one.state) && one.duration_s > 0 ? [
          ...(one.position_s > 0 ? [{ name: t("recordings.go.on", { n: Math.floor(one.position_s / 60) }), act: watch(false) }] : []),
          { name: t("recordings.from.start"), act: watch(true) }] : []),
        ...(one.state === "recording" ? [{ name: t("recordings.stop"), act: keep(() => call("POST", `${address}/stop`)) }] : []),
        has_begun ? { name: t("recordings.delete"), danger: true, act: () => open(deletion(one, screen)) }
          : { name: t("recordings.cancel"), act: keep(() => call("DELETE", address)) },
        ...(rule ? [{ name: t("recordings.rule.end"), act: keep(() => call("DELETE", `recordings/series/${encodeURIComponent(rule.id)}`)) }] : []),
        ...(has_begun ? [back] : []),
      ],
    };
  }, "recording");
  return screen;
}

/** @param {Recording} one @param {Screen} under */
function deletion(one, under) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("recordings.delete.ask", { name: one.title }),
    text: t("recordings.delete.what"),
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      { name: t("recordings.delete"), danger: true, act: () => {
        close(under);
        call("DELETE", `recordings/${encodeURIComponent(one.id)}`).then(refreshLibrary, tellFailure);
      } },
    ],
  }), "deletion");
  return screen;
}
