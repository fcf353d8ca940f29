/**
 * My home: a tile for every device.
 * One rule: OK asks the device; the tile changes when the device has said so.
 *
 * @import { Screen } from "../stage.js"
 * @import { Entity } from "../types.js"
 * @import { Thing } from "../things.js"
 */

import { camera } from "./camera.js";
import { scenes } from "./scenes.js";
import { sheet } from "./thing.js";
import { Grid, scrolled } from "../focus.js";
import { html, Icon } from "../html.js";
import { house } from "../house.js";
import { Clock } from "../hud.js";
import { order } from "../orders.js";
import { preferences } from "../preferences.js";
import { open, redraw } from "../stage.js";
import { deviceCount, isOn } from "../home_summary.js";
import { isPrivate, isSwitched, isWritable, main, thingsOfHome } from "../things.js";
import { commandTold, iconOf, reported, reportedWhen, sideOf } from "../things_told.js";
import { calendarDay, clock, t } from "../words.js";

const COLUMNS = 4;
const REVEALED_MS = 30_000;
const DAY_MS = 86_400_000;
/** What a meter tells of one measurement comes within that. */
const ONE_MEASUREMENT_MS = 60_000;

const grid = new Grid(() => thingsOfHome().length, () => COLUMNS);
/** The device under the focus: one that goes away changes the order, and OK must not reach its neighbour. @type {string|undefined} */
let chosen;
let firstRow = 0;
/** @type {Set<string>} devices whose private values may be seen now */
const revealed = new Set();

/** @type {Screen} */
export const things = {
  name: "things",
  covers: true,
  picture: "hidden",
  idleMs: 300_000,
  opened() {
    grid.index = 0;
    chosen = thingsOfHome()[0]?.id;
  },
  closed: () => revealed.clear(),
  view,
  key(key) {
    const all = inOrder();
    if (key === "ok") {
      const thing = all[grid.index];
      if (thing) act(thing);
      return true;
    }
    if (key === "menu" && house.scenes.length) {
      open(scenes());
      return true;
    }
    const used = grid.move(key) || ["up", "down", "left", "right"].includes(key);
    chosen = all[grid.index]?.id;
    return used;
  },
};

/** The devices as they stand now, with the focus where its device went. */
function inOrder() {
  const all = thingsOfHome();
  const place = all.findIndex((thing) => thing.id === chosen);
  if (place >= 0) grid.index = place;
  else chosen = all[grid.index]?.id;
  return all;
}

/** @param {Thing} thing */
function act(thing) {
  const entity = main(thing);
  if (thing.entities.length === 1 && isSwitched(entity)) turn(entity);
  else if (thing.entities.length === 1 && entity.capability === "button") order(entity, true);
  else if (thing.entities.some(isWritable)) open(sheet(thing));
  else if (isPrivate(entity)) reveal(thing.id);
  else {
    const eye = thing.entities.find((e) => e.capability === "camera");
    if (eye) open(camera(eye));
  }
}

/** @param {string} id */
function reveal(id) {
  if (revealed.delete(id)) return;
  revealed.add(id);
  setTimeout(() => {
    revealed.delete(id);
    redraw();
  }, REVEALED_MS);
}

/** Ask for the opposite of what was reported, or again for what was not answered. @param {Entity} entity */
function turn(entity) {
  const last = house.commands.get(entity.id);
  const again = last && (last.state === "expired" || last.state === "failed") && commandTold(entity);
  order(entity, again && last.value !== entity.value ? last.value : !isOn(entity));
}

function view() {
  const all = inOrder();
  const visibleRows = 2;
  firstRow = scrolled(firstRow, Math.floor(grid.index / COLUMNS), visibleRows, Math.ceil(all.length / COLUMNS));
  const from = firstRow * COLUMNS;
  const rows = all.slice(from, from + (visibleRows + 1) * COLUMNS);
  return html`<section class="things paper" aria-label=${t("nav.things")}>
    <header class="head"><div><h1>${t("nav.things")}</h1><p>${all.length ? t("home.devices", { n: deviceCount() }) : ""}</p></div><${Clock} /></header>
    ${all.length === 0 && html`<div class="nothing"><${Icon} name="things" /><h2>${t("things.none")}</h2><p>${t("things.none.do")}</p></div>`}
    <div class="grid" role="list">${rows.map((thing, i) => Tile(thing, from + i === grid.index))}</div>
    <footer class="keys">${t(preferences.elder ? "things.keys.elder" : "things.keys")}${house.scenes.length > 0 && ` · ${t("things.keys.scenes")}`}</footer>
  </section>`;
}

