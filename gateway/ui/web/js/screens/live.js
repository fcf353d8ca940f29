/**
 * Full-screen television: the picture, the banner with its dock, and what to say without a picture.
 * One rule: the picture never waits for the banner, and the banner never stays over it unasked.
 *
 * @import { Key } from "../types.js"
 * @import { Screen } from "../stage.js"
 */

import { appIcon, openApp } from "./app.js";
import { home } from "./home.js";
import { go } from "./late.js";
import { isLocked, Lock, lockKey } from "./lock.js";
import { menu, trackMenu } from "./menu.js";
import { Rows } from "../focus.js";
import { Bar, html, Icon } from "../html.js";
import { currentChannel, house } from "../house.js";
import { Clock, tell, tellFailure } from "../hud.js";
import { prefer, preferences, stays } from "../preferences.js";
import { onAir, passed } from "../programmes.js";
import { recordingOf, refreshLibrary } from "../library.js";
import { call } from "../session.js";
import { open, redraw } from "../stage.js";
import { isPast, Mode, programmeShown, Timeline } from "../timeline.js";
import { clock, localised, sentence, t } from "../words.js";

const BANNER_MS = 5_000;
const TELL_TUNING_AFTER_MS = 900;
const MAX_APPS = 3;
const STEP_S = 30;
const TICK_MS = 1_000;

const banner = { shown: false, dock: false };
let bannerTimer = 0;
let tuningSince = 0;
let tick = 0;
/** The recording whose facts were asked for last. @type {string|null} */
let lookedFor = null;

/** @typedef {{name: string, icon: any, act: () => void}} DockItem */

/** @returns {DockItem[]} */
function dock() {
  const { elder } = preferences;
  const apps = elder ? [] : house.apps.slice(0, MAX_APPS);
  return [
    { name: t("dock.channels"), icon: html`<${Icon} name="channels" color="#8fd0ff" />`, act: () => go("channels") },
    ...apps.map((app) => ({ name: localised(app.name), icon: appIcon(app, "line"), act: () => openApp(app) })),
    { name: t("nav.things"), icon: html`<${Icon} name="things" color="#a59bff" />`, act: () => go("things") },
    { name: t("nav.guide"), icon: html`<${Icon} name="guide" color="#6fc3ff" />`, act: () => go("guide") },
    {
      name: t(elder ? "dock.normal" : "dock.elder"),
      icon: html`<${Icon} name="type" color="#dfe5ea" />`,
      act: () => prefer({ elder: !elder }),
    },
  ];
}

const focus = new Rows(() => [{ name: "dock", count: dock().length }], "dock");

/** Bring the banner up, and with `withDock` let the keys go through its dock. @param {boolean} [withDock] */
export function showBanner(withDock = banner.dock) {
  banner.shown = true;
  banner.dock = withDock;
  clearTimeout(bannerTimer);
  bannerTimer = setTimeout(hideBanner, stays(BANNER_MS));
  redraw();
}

function hideBanner() {
  clearTimeout(bannerTimer);
  banner.shown = banner.dock = false;
  redraw();
}

/** The television changed; note since when it is tuning. */
export function televisionChanged() {
  if (house.tv.picture !== "tuning") tuningSince = 0;
  else if (!tuningSince) {
    tuningSince = Date.now();
    setTimeout(redraw, TELL_TUNING_AFTER_MS + 20);
  }
}

/** @param {Key} key */
export function zap(key) {
  call("POST", "keys", { key }).catch(() => tell(t("error.unreachable")));
}

/** @param {string} channel */
export function tune(channel) {
  const { tv } = house;
  if (channel === tv.channel && !isPast() && (tv.picture === "playing" || tv.picture === "tuning")) showBanner(false);
  else ask("tv/tune", { channel });
}

/** @type {Screen} */
export const live = {
  name: "live",
  covers: true,
  picture: "full",
  view: () => html`${Trouble()}${house.tv.paused && !banner.shown && Held()}${banner.shown && Banner()}`,
  key(key) {
    if (banner.dock && (key === "left" || key === "right")) {
      focus.move(key);
      showBanner();
      return true;
    }
    if (isLocked() && !banner.dock && lockKey(key)) return true;
    if (isPast() && !banner.dock && travel(key)) return true;
    switch (key) {
      case "up": zap("channel_up"); return true;
      case "down": zap("channel_down"); return true;
      case "left": go("channels"); hideBanner(); return true;
      case "right":
      case "info": showBanner(true); return true;
      case "ok": pressOk(); return true;
      case "menu": hideBanner(); open(house.tv.tracks.length ? trackMenu() : menu()); return true;
      case "back": if (banner.shown) hideBanner(); else open(home); return true;
      default: return false;
    }
  },
};

/**
 * The keys of every remote, while the past is shown.
 * @param {Key} key
 */
