/**
 * Which keys of the remote the open screen wants for itself, told to the daemon.
 * One rule: said again and again while it holds, because a page that dies cannot take it back.
 *
 * @typedef {{digits?: boolean, channels?: boolean}} Taken
 */

import { call } from "./session.js";

const AGAIN_MS = 30_000;

let now = words({});
let again = 0;
let told = Promise.resolve();

/** Wait until the daemon knows. */
export const isTold = () => told;

/** @param {Taken} taken */
function words(taken) {
  return JSON.stringify({ digits: taken.digits ?? false, channels: taken.channels ?? false });
}

/** @param {Taken} taken of the screen on top */
export function take(taken) {
  const wanted = words(taken);
  if (wanted === now) return;
  now = wanted;
  clearInterval(again);
  if (wanted !== words({})) again = setInterval(say, AGAIN_MS);
  say();
}

/** Tell the daemon; one word after the other. */
export function say() {
  const words = JSON.parse(now);
  told = told.then(() => call("PUT", "keys/taken", words).catch(() => {}));
}