/** @param {Thing} thing @param {boolean} focused */
function Tile(thing, focused) {
  const entity = main(thing);
  const hidden = isPrivate(entity) && !revealed.has(thing.id);
  const told = commandTold(entity);
  const lit = entity.available && isSwitched(entity) && isOn(entity);
  const state = `thing${focused ? " f" : ""}${lit ? " lit" : ""}${entity.available ? "" : " gone"}`;
  return html`<button type="button" tabindex="-1" role="listitem" key=${thing.id} class=${state}>
    <span class="top"><span class="mark"><${Icon} name=${entity.available ? iconOf(entity) : "unplugged"} /></span>
      ${isSwitched(entity) && html`<span class="switch" role="switch" aria-checked=${isOn(entity)} aria-label=${thing.name}><i /></span>`}</span>
    <span class="name one">${thing.name}</span>
    ${hidden ? Hidden(entity) : Values(thing)}
    <span class=${`told ${told?.tone ?? ""}`} role="status">${told ? told.text : Beside(thing, hidden)}</span>
  </button>`;
}

/** @param {Entity} entity */
function Hidden(entity) {
  return html`<span class="value small">${t(entity.reported_at ? "private.measured" : "private.never")}</span>`;
}

/** What else the device says, and when it said it. @param {Thing} thing @param {boolean} hidden */
function Beside(thing, hidden) {
  const entity = main(thing);
  if (hidden) return [reportedWhen(entity), entity.reported_at && t("private.show")].filter(Boolean).join(" · ");
  if (isPrivate(entity)) return measured(thing);
  const others = thing.entities.slice(1, 3);
  const said = others.map((e) => `${e.part ? sideOf(e) : e.name} ${reported(e)}${e.value === null ? "" : e.unit}`);
  // There is room for two lines: the sides of a thing say more than when they were reported.
  return (others.some((e) => e.part) && entity.available ? said : [...said, reportedWhen(entity)]).join(" · ");
}

/** @param {Thing} thing */
function Values(thing) {
  const first = main(thing);
  if (isPrivate(first)) {
    const told = thing.entities.slice(0, isPressure(thing) ? 2 : 1).map(reported).join("/");
    return html`<span class="value num">${told}<small>${first.value === null ? "" : first.unit}</small></span>`;
  }
  return html`<span class="value num">${reported(first)}<small>${first.value === null ? "" : first.unit}</small></span>`;
}

/** Whether its first two sides are one blood pressure: of one measurement. @param {Thing} thing */
function isPressure({ entities: [one, two] }) {
  if (one?.body !== "systolic" || two?.body !== "diastolic") return false;
  return Math.abs(Date.parse(one.reported_at ?? "") - Date.parse(two.reported_at ?? "")) < ONE_MEASUREMENT_MS;
}

/** What else a meter measured, when, and whether that is to be believed. @param {Thing} thing */
function measured(thing) {
  const entity = main(thing);
  const count = isPressure(thing) ? 2 : 1;
  const others = thing.entities.slice(count).filter((e) => isPrivate(e) && e.value !== null).slice(0, 2);
  const said = others.map((e) => `${e.name} ${reported(e)}`);
  const of = thing.entities.slice(0, count);
  if (of.some((e) => e.quality === "implausible")) said.unshift(t("private.implausible"));
  const gone = entity.available ? [] : [t("private.gone")];
  return [...said, measuredWhen(entity), ...gone].filter(Boolean).join(" · ");
}

/** @param {Entity} entity */
function measuredWhen(entity) {
  if (!entity.reported_at) return "";
  const when = new Date(entity.reported_at);
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = Math.round((midnight - new Date(when).setHours(0, 0, 0, 0)) / DAY_MS);
  const day = days === 0 || days === 1 ? t(`private.day.${days}`) : calendarDay(when);
  return t(entity.quality === "undated" ? "private.undated" : "private.at", { day, time: clock(when) });
}