function travel(key) {
  if (key === "left" || key === "right") ask("tv/seek", { step_s: key === "left" ? -STEP_S : STEP_S });
  else if (key === "ok" && house.tv.picture !== "failed") ask(house.tv.paused ? "tv/resume" : "tv/pause");
  else if (key === "back" && !banner.shown) ask("tv/live");
  else return false;
  return true;
}

/** @param {string} path @param {unknown} [body] */
export function ask(path, body) {
  return call("POST", path, body).catch(tellFailure);
}

function pressOk() {
  const { picture, channel } = house.tv;
  if (banner.dock) {
    const item = dock()[focus.index()];
    hideBanner();
    item?.act();
  } else if (picture === "failed" && channel) tune(channel);
  else showBanner(true);
}

function Banner() {
  const { tv } = house;
  const channel = currentChannel();
  const past = isPast();
  const recording = recordingOf(tv.recording);
  if (tv.recording && !recording && lookedFor !== tv.recording) {
    lookedFor = tv.recording;
    refreshLibrary();
  }
  if (past) beat();
  const { now: live, next } = onAir(tv.channel ?? "");
  const now = past ? programmeShown() : live;
  const left = now ? Math.max(1, Math.ceil((Date.parse(now.stop) - Date.now()) / 60_000)) : 0;
  const sounds = tv.tracks.filter((track) => track.kind === "audio").length;
  const about = [tv.name, channel?.group, channel?.resolution, channel?.radio && t("radio"), sounds > 1 && t("sounds", { n: sounds })];
  return html`<section class="banner" aria-label=${t("banner")}>
    <div class="corner"><${Clock} /></div>
    <div class="facts">
      <div class="number num">${tv.number ?? "–"}</div>
      <div class="on">
        <div class="meta">${Mode(tv)}<span class="one">${about.filter(Boolean).join(" · ")}</span></div>
        <h1 class="one">${recording?.title ?? now?.title ?? (channel ? t("guide.none") : t("lineup.none"))}</h1>
        ${past ? Timeline(recording) : html`<${Bar} part=${passed(now)} />
        <div class="times num">${now && html`<span>${clock(now.start)}</span><span>${t("left", { n: left })}</span><span>${clock(now.stop)}</span>`}</div>`}
      </div>
      <div class="next">${past ? PastKeys() : html`
        <small class="num">${t("next")} ${next ? clock(next.start) : ""}</small>
        <div class="two">${next?.title ?? t("guide.none")}</div>
        <small>${t(banner.dock ? "banner.keys.dock" : "banner.keys")}</small>`}
      </div>
    </div>
    <nav class="dock">${dock().map((item, i) => {
      const focused = banner.dock && focus.isAt("dock", i);
      return html`<button type="button" tabindex="-1" class=${`tile${focused ? " f" : ""}`} key=${i}>${item.icon}<span class="one">${item.name}</span></button>`;
    })}</nav>
  </section>`;
}

/** Draw every second while a position is shown. */
function beat() {
  clearTimeout(tick);
  tick = setTimeout(redraw, TICK_MS);
}

function PastKeys() {
  const { paused, mode } = house.tv;
  return html`<small>${t(paused ? "shift.paused" : `shift.${mode}`)}</small>
    <div class="hints"><span><kbd>◀ ▶</kbd>${t("shift.keys.step", { n: STEP_S })}</span><span><kbd>OK</kbd>${t(paused ? "shift.keys.resume" : "shift.keys.pause")}</span>
    <span><kbd>${t("key.back")}</kbd>${t("shift.keys.live")}</span></div>`;
}

/** Left on a held picture once the banner is gone. */
const Held = () => html`<div class="held" role="status"><${Icon} name="pause" />${t("shift.paused")}<small>${t("shift.keys.ok")}</small></div>`;

/** What to say when there is no moving picture; null while there is one. */
function Trouble() {
  const { tv } = house;
  if (house.link !== "live" && !tv.channel) return null;
  if (house.channels.length === 0) return Say(t("lineup.none"), t("lineup.do"));
  if (isLocked()) return Lock();
  if (tv.picture === "failed") {
    const words = sentence(tv.code);
    return Say(words.say, words.do, tv.code, t("picture.retry"));
  }
  if (tv.picture === "stalled") return html`<div class="waiting" role="status"><b class="dot amber" />${t("picture.stalled")}</div>`;
  if (tv.picture === "tuning" && Date.now() - tuningSince > TELL_TUNING_AFTER_MS) {
    return html`<div class="waiting" role="status"><b class="dot amber" />${t("picture.tuning", { name: `${tv.number ?? ""} ${tv.name ?? ""}` })}</div>`;
  }
  if (tv.picture === "idle") return Say(t("picture.idle"), t("picture.idle.do"));
  return null;
}

/** @param {string} what @param {string} act @param {string|null} [code] @param {string} [keys] */
function Say(what, act, code = null, keys = "") {
  return html`<div class="say" role="alert"><h1>${what}</h1><p>${act}</p>
    ${keys && html`<p class="keys">${keys}</p>`}${code && html`<small class="num">${code}</small>`}</div>`;
}
