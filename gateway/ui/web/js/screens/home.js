/**
 * The home screen: what is on, what else is on, the apps, the house.
 * One rule: live television stays in view here, and comes back alone after twenty seconds.
 *
 * @import { Screen } from "../stage.js"
 */

import { appIcon, openApp } from "./app.js";
import { go } from "./late.js";
import { tune } from "./live.js";
import { appMenu, menu } from "./menu.js";
import { Rows } from "../focus.js";
import { homeSummary, trouble } from "../home_summary.js";
import { Art, Bar, html, Icon } from "../html.js";
import { house, missingServices } from "../house.js";
import { Clock } from "../hud.js";
import { canvas, preferences } from "../preferences.js";
import { onAir, passed } from "../programmes.js";
import { clear, open } from "../stage.js";
import { Strip } from "../strip.js";
import { clock, localised, sentence, t } from "../words.js";

const IDLE_MS = 20_000;

/** @type {{name: string, act: () => void}[]} */
const NAV = [
  { name: "nav.home", act: () => focus.set("hero", 0) },
  { name: "nav.tv", act: () => clear() },
  { name: "nav.guide", act: () => go("guide") },
  { name: "nav.things", act: () => go("things") },
  { name: "nav.recordings", act: () => go("recordings") },
  { name: "nav.search", act: () => go("search") },
  { name: "nav.settings", act: () => open(menu()) },
];
const HERO = [
  { name: "hero.watch", act: () => clear() },
  { name: "hero.channels", act: () => { clear(); go("channels"); } },
];

const onNow = new Strip("cards", 28);
const appRow = new Strip("apps", 24);
const focus = new Rows(() => [
  { name: "nav", count: NAV.length },
  { name: "hero", count: HERO.length },
  { name: "on", count: house.channels.length },
  { name: "apps", count: house.apps.length + 1 },
], "hero");

/** @type {Screen} */
export const home = {
  name: "home",
  covers: true,
  picture: "hero",
  idleMs: IDLE_MS,
  opened() {
    focus.set("nav", 0);
    focus.set("hero", 0);
  },
  view,
  key(key) {
    const index = focus.index();
    if (key === "ok") act(focus.row, index);
    else if (key === "menu") {
      const app = focus.row === "apps" ? house.apps[index] : undefined;
      open(app ? appMenu(app) : menu());
    } else if (key === "home") clear();
    else return focus.move(key) || ["up", "down", "left", "right"].includes(key);
    return true;
  },
};

/** @param {string} row @param {number} index */
function act(row, index) {
  if (row === "nav") NAV[index]?.act();
  else if (row === "hero") HERO[index]?.act();
  else if (row === "on") {
    const channel = house.channels[index];
    clear();
    if (channel) tune(channel.id);
  } else {
    const app = house.apps[index];
    if (app) openApp(app);
    else go("things");
  }
}

function view() {
  const { tv } = house;
  const { now } = onAir(tv.channel ?? "");
  const side = preferences.elder ? 71 : 96;
  const visible = preferences.elder ? 4 : 5;
  return html`<section class="home" aria-label=${t("nav.home")}>
    <div class="shade" />
    <header>
      <div class="logo"><${Icon} name="home" color="var(--amber-ink)" /></div>
      <nav>${NAV.map((item, i) => html`<a role="link" tabindex="-1" key=${i}
        class=${`${i === 0 ? "on" : ""}${focus.isAt("nav", i) ? " f" : ""}`}>${t(item.name)}</a>`)}</nav>
      <div class="status">${Wellbeing()}<${Clock} /></div>
    </header>
    <div class="hero">
      <div class="meta"><span class="live">${t("live")}</span><span class="num one">${t("channel", { n: tv.number ?? "–" })} · ${tv.name ?? ""}</span>
        ${now && html`<span class="num">${clock(now.start)} – ${clock(now.stop)}</span>`}</div>
      <h1 class="one">${heroTitle(now?.title)}</h1>
      <p class="two">${heroText(now?.description || now?.subtitle)}</p>
      <${Bar} part=${passed(now)} />
      <div class="buttons">${HERO.map((item, i) => html`<button type="button" tabindex="-1" key=${i}
        class=${`btn${focus.isAt("hero", i) ? " f" : ""}`}>${t(item.name)}</button>`)}</div>
    </div>
    <div class="rows">
      <h2>${t("home.on")}</h2>
      ${onNow.view({ count: house.channels.length, index: focus.index("on"), visible, peek: 60, width: canvas.width - side, item: ChannelCard })}
      ${appRow.view({ count: house.apps.length + 1, index: focus.index("apps"), visible, width: canvas.width - 2 * side, item: AppTile })}
    </div>
  </section>`;
}

/** @param {string|undefined} title */
function heroTitle(title) {
  if (house.channels.length === 0) return t("lineup.none");
  return house.tv.picture === "failed" ? t("picture.none") : (title ?? house.tv.name ?? t("guide.none"));
}

/** @param {string|undefined} text */
function heroText(text) {
  if (house.channels.length === 0) return t("lineup.do");
  return house.tv.picture === "failed" ? `${sentence(house.tv.code).say} ${house.tv.code ?? ""}` : (text ?? "");
}

function Wellbeing() {
  const missing = [...new Set(missingServices().map(serviceName))];
  if (missing.length) return html`<span class="amber one"><b class="dot amber" />${t("services.missing", { what: missing.join(t("and")) })}</span>`;
  const wrong = trouble();
  return wrong
    ? html`<span class="amber one"><b class="dot amber" />${wrong}</span>`
    : html`<span class="jade one"><b class="dot jade" />${t("home.well")}</span>`;
}

/** What a household calls a service. @param {string} name */
function serviceName(name) {
  const told = t(`service.${name}`);
  return told === `service.${name}` ? t("service.other") : told;
}

/** @param {number} index */
function ChannelCard(index) {
  const channel = house.channels[index];
  if (!channel) return null;
  const { now } = onAir(channel.id);
  return html`<button type="button" tabindex="-1" key=${channel.id} class=${`card${focus.isAt("on", index) ? " f" : ""}`}>
    <${Art} seed=${channel.number} /><span class="chip num">${channel.number} ${channel.name}</span>
    <span class="title"><span class="one">${now?.title ?? t("guide.none")}</span></span>
    ${now && html`<i class="passed" style=${{ transform: `scaleX(${passed(now)})` }} />`}</button>`;
}

/** @param {number} index */
function AppTile(index) {
  const app = house.apps[index];
  const focused = focus.isAt("apps", index) ? " f" : "";
  return html`<button type="button" tabindex="-1" class=${`app${focused}`}>
    <span class="mark" style=${{ backgroundColor: app ? app.color : "#5a4fc4" }}>${app ? appIcon(app, "mark") : html`<${Icon} name="things" color="#fff" />`}</span>
    <span class="words"><span class="one">${app ? localised(app.name) : t("nav.things")}</span>
    <small class="one">${app ? appSummary(app) : homeSummary()}</small></span></button>`;
}

/** @param {import("../types.js").App} app */
function appSummary(app) {
  return localised(app.summary) || t("app.version", { version: app.version });
}
