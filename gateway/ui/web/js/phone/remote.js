/**
 * The remote control.
 * One rule: every button is a key of the real remote and takes its way; the house decides what it means.
 *
 * @import { Key } from "../types.js"
 */

import { Bar, Icon, html } from "../html.js";
import { passed } from "../programmes.js";
import { sentence, t } from "../words.js";
import { changed, desk, isMember, press } from "./desk.js";
import { canTake, take } from "./hand_over.js";

let hasDigits = false;

/** @param {{of: Key, name: string, children?: any, class?: string}} props */
const Button = ({ of, name, children, class: look = "" }) => html`
  <button class=${`key ${look}`} data-key=${of} aria-label=${name} onClick=${() => press(of)}>${children}</button>`;

const Power = () => html`<svg class="icon" viewBox="0 0 24 24" stroke="currentColor" aria-hidden="true"><path d="M12 4v7M7 7a7 7 0 1 0 10 0" /></svg>`;

export function Remote() {
  const { tv } = desk;
  return html`<div class="remote">
    <div class="left">
      <${OnTv} />
      <div class="keys four">
        <${Button} of="power" name=${t("key.power")} class="danger"><${Power} /><//>
        <${Button} of="mute" name=${t("key.mute")} class=${tv?.muted ? "set" : ""}><${Icon} name=${tv?.muted ? "silent" : "sound"} /><//>
        <${Button} of="last" name=${t("key.last")}>⇄<//>
        <${Button} of="home" name=${t("key.home")}><${Icon} name="home" /><//>
      </div>
      <div class="keys four">
        <${Button} of="rewind" name=${t("key.rewind")}>«<//>
        <${Button} of="pause" name=${tv?.paused ? t("key.play") : t("key.pause")}><${Icon} name=${tv?.paused ? "play" : "pause"} /><//>
        <${Button} of="forward" name=${t("key.forward")}>»<//>
        <${Button} of="stop" name=${t("key.live")} class="word">${t("live")}<//>
      </div>
    </div>
    <div class="right">
      <div class="middle">
        <${Rocker} up="volume_up" down="volume_down" what=${t("volume")} />
        ${hasDigits ? html`<${Digits} />` : html`<${Arrows} />`}
        <${Rocker} up="channel_up" down="channel_down" what=${t("key.channel")} />
      </div>
      <div class="keys four">
        <${Button} of="back" name=${t("key.back")} class="word">${t("key.back")}<//>
        <${Button} of="guide" name=${t("nav.guide")} class="word">${t("nav.guide")}<//>
        <${Button} of="menu" name=${t("key.menu")} class="word">${t("key.menu")}<//>
        <button class="key word digits-too" aria-pressed=${hasDigits} onClick=${() => { hasDigits = !hasDigits; changed(); }}>
          ${hasDigits ? t("key.arrows") : "123"}</button>
      </div>
    </div>
  </div>`;
}

const Arrows = () => html`<div class="arrows">
  <${Button} of="up" name=${t("key.up")} class="up">▲<//><${Button} of="left" name=${t("key.left")} class="to-left">◀<//>
  <${Button} of="ok" name="OK" class="ok">OK<//><${Button} of="right" name=${t("key.right")} class="to-right">▶<//>
  <${Button} of="down" name=${t("key.down")} class="down">▼<//>
</div>`;

const Digits = () => html`<div class="digits">
  ${[1, 2, 3, 4, 5, 6, 7, 8, 9, 0].map((digit) => html`
    <${Button} of=${String(digit)} name=${String(digit)} class=${`num d${digit}`}>${digit}<//>`)}
  <${Button} of="ok" name="OK" class="d-ok">OK<//>
</div>`;

/** @param {{up: Key, down: Key, what: string}} props */
const Rocker = ({ up, down, what }) => html`<div class="rocker">
  <${Button} of=${up} name=${`${what} +`}>＋<//><span>${what}</span><${Button} of=${down} name=${`${what} −`}>－<//>
</div>`;

/** What the television shows, and the way to have it here. */
export function OnTv() {
  const { tv } = desk;
  if (!tv) return null;
  const now = desk.now.get(tv.channel ?? "")?.now ?? null;
  const isOn = tv.channel !== null && tv.picture !== "idle";
  const title = tv.picture === "failed" ? sentence(tv.code).say : now?.title ?? "";
  const mode = { live: t("mode.live"), timeshift: t("mode.timeshift"), catchup: t("mode.catchup"), recording: t("mode.recording") }[tv.mode];
  return html`<section class="on-tv" aria-label=${t("phone.on.tv")}>
    <div class="what">
      <small>${t("phone.on.tv")}${isOn ? ` · ${mode}` : ""}${tv.paused ? ` · ${t("shift.paused")}` : ""}</small>
      <strong class="one">${isOn ? `${tv.number ?? ""} ${tv.name ?? ""}` : t("picture.idle")}</strong>
      ${isOn && html`<span class="one">${title}</span>`}
      ${isOn && tv.mode === "live" && now && html`<${Bar} part=${passed(now)} />`}
      ${isMember() && html`<small class="loud">${t("volume")} <b class="num">${tv.muted ? t("muted") : tv.volume_percent}</b></small>`}
    </div>
    ${isOn && canTake() && html`<button class="key take" onClick=${take}>${t("phone.take")}</button>`}
  </section>`;
}
