/**
 * Puts the page together: session, events, keys, picture, screens.
 * One rule: the only module that knows all the others.
 *
 * @import { Key, Tv } from "./types.js"
 * @import { Picture } from "./picture.js"
 */

import { listen } from "./events.js";
import { heed, house } from "./house.js";
import { hasDigits, hud, notify, showDigits, showLoudness, showSilenced, tell } from "./hud.js";
import { html, render } from "./html.js";
import { isOfTheDaemon, logicalKey } from "./keys.js";
import { applyPreferences, fitStage, loadPreferences, preferences } from "./preferences.js";
import { forgetGuide, refreshNow, whenLoaded } from "./programmes.js";
import { appsChanged } from "./screens/app.js";
import { home } from "./screens/home.js";
import { fetchAll, go } from "./screens/late.js";
import { forgetPin } from "./screens/lock.js";
import { live, showBanner, televisionChanged } from "./screens/live.js";
import { menu } from "./screens/menu.js";
import { call, takeToken } from "./session.js";
import * as stage from "./stage.js";
import { isTold, say } from "./taken.js";
import { hasTravelled } from "./timeline.js";
import { sentence, speak, t } from "./words.js";

/** Replaced by a newer command, or told to what never reports: nothing for a screen that shows something else. */
const UNTOLD = new Set(["IOT-206", "IOT-209"]);

const TICK_MS = 10_000;
const FETCH_AFTER_MS = 1_500;
const GUIDE_MS = 10 * 60_000;

takeToken();
loadPreferences();
applyPreferences();
fitStage();
addEventListener("resize", fitStage);
await speak(preferences.language);

const place = /** @type {HTMLElement} */ (document.getElementById("picture"));
/** The page's own video, fetched only where the page has to play. @type {Promise<Picture>|null} */
let picture = null;

whenLoaded(stage.redraw);
listen(onEvent, onLink);
setInterval(() => {
  stage.redraw();
  // Whoever went home past a question is asked again.
  if (begun) ask();
}, TICK_MS);
setInterval(refreshNow, GUIDE_MS);

let begun = false;

/** @param {"live"|"lost"|"locked"} link */
function onLink(link) {
  house.link = link;
  if (begun) stage.redraw();
  else if (link === "locked") drawLocked();
}

function drawLocked() {
  const page = /** @type {HTMLElement} */ (document.getElementById("page"));
  render(html`<section class="locked" key="locked"><h1>${t("locked")}</h1><p>${t("locked.do")}</p><code>gateway token</code><p class="other">${t("locked.other")}</p></section>`, page);
}

/** @param {any} event */
function onEvent(event) {
  const before = house.tv;
  const beforeAt = house.tvAt;
  const changed = heed(event);
  if (event.type === "snapshot") arrived();
  else if (event.type === "tv") onTelevision(before, beforeAt, house.tv);
  else if (event.type === "channels") guideIsNew();
  else if (event.type === "apps") appsChanged();
  else if (event.type === "questions") begun && ask();
  else if (event.type === "notice") notify(event.notice);
  else if (event.type === "number") showDigits(event.digits, event.channel);
  else if (event.type === "key") press(event.key, false);
  else if (event.type === "command" && (event.command.state === "expired" || event.command.state === "failed")) {
    if (!stage.isOpen("things") && !UNTOLD.has(event.command.code ?? "")) tell(sentence(event.command.code ?? "IOT-*").say, event.command.code);
  }
  if (!changed || !begun) return;
  stage.redraw();
  if (house.waiting.length) import("./screens/newcomer.js").then((own) => own.ask(), () => {});
}

function arrived() {
  if (!begun) {
    begun = true;
    render(null, /** @type {HTMLElement} */ (document.getElementById("page")));
    stage.begin(live, hud, showPicture);
    showBanner(false);
    setTimeout(fetchAll, FETCH_AFTER_MS);
    house.apps.filter((app) => app.state === "open").forEach((app) => call("POST", `apps/${app.id}/close`).catch(() => {}));
  }
  // A daemon that was started anew knows no more which keys are taken, and a new page not yet.
  say();
  document.documentElement.dataset.plane = house.tv.plane;
  play(house.tv, true);
  televisionChanged();
  ask();
  guideIsNew();
}

let hasAsked = false;

/** Show what the house asks, or that it asks no more. */
function ask() {
  hasAsked ||= house.questions.length > 0;
  if (hasAsked) import("./screens/question.js").then((own) => own.showQuestion());
}

function guideIsNew() {
  forgetGuide();
  refreshNow();
}

/** @param {Tv} before @param {number} beforeAt @param {Tv} tv */
function onTelevision(before, beforeAt, tv) {
  document.documentElement.dataset.plane = tv.plane;
  play(tv, false);
  televisionChanged();
  if (before.channel !== tv.channel || before.code !== tv.code) forgetPin();
  if (before.channel !== tv.channel || hasTravelled(before, beforeAt, tv)) {
    if (stage.top() === live) showBanner();
  }
  if (before.volume_percent !== tv.volume_percent || before.muted !== tv.muted) showLoudness();
}

/** @param {Tv} tv @param {boolean} fresh */
function play(tv, fresh) {
  if (tv.plane === "inpage") picture ??= openPicture();
  picture?.then((own) => own.show(tv, fresh));
}

async function openPicture() {
  const { Picture } = await import("./picture.js");
  return new Picture(place, (report) => call("POST", "tv/picture", report).catch(() => {}), showSilenced);
}

/** @param {stage.Place} where */
function showPicture(where) {
  place.className = `at-${where}`;
  document.documentElement.dataset.picture = where;
}

/** @param {Key} key @param {boolean} here from this page's keyboard, not from the daemon */
function press(key, here) {
  if (key === "home") stage.forgetWaiting();
  if (!begun || stage.keptForLater(() => press(key, here))) return;
  if (here && hasDigits() && (key === "ok" || key === "back")) send(key);
  else if (stage.press(key)) return;
  else if (isOfTheDaemon(key)) {
    if (here) send(key);
  } else if (key === "home") goHome();
  else if (key === "guide") {
    const shown = stage.named("guide");
    if (shown) stage.close(shown);
    else go("guide");
  }
  else if (key === "menu") stage.open(menu());
  else if (key === "info") {
    stage.clear();
    showBanner(true);
  }
}

/** Home lies over the picture and nothing else, so that Back from it is television. */
function goHome() {
  if (!stage.isOpen("home")) stage.clear();
  stage.open(home);
}

/** @param {Key} key */
async function send(key) {
  await isTold();
  call("POST", "keys", { key }).catch(() => tell(t("error.unreachable")));
}

addEventListener("keydown", (event) => {
  const key = logicalKey(event);
  if (!key) return;
  event.preventDefault();
  picture?.then((own) => own.unsilence());
  press(key, true);
});

// An app's frame may pull the keyboard to itself; a laptop has no other remote.
addEventListener("blur", () => setTimeout(() => {
  if (document.activeElement instanceof HTMLIFrameElement) {
    document.activeElement.blur();
    window.focus();
  }
}));
