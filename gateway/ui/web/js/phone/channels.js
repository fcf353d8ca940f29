/**
 * What is on now and next on every channel, and the search among all of it.
 * One rule: a thousand channels are a list like any other; a row is drawn anew only when it is another one.
 *
 * @import { Channel, Programme } from "../types.js"
 */

import { Bar, Component, Icon, html } from "../html.js";
import { passed } from "../programmes.js";
import { call } from "../session.js";
import { calendarDay, clock, t } from "../words.js";
import { ask, changed, channelOf, desk, isMember, open } from "./desk.js";
import { OnTv } from "./remote.js";

const PAUSE_MS = 350;
const MOST_CHARS = 64;
const MOST_CHANNELS = 8;
const STEPS = 50;

let text = "";
let typing = 0;
/** @type {Programme[]|null} */
let found = null;

/** @param {Event} event */
function typed(event) {
  text = /** @type {HTMLInputElement} */ (event.target).value.slice(0, MOST_CHARS);
  clearTimeout(typing);
  found = null;
  if (text.trim()) typing = setTimeout(search, PAUSE_MS);
  changed();
}

async function search() {
  const wanted = text.trim();
  await ask(async () => {
    const programmes = await call("GET", `guide/search?q=${encodeURIComponent(wanted)}&limit=40`);
    if (wanted === text.trim()) found = programmes;
  });
}

export function Channels() {
  const wanted = text.trim().toLowerCase();
  return html`<div class="channels">
    ${!isMember() && html`<${OnTv} />`}
    <form class="search" role="search" onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      /** @type {HTMLElement|null} */ (document.activeElement)?.blur();
    }}>
      <input type="search" enterkeyhint="search" autocomplete="off" aria-label=${t("nav.search")} placeholder=${t("phone.search")}
        maxlength=${MOST_CHARS} value=${text} onInput=${typed} />
    </form>
    ${wanted ? html`<${Found} wanted=${wanted} />` : html`<${Everything} />`}
  </div>`;
}

function Everything() {
  if (!desk.channels.length) return html`<p class="hint">${t(desk.isRead ? "lineup.none" : "phone.loading")}</p>`;
  return html`<ul class="list">${desk.channels.map((channel) => {
    const { now = null, next = null } = desk.now.get(channel.id) ?? {};
    return rowOf(channel, now, next);
  })}</ul>`;
}

/** @param {Channel} channel @param {Programme|null} now @param {Programme|null} next */
const rowOf = (channel, now, next) => html`<${Row} key=${channel.id} channel=${channel} now=${now} next=${next}
  part=${Math.round(passed(now) * STEPS) / STEPS} on=${desk.tv?.channel === channel.id} />`;

class Row extends Component {
  /** @param {any} next */
  shouldComponentUpdate(next) {
    const old = /** @type {any} */ (this.props);
    return next.channel !== old.channel || next.now?.id !== old.now?.id || next.next?.id !== old.next?.id
      || next.part !== old.part || next.on !== old.on;
  }

  render() {
    const { channel, now, next, part, on } = /** @type {any} */ (this.props);
    return html`<li><button class="row" data-channel=${channel.id} onClick=${() => open({ kind: "programme", channel, programme: now })}>
      <b class="num">${channel.number}</b>
      <span class="text">
        <strong class="one">${channel.name}${channel.radio ? html` <${Icon} name="radio" />` : ""}${on ? html` <em>${t("phone.on.tv")}</em>` : ""}</strong>
        <span class="one">${now ? now.title : t("guide.none")}</span>
        ${now && html`<${Bar} part=${part} />`}
        ${next && html`<small class="one"><i class="num">${clock(next.start)}</i> ${next.title}</small>`}
      </span>
    </button></li>`;
  }
}

/** @param {{wanted: string}} props */
function Found({ wanted }) {
  const channels = desk.channels
    .filter((each) => each.name.toLowerCase().includes(wanted) || String(each.number) === wanted)
    .slice(0, MOST_CHANNELS);
  if (!channels.length && found?.length === 0) return html`<p class="hint">${t("phone.search.none")}</p>`;
  return html`<ul class="list">
    ${channels.map((channel) => rowOf(channel, desk.now.get(channel.id)?.now ?? null, null))}
    ${(found ?? []).map((programme) => html`<${Hit} key=${programme.id} programme=${programme} channel=${channelOf(programme.channel)} />`)}
  </ul>`;
}

/** @param {{programme: Programme, channel: Channel|null}} props */
const Hit = ({ programme, channel }) => channel && html`<li>
  <button class="row hit" onClick=${() => open({ kind: "programme", channel, programme })}>
    <span class="text">
      <strong class="one">${programme.title}</strong>
      <small class="one">${when(programme)} · ${channel.name}</small>
    </span>
  </button></li>`;

/** When it is on, in words. @param {{start: string, stop: string}} programme */
export function when({ start, stop }) {
  const day = new Date(start).toDateString() === new Date().toDateString() ? "" : `${calendarDay(Date.parse(start))} `;
  return `${day}${clock(start)}–${clock(stop)}`;
}
