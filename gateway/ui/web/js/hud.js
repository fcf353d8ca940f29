/**
 * What may lie above every screen: a notice, digits, loudness, the state of the link.
 * One rule: at most one notice at a time, and nothing here takes a key.
 *
 * @import { Key, Notice } from "./types.js"
 */

import { html, Icon } from "./html.js";
import { house } from "./house.js";
import { stays } from "./preferences.js";
import { redraw } from "./stage.js";
import { clock, localised, t } from "./words.js";

const NOTICE_MS = 6_000;
const LOUDNESS_MS = 2_000;
const DIGITS_MS = 2_500;
const WAITING_NOTICES = 5;
const ECHO_MS = 1_000;

const shown = {
  /** @type {Notice[]} */
  notices: [],
  digits: "",
  loudness: false,
  silenced: false,
};
let digitsTimer = 0;
let loudnessTimer = 0;
/** @type {{key: string, at: number}[]} digits typed here, which the daemon will tell us again */
let typed = [];

/** @param {Notice} notice */
export function notify(notice) {
  if (shown.notices.length >= WAITING_NOTICES) return;
  shown.notices.push(notice);
  if (shown.notices.length === 1) waitForNotice();
  redraw();
}

/** Say something of the page's own. @param {string} text @param {string|null} [code] */
export const tell = (text, code = null) => notify({ text: { zh: text, en: text }, code, at: new Date().toISOString() });

function waitForNotice() {
  setTimeout(() => {
    shown.notices.shift();
    if (shown.notices.length) waitForNotice();
    redraw();
  }, stays(NOTICE_MS));
}

/** Show a digit of a channel number. @param {Key} key @param {boolean} here whether it was typed on this page */
export function digit(key, here) {
  const now = performance.now();
  typed = typed.filter((each) => now - each.at < ECHO_MS);
  const echo = typed.findIndex((each) => each.key === key);
  if (!here && echo >= 0) {
    typed.splice(echo, 1);
    return;
  }
  if (here) typed.push({ key, at: now });
  shown.digits = (shown.digits + key).slice(-4);
  clearTimeout(digitsTimer);
  digitsTimer = setTimeout(forgetDigits, DIGITS_MS);
  redraw();
}

export function forgetDigits() {
  shown.digits = "";
  redraw();
}

export function showLoudness() {
  shown.loudness = true;
  clearTimeout(loudnessTimer);
  loudnessTimer = setTimeout(() => {
    shown.loudness = false;
    redraw();
  }, LOUDNESS_MS);
}

/** @param {boolean} silenced */
export function showSilenced(silenced) {
  shown.silenced = silenced;
  redraw();
}

export function hud() {
  const { tv } = house;
  const notice = shown.notices[0];
  const channel = house.channels.find((each) => each.number === Number(shown.digits));
  return html`<div class="hud" key="hud">
    <div class="pills">
      ${house.link === "lost" && html`<div class="pill" role="status"><b class="dot amber" />${t("link.lost")}</div>`}
      ${notice && html`<div class="pill" role="alert"><${Icon} name="bell" color="var(--amber)" />${localised(notice.text)}${notice.code && html`<small>${notice.code}</small>`}</div>`}
      ${shown.silenced && !notice && html`<div class="pill" role="status"><${Icon} name="silent" color="var(--amber)" />${t("picture.silenced")}</div>`}
    </div>
    ${shown.digits && html`<div class="digits num" role="status"><strong>${shown.digits}</strong><span>${channel?.name ?? t("digits.unknown")}</span></div>`}
    ${shown.loudness && html`<div class="loudness" role="status" aria-label=${t("volume")}>
      <${Icon} name=${tv.muted ? "silent" : "sound"} /><div class="bar"><i style=${{ transform: `scaleX(${tv.muted ? 0 : tv.volume_percent / 100})` }} /></div>
      <span class="num">${tv.muted ? t("muted") : tv.volume_percent}</span></div>`}
  </div>`;
}

/** The clock in the corner, for screens that have room for it. */
export const Clock = () => html`<strong class="clock num">${clock(Date.now())}</strong>`;
