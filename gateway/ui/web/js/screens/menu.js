/**
 * Small menus over whatever is there: settings, sound and subtitles, an app's own menu, a question.
 * One rule: nothing is removed without a second, explicit yes, and the first focus is never on it.
 *
 * @import { Screen } from "../stage.js"
 * @import { App, Track } from "../types.js"
 */

import { openApp } from "./app.js";
import { go } from "./late.js";
import { Grid, scrolled } from "../focus.js";
import { html } from "../html.js";
import { house } from "../house.js";
import { changeHousehold, household, refreshHousehold } from "../household.js";
import { tell, tellFailure } from "../hud.js";
import { canvas, prefer, preferences } from "../preferences.js";
import { call } from "../session.js";
import { close, named, open, openSoon, redraw } from "../stage.js";
import { localised, speak, t } from "../words.js";

const IDLE_MS = 30_000;
const CHOICE_PX = 114;
const PLAIN_PX = 270;
const WORDY_PX = 400;
const LEAST = 3;

/** @typedef {{name: string, value?: string, chosen?: boolean, danger?: boolean, act: () => void}} Choice */

/**
 * @param {() => {title: string, text?: string, choices: Choice[]}} what drawn anew each time
 * @param {string} name @param {number} [at] the first focus @returns {Screen}
 */
export function choiceOf(what, name, at = 0) {
  const grid = new Grid(() => what().choices.length);
  let first = 0;
  /** @type {string[]} */
  let drawn = [];
  /** Stay with the choice that has the focus when others come or go. @param {Choice[]} choices */
  const settle = (choices) => {
    const names = choices.map((choice) => choice.name);
    if (names.join() !== drawn.join()) grid.stay(drawn, names);
    drawn = names;
  };
  grid.index = at;
  return {
    name,
    covers: false,
    idleMs: IDLE_MS,
    view() {
      const { title, text, choices } = what();
      settle(choices);
      const visible = Math.max(LEAST, Math.floor((canvas.height - (text ? WORDY_PX : PLAIN_PX)) / CHOICE_PX));
      first = scrolled(first, grid.index, visible, choices.length);
      return html`<div class="veil"><section class="menu" role="dialog" aria-label=${title}><h1>${title}</h1>${text && html`<p>${text}</p>`}
        <div role="menu" class=${`${first > 0 ? "above" : ""}${first + visible < choices.length ? " below" : ""}`}>${choices.slice(first, first + visible).map((choice, i) => html`<button type="button" role="menuitem" tabindex="-1" key=${first + i}
          class=${`choice${first + i === grid.index ? " f" : ""}${choice.danger ? " danger" : ""}`}>
          <span>${choice.name}</span><span class="set">${choice.value ?? (choice.chosen ? "✓" : "")}</span></button>`)}</div>
      </section></div>`;
    },
    key(key) {
      const { choices } = what();
      settle(choices);
      if (key === "ok") choices[grid.index]?.act();
      else if (key === "menu") close(this);
      else return grid.move(key) || ["up", "down", "left", "right"].includes(key);
      return true;
    },
  };
}

/** Settings of this screen. */
export function menu() {
  const yes = (/** @type {boolean} */ on) => t(on ? "on" : "off");
  refreshHousehold().catch(() => {});
  return choiceOf(() => ({
    title: t("nav.settings"),
    choices: [
      { name: t("settings.elder"), value: yes(preferences.elder), act: () => prefer({ elder: !preferences.elder }) },
      { name: t("settings.contrast"), value: yes(preferences.contrast), act: () => prefer({ contrast: !preferences.contrast }) },
      { name: t("settings.language"), value: t("settings.language.this"), act: otherLanguage },
      { name: t("phones"), value: "›", act: () => go("phones") },
      { name: t("settings.levelling"), value: household.loaded ? yes(household.now.levelling) : "…", act: () => changeHousehold({ levelling: !household.now.levelling }) },
      { name: t("settings.share"), value: household.loaded ? yes(household.now.share_viewing) : "…", act: () => household.loaded && open(consent()) },
      { name: t("lock.settings"), value: "›", act: () => soon(import("./lock_settings.js").then((own) => own.lockSettings())) },
      { name: t("members"), value: "›", act: () => soon(import("./members.js").then((own) => own.members())) },
      ...(house.tv.tracks.length ? [{ name: t("tracks"), value: "›", act: () => open(trackMenu()) }] : []),
      { name: t("pairing"), value: "›", act: () => soon(import("./pairing.js").then((own) => own.pairing())) },
    ],
  }), "settings");
}

/** Show what is still being fetched. @param {Promise<Screen>} screen */
function soon(screen) {
  openSoon(screen).catch(tellFailure);
}

/** What sharing means, before it begins; ending it needs no question. */
function consent() {
  const shared = household.now.share_viewing;
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("settings.share"),
    text: t("settings.share.what"),
    choices: [
      { name: t(shared ? "settings.share.keep" : "settings.share.no"), act: () => close(screen) },
      { name: t(shared ? "settings.share.end" : "settings.share.yes"), act: () => { close(screen); changeHousehold({ share_viewing: !shared }); } },
    ],
  }), "consent");
  return screen;
}

async function otherLanguage() {
  const language = preferences.language === "zh" ? "en" : "zh";
  await speak(language);
  prefer({ language });
  redraw();
}

/** Sound and subtitles of what is playing. */
export function trackMenu() {
  return choiceOf(() => ({
    title: t("tracks"),
    choices: [
      ...house.tv.tracks.map((track) => ({ name: `${t(`track.${track.kind}`)} · ${trackName(track)}`, chosen: track.selected, act: () => select(track) })),
      { name: t("nav.settings"), value: "›", act: () => open(named("settings") ?? menu()) },
    ],
  }), "tracks");
}

/** @param {Track} track */
const trackName = (track) => track.name || track.language || t("track.unnamed");

/** @param {Track} track */
function select(track) {
  call("POST", "tv/tracks", { id: track.id }).catch(() => tell(t("error.unreachable")));
}

/** @param {App} app */
export function appMenu(app) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: localised(app.name),
    text: t("app.version", { version: app.version }),
    choices: [
      { name: t("app.open"), act: () => { close(screen); openApp(app); } },
      { name: t("app.remove"), danger: true, act: () => open(removal(app, screen)) },
    ],
  }), "appmenu");
  return screen;
}

/** @param {App} app @param {Screen} under */
function removal(app, under) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("app.remove.ask", { name: localised(app.name) }),
    text: t("app.remove.what"),
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      { name: t("app.remove"), danger: true, act: () => { close(under); remove(app); } },
    ],
  }), "removal");
  return screen;
}

/** @param {App} app */
async function remove(app) {
  const name = localised(app.name);
  try {
    await call("POST", `apps/${encodeURIComponent(app.id)}/uninstall`);
    tell(t("app.removed", { name }));
  } catch (error) {
    tellFailure(error);
  }
}
