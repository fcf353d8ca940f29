/**
 * What may lie above every screen: a notice, digits, loudness, the state of the link.
 * One rule: at most one notice at a time, the most urgent, and nothing here takes a key.
 *
 * @import { Notice } from "./types.js"
 */

import { html, Icon } from "./html.js";
import { house } from "./house.js";
import { stays } from "./preferences.js";
import { CallError } from "./session.js";
import { redraw } from "./stage.js";
import { advice, clock, localised, t } from "./words.js";

const NOTICE_MS = 6_000;
/** Who is at the door is looked at, not only read. */
const SEEN_MS = 20_000;
const LOUDNESS_MS = 2_000;
const WAITING_NOTICES = 5;

const shown = {
  /** @type {Notice[]} */
  notices: [],
  digits: "",
  /** @type {string|null} */
  channel: null,
  loudness: false,
  silenced: false,
};
let loudnessTimer = 0;
let noticeTimer = 0;
/** @type {typeof import("./seen.js")|null} fetched when first wanted */
let cameras = null;

/** What the page says itself waits for what the house says, and that for what is urgent. @param {Notice} notice */
export function notify(notice) {
  const { notices } = shown;
  if (notice.camera && !cameras) fetchCameras().catch(() => {}); // the words are there
  const same = notice.camera ? notices.findIndex((each) => each.camera === notice.camera) : -1;
  // Who rings five times is told of once, at the last.
  if (same >= 0) notices.splice(same, 1);
  if (same === 0) notices.unshift(notice);
  else enqueue(notice);
  if (notices[0] === notice) waitForNotice();
  redraw();
}

/** @param {Notice} notice */
function enqueue(notice) {
  const { notices } = shown;
  const after = notices.findIndex((each) => rank(each) < rank(notice));
  notices.splice(after < 0 ? notices.length : after, 0, notice);
  notices.splice(WAITING_NOTICES);
}

async function fetchCameras() {
  cameras = await import("./seen.js");
  if (shown.notices.length) waitForNotice();
  redraw();
}

/** @param {Notice} notice */
const rank = (notice) => Number(notice.urgent ?? -1);

/** Say something of the page's own. @param {string} text @param {string|null} [code] */
export const tell = (text, code = null) => notify({ text: { zh: text, en: text }, code, at: new Date().toISOString() });

/** @param {unknown} error of a call @returns {string} why it was not done, and what helps */
export function failure(error) {
  const code = codeOf(error);
  return code ? advice(code) : t("error.unreachable");
}

/** @param {unknown} error */
export const tellFailure = (error) => tell(failure(error), codeOf(error));

/** @param {unknown} error */
const codeOf = (error) => (error instanceof CallError ? error.code : null);

function waitForNotice() {
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => {
    shown.notices.shift();
    if (shown.notices.length) waitForNotice();
    redraw();
  }, stays(cameras?.sees(shown.notices[0]?.camera) ? SEEN_MS : NOTICE_MS));
}

/** The number being typed on a remote; empty when it is done. @param {string} digits @param {string|null} channel */
export function showDigits(digits, channel) {
  shown.digits = digits;
  shown.channel = channel;
  redraw();
}

export const hasDigits = () => shown.digits !== "";

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
  const channel = house.channels.find((each) => each.id === shown.channel);
  return html`<div class="hud" key="hud">
    <div class="pills">
      ${house.link === "lost" && html`<div class="pill" role="status"><b class="dot amber" />${t("link.lost")}</div>`}
      ${notice && html`<div class="pill" role="alert"><${Icon} name="bell" color="var(--amber)" />${localised(notice.text)}${notice.code && html`<small>${notice.code}</small>`}</div>`}
      ${cameras && html`<${cameras.Seen} camera=${notice?.camera} />`}
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
