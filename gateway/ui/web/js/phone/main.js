/**
 * The phone's page: a remote, the guide, and television in the hand.
 * One rule: the door first; nothing of the house is asked for before it is open.
 */

import { Icon, html, render } from "../html.js";
import { calendarDay, clock, localised, speak, t } from "../words.js";
import { Channels } from "./channels.js";
import { changed, desk, drawnBy, isMember, knock, messagesSeen, open, refreshRecordings } from "./desk.js";
import { Join, Unreachable, isInvited, takeOffer } from "./join.js";
import { end, playback } from "./playback.js";
import { Recordings } from "./recordings.js";
import { Remote } from "./remote.js";
import { Screen } from "./screen.js";
import { LANGUAGE, Sheets } from "./sheets.js";

const place = /** @type {HTMLElement} */ (document.getElementById("phone"));

function App() {
  if (desk.door === "starting") return html`<p class="hint">${t("phone.loading")}</p>`;
  if (desk.door === "unreachable") return html`<${Unreachable} />`;
  if (desk.door !== "open") return html`<${Join} />`;
  const Tab = { remote: Remote, channels: Channels, recordings: Recordings }[desk.tab];
  return html`<div class="house">
    <header class="top">
      <h1>${{ remote: t("phone.tab.remote"), channels: t("phone.tab.channels"), recordings: t("nav.recordings") }[desk.tab]}</h1>
      ${desk.isLost && html`<span class="lost" role="status">${t("link.lost")}</span>`}
      <button class="key round" aria-label=${t("phone.me")} onClick=${() => open({ kind: "me" })}><${Icon} name="settings" /></button>
    </header>
    ${desk.messages.length > 0 && html`<${Messages} />`}
    <main><${Tab} /></main>
    ${isMember() && html`<${Tabs} />`}
    <${Sheets} />
    ${playback.wanted && html`<${Screen} />`}
    ${desk.told && html`<div class=${`told ${desk.told.bad ? "bad" : ""}`} role="status"><strong>${desk.told.say}</strong><span>${desk.told.more}</span></div>`}
  </div>`;
}

function Messages() {
  const [newest, ...others] = desk.messages;
  if (!newest) return null;
  return html`<section class="messages" role="alert"><p><strong>${localised(newest.text)}</strong>
    <span>${calendarDay(new Date(newest.at))} ${clock(newest.at)}${others.length > 0 && ` · ${t("phone.messages.more", { n: others.length })}`}</span></p>
    <button class="key" onClick=${messagesSeen}>${t("phone.messages.seen")}</button></section>`;
}

function Tabs() {
  /** @type {["remote"|"channels"|"recordings", string, string][]} */
  const tabs = [["remote", "app", t("phone.tab.remote")], ["channels", "channels", t("phone.tab.channels")],
    ["recordings", "record", t("nav.recordings")]];
  return html`<nav class="tabs">${tabs.map(([tab, icon, name]) => html`
    <button data-tab=${tab} aria-current=${desk.tab === tab ? "page" : undefined} onClick=${() => go(tab)}>
      <${Icon} name=${icon} /><span>${name}</span></button>`)}</nav>`;
}

/** @param {"remote"|"channels"|"recordings"} tab */
function go(tab) {
  desk.tab = tab;
  if (tab === "recordings") refreshRecordings();
  changed();
  place.querySelector("main")?.scrollTo(0, 0);
}

async function start() {
  takeOffer();
  const known = localStorage.getItem(LANGUAGE) ?? (navigator.language.startsWith("en") ? "en" : "zh");
  await speak(known);
  document.title = t("phone.title");
  drawnBy(() => {
    if (desk.door !== "open" && playback.wanted) end(); // sent away while watching
    render(html`<${App} />`, place);
  });
  changed();
  await knock();
}

// A second code scanned in an open tab changes nothing but the part behind the #.
addEventListener("hashchange", () => {
  takeOffer();
  if (isInvited() && desk.door !== "open") changed();
});
start();
