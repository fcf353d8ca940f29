/**
 * What stands instead of a picture that the child lock keeps back.
 * One rule: the PIN is never drawn, and forgotten as soon as it was sent.
 *
 * @import { Key } from "../types.js"
 */

import { html } from "../html.js";
import { house } from "../house.js";
import { call } from "../session.js";
import { redraw } from "../stage.js";
import { advice, sentence, t } from "../words.js";

const SHORTEST = 4;
const LONGEST = 8;
const FORGET_MS = 30_000;
const CODES = new Set(["TV-601", "TV-602", "TV-603", "TV-604"]);

let pin = "";
/** @type {string|null} */
let refused = null;
let forgetting = 0;
/** Which picture is kept back; an answer to an older question is not told. */
let about = 0;

export const isLocked = () => CODES.has(house.tv.code ?? "");

/** Something else is on, or nothing is locked: what was typed and said is forgotten. */
export function forgetPin() {
  pin = "";
  refused = null;
  about++;
}

/** @param {Key} key @returns {boolean} whether it was for the lock */
export function lockKey(key) {
  clearTimeout(forgetting);
  forgetting = setTimeout(() => {
    forgetPin();
    redraw();
  }, FORGET_MS);
  if (/^[0-9]$/.test(key) && pin.length < LONGEST) {
    pin += key;
    refused = null;
  } else if (key === "left" && pin) pin = pin.slice(0, -1);
  else if (key === "back" && pin) pin = "";
  else if (key === "ok" && pin.length >= SHORTEST) send();
  else return key === "ok";
  return true;
}

async function send() {
  const said = pin;
  const asked = about;
  pin = "";
  try {
    await call("POST", "lock/open", { pin: said });
  } catch (error) {
    if (asked === about) refused = /** @type {{code: string|null}} */ (error).code ?? "GW-001";
  }
  redraw();
}

export function Lock() {
  const dots = Array.from({ length: Math.max(SHORTEST, pin.length) }, (_, i) => html`<i key=${i} class=${i < pin.length ? "on" : ""} />`);
  return html`<div class="say lock" role="alert"><h1>${sentence(house.tv.code).say}</h1>
    <p>${refused ? html`<span class="amber">${advice(refused)}</span>` : sentence(house.tv.code).do}</p>
    <div class="pin" role="img" aria-label=${t("lock.typed", { n: pin.length })}>${dots}</div>
    <p class="keys">${t("lock.keys")}</p><small class="num">${house.tv.code}</small></div>`;
}
