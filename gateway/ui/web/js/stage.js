/**
 * Which screens lie over the picture, and who gets a key.
 * One rule: a key goes to the top screen first; what it leaves is decided here, so
 * that no screen can keep anybody from going home.
 *
 * @import { Key } from "./types.js"
 * @typedef {"full"|"hero"|"pip"|"hidden"} Place where the picture is
 * @typedef {object} Screen
 * @property {string} name
 * @property {boolean} covers whether nothing below it is drawn
 * @property {Place} [picture] where it wants the picture; below it decides if not said
 * @property {import("./taken.js").Taken} [takes] keys it wants though they mean the television
 * @property {number} [idleMs] closes after so long without a key
 * @property {() => any} view
 * @property {(key: Key) => boolean} key whether it used the key
 * @property {() => void} [opened]
 * @property {() => void} [closed]
 * @property {() => void} [painted] after every drawing, for recycled parts
 */

import { html, render } from "./html.js";
import { stays } from "./preferences.js";
import { take } from "./taken.js";

/** @type {Screen[]} */
const stack = [];
/** @type {() => any} */
let headUp = () => null;
/** @type {(place: Place) => void} */
let onPlace = () => {};
let drawing = 0;
let idle = 0;
/** Screens that are still being fetched. @type {Set<Promise<Screen>>} */
const coming = new Set();
/** What was pressed for them meanwhile. @type {(() => void)[]} */
let early = [];

/**
 * @param {Screen} root what is left when everything is closed
 * @param {() => any} hud drawn above every screen
 * @param {(place: Place) => void} place
 */
export function begin(root, hud, place) {
  stack.push(root);
  headUp = hud;
  onPlace = place;
  redraw();
}

export const top = () => /** @type {Screen} */ (stack[stack.length - 1]);

/** @param {string} name */
export const isOpen = (name) => stack.some((screen) => screen.name === name);

/** Show a screen above the others, or come back to it. @param {Screen} screen */
export function open(screen) {
  const at = stack.indexOf(screen);
  if (at >= 0) while (stack.length > at + 1) drop();
  else {
    stack.push(screen);
    screen.opened?.();
  }
  rest();
  redraw();
}

/** Show a screen as soon as it is here; keys wait for it. @param {Promise<Screen>} fetched */
export async function openSoon(fetched) {
  coming.add(fetched);
  try {
    const screen = await fetched;
    if (coming.has(fetched)) open(screen);
  } finally {
    if (coming.delete(fetched)) {
      const keys = early;
      early = [];
      keys.forEach((again) => again());
    }
  }
}

/** Wait no more for what is being fetched. */
export function forgetWaiting() {
  coming.clear();
  early = [];
}

/**
 * Keep a key for a screen that is still being fetched, so that none below it gets the key.
 * @param {() => void} again presses it anew, once the screen is there or will not come
 * @returns {boolean} whether it was kept
 */
export function keptForLater(again) {
  if (coming.size) early.push(again);
  return coming.size > 0;
}

/** The open screen of that name. @param {string} name */
export const named = (name) => stack.find((screen) => screen.name === name);

/** @param {Screen} screen and all above it */
export function close(screen) {
  const at = stack.indexOf(screen);
  if (at < 1) return;
  while (stack.length > at) drop();
  rest();
  redraw();
}

/** Take one screen away, and leave those above it. @param {Screen} screen */
export function remove(screen) {
  const at = stack.indexOf(screen);
  if (at < 1) return;
  stack.splice(at, 1);
  screen.closed?.();
  rest();
  redraw();
}

/** Down to the picture. */
export function clear() {
  while (stack.length > 1) drop();
  rest();
  redraw();
}

function drop() {
  stack.pop()?.closed?.();
}

/** Start the top screen's wait anew. */
export function rest() {
  clearTimeout(idle);
  const screen = top();
  take(screen.takes ?? {});
  if (screen.idleMs) idle = setTimeout(() => (screen.name === "home" ? clear() : close(screen)), stays(screen.idleMs));
}

/** @param {Key} key @returns {boolean} whether the page used it */
export function press(key) {
  rest();
  const used = top().key(key);
  if (!used && key === "back" && stack.length > 1) close(top());
  redraw();
  return used || key === "back";
}

/** Draw at the next frame; any number of times a frame. */
export function redraw() {
  drawing ||= requestAnimationFrame(draw);
}

function draw() {
  drawing = 0;
  let from = stack.length - 1;
  while (from > 0 && !(/** @type {Screen} */ (stack[from]).covers)) from--;
  const seen = stack.slice(from);
  const place = seen.findLast((screen) => screen.picture)?.picture ?? "full";
  onPlace(place);
  const root = /** @type {HTMLElement} */ (document.getElementById("page"));
  const layers = seen.map((screen) => html`<div class="layer" key=${screen.name}>${screen.view()}</div>`);
  render(html`<div class="layers" key="layers">${layers}</div>${headUp()}`, root);
  for (const screen of seen) screen.painted?.();
  const focused = /** @type {HTMLElement|undefined} */ ([...root.querySelectorAll(".layer:last-child .f")].pop());
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
