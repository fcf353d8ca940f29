/**
 * What rises from below: a programme with what can be done with it, and this phone itself.
 * One rule: only what this phone may do, and what can be done now, is offered.
 *
 * @import { Channel, Programme } from "../types.js"
 */

import { html } from "../html.js";
import { call } from "../session.js";
import { speak, spoken, t } from "../words.js";
import { when } from "./channels.js";
import { ask, changed, desk, isMember, leave, open, refreshRecordings, say } from "./desk.js";
import { startOnTv, watchHere, watchOnTv } from "./hand_over.js";

const DAY_MS = 86_400_000;
export const LANGUAGE = "gateway.phone.language";

export function Sheets() {
  const { sheet } = desk;
  if (!sheet) return null;
  return html`<div class="veil" onClick=${(/** @type {Event} */ event) => event.target === event.currentTarget && open(null)}>
    <div class="sheet" role="dialog" aria-modal="true">
      ${sheet.kind === "me" ? html`<${Me} />` : html`<${About} channel=${sheet.channel} programme=${sheet.programme} />`}
      <button class="big" onClick=${() => open(null)}>${t("phone.close")}</button>
    </div>
  </div>`;
}

/** @param {{what: () => unknown, children?: any, class?: string}} props */
const Choice = ({ what, children, class: look = "" }) => html`
  <button class=${`big ${look}`} onClick=${() => { open(null); what(); }}>${children}</button>`;

/** @param {{channel: Channel, programme: Programme|null}} props */
function About({ channel, programme }) {
  const now = Date.now();
  const isToCome = programme !== null && Date.parse(programme.start) > now;
  const isOver = programme !== null && Date.parse(programme.stop) <= now;
  const canStart = programme !== null && !isToCome && isKept(channel, programme);
  return html`
    <small>${channel.number} ${channel.name}${programme ? ` · ${when(programme)}` : ""}</small>
    <h2>${programme?.title ?? channel.name}</h2>
    ${programme?.description && html`<p>${programme.description}</p>`}
    ${isOver && !canStart && html`<p>${t("programme.gone")}</p>`}
    ${!isToCome && !isOver && html`
      <${Choice} class="main" what=${() => watchHere(channel)}>${t("phone.here")}<//>
      ${isMember() && html`<${Choice} what=${() => watchOnTv(channel)}>${t("phone.tv")}<//>`}`}
    ${canStart && html`
      <${Choice} what=${() => watchHere(channel, programme)}>${t("phone.here.start")}<//>
      ${isMember() && html`<${Choice} what=${() => startOnTv(programme)}>${t("phone.tv.start")}<//>`}`}
    ${isMember() && programme && isToCome && html`
      <${Choice} what=${() => order("reminders", programme, t("phone.reminded"))}>${t("programme.remind")}<//>`}
    ${isMember() && programme && !isOver && html`
      <${Choice} what=${() => order("recordings", programme, t("programme.recorded"))}>${t("programme.record")}<//>`}`;
}

/** @param {Channel} channel @param {Programme} programme */
function isKept({ id, catchup }, { start }) {
  const begins = Date.parse(start);
  const { tv } = desk;
  const isShifted = tv?.channel === id && tv.window && Date.parse(tv.window.start) <= begins;
  return Boolean(isShifted || (catchup && begins > Date.now() - catchup.days * DAY_MS));
}

/** @param {"reminders"|"recordings"} what @param {Programme} programme @param {string} done */
async function order(what, programme, done) {
  if (await ask(() => call("POST", what, { programme: programme.id }))) say(done);
  if (what === "recordings") await refreshRecordings();
}

function Me() {
  const { me } = desk;
  const roles = { viewer: t("role.viewer"), member: t("role.member"), owner: t("role.owner") };
  return html`
    <h2>${me?.name ?? t("phone.name.computer")}</h2>
    <p>${roles[me?.role ?? "owner"]}</p>
    <button class="big" onClick=${turnLanguage}>${t("settings.language")} · ${t("settings.language.this")}</button>
    ${me && html`<${Choice} class="danger" what=${leave}>${t("phone.leave")}<//>`}`;
}

async function turnLanguage() {
  const wanted = spoken() === "zh" ? "en" : "zh";
  localStorage.setItem(LANGUAGE, wanted);
  await speak(wanted);
  changed();
}
