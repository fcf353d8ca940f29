/**
 * Where in time the picture is, and the bar that shows it.
 * One rule: the instant is the daemon's, carried on by the clock while the picture moves.
 *
 * @import { Programme, Recording, Tv } from "./types.js"
 */

import { html, Icon } from "./html.js";
import { house } from "./house.js";
import { between } from "./programmes.js";
import { clock, t } from "./words.js";

const WHOLE_WINDOW_MS = 4 * 3_600_000;
const JUMP_MS = 4_000;

/** @param {Tv} tv @param {number} [heardAt] @returns {number} */
export function shownAt(tv, heardAt = house.tvAt) {
  if (!tv.position) return Date.now();
  const moves = tv.picture === "playing" && !tv.paused;
  const at = Date.parse(tv.position) + (moves ? Date.now() - heardAt : 0);
  return tv.window ? Math.min(at, Math.max(Date.now(), Date.parse(tv.window.end))) : at;
}

/** What is shown is not the present. */
export const isPast = () => house.tv.mode !== "live" || house.tv.paused;

/** The programme of the instant that is shown. @returns {Programme|null} */
export function programmeShown() {
  const at = shownAt(house.tv);
  return between(house.tv.channel ?? "", at, at + 1)[0] ?? null;
}

/** Whether somebody paused, went back or went on. @param {Tv} before @param {number} beforeAt @param {Tv} tv */
export function hasTravelled(before, beforeAt, tv) {
  if (before.mode !== tv.mode || before.paused !== tv.paused || before.recording !== tv.recording) return true;
  if (!before.position || !tv.position) return before.position !== tv.position;
  return Math.abs(shownAt(before, beforeAt) - Date.parse(tv.position)) > JUMP_MS;
}

/** @param {Tv} tv */
export const Mode = (tv) => html`<span class=${`live ${tv.mode}`}>${t(`mode.${tv.mode}`)}</span>`;

/** The bar under a title that is not live. @param {Recording|null} recording */
export function Timeline(recording) {
  const { tv } = house;
  const at = shownAt(tv);
  const [from, to] = ends(at, recording);
  const part = (/** @type {number} */ time) => Math.max(0, Math.min(1, (time - from) / (to - from || 1)));
  const kept = part(tv.window ? Date.parse(tv.window.start) : from);
  const edge = part(tv.window ? Date.parse(tv.window.end) : to);
  const here = part(at);
  const said = tv.mode === "recording" ? [length(0), length(at - from), length(to - from)] : [clock(from), clock(at), clock(to)];
  return html`<div class="shift" role="slider" aria-label=${t("shift")} aria-valuetext=${said[1]}>
    <div class="track"><i class="kept" style=${{ left: `${kept * 100}%`, width: `${Math.max(0, edge - kept) * 100}%` }} />
      <i class="played" style=${{ left: `${kept * 100}%`, width: `${Math.max(0, here - kept) * 100}%` }} />
      ${tv.mode !== "recording" && html`<i class="edge" style=${{ left: `${edge * 100}%` }} />`}
      <b style=${{ left: `${here * 100}%` }} /></div>
    <div class="times num"><span>${said[0]}</span><span class="at">${tv.paused && html`<${Icon} name="pause" />`}${said[1]}${behind(tv, at)}</span><span>${said[2]}</span></div>
  </div>`;
}

/** What the bar reaches from and to. @param {number} at @param {Recording|null} recording @returns {[number, number]} */
function ends(at, recording) {
  const { tv } = house;
  const start = tv.window ? Date.parse(tv.window.start) : at;
  const end = tv.window ? Date.parse(tv.window.end) : Date.now();
  if (recording || end - start <= WHOLE_WINDOW_MS) return [start, Math.max(end, at)];
  const programme = programmeShown();
  return programme ? [Date.parse(programme.start), Date.parse(programme.stop)] : [at - 1_800_000, at + 1_800_000];
}

/** @param {Tv} tv @param {number} at */
function behind(tv, at) {
  if (tv.mode !== "timeshift") return "";
  const minutes = Math.round((Date.now() - at) / 60_000);
  return ` · ${minutes < 1 ? t("shift.just") : t("shift.behind", { n: minutes })}`;
}

/** @param {number} ms as 0:07 or 1:02:07 */
export function length(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
