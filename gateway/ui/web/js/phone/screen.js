/**
 * The picture on the phone, over everything else.
 * One rule: the video element belongs to the playback; it is only shown here.
 */

import { Component, html } from "../html.js";
import { call } from "../session.js";
import { sentence, t } from "../words.js";
import { ask, isMember } from "./desk.js";
import { give } from "./hand_over.js";
import { end, playback, watch } from "./playback.js";

const LOCKED = new Set(["TV-601", "TV-602", "TV-603", "TV-604"]);

/** Open the child lock, and go on with what it held back. @param {SubmitEvent} event */
async function unlock(event) {
  event.preventDefault();
  const { wanted } = playback;
  const pin = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("pin"));
  if (wanted && (await ask(() => call("POST", "lock/open", { pin })))) watch(wanted);
}

const Pin = () => html`<form class="pin" onSubmit=${unlock}>
  <input class="code" name="pin" type="password" inputmode="numeric" pattern="[0-9]{4,8}" maxlength="8" required autocomplete="off"
    aria-label=${t("phone.pin")} placeholder=${t("phone.pin")} />
  <button class="big main">${t("phone.unlock")}</button>
</form>`;

export class Screen extends Component {
  /** @type {HTMLElement|null} */
  _place = null;
  /** The same function at each drawing, so that the place is told once. @param {HTMLElement|null} place */
  _placed = (place) => {
    this._place = place;
    this._hang();
  };

  componentDidUpdate() {
    this._hang();
  }

  _hang() {
    const { video } = playback;
    if (this._place && video && this._place.firstChild !== video) this._place.replaceChildren(video);
  }

  render() {
    const { wanted, picture, code } = playback;
    if (!wanted) return null;
    const why = sentence(code);
    return html`<section class="screen" data-picture=${picture} aria-label=${wanted.title}>
      <header>
        <button class="key round" aria-label=${t("phone.close")} onClick=${end}>✕</button>
        <strong class="one">${wanted.title}</strong>
      </header>
      <div class="film" ref=${this._placed}></div>
      ${picture === "loading" && html`<p class="over">${t("phone.loading")}</p>`}
      ${picture === "failed" && html`<div class="over" role="alert"><strong>${why.say}</strong><p>${why.do}</p>
        ${LOCKED.has(code ?? "") && isMember()
          ? html`<${Pin} />` : html`<button class="big" onClick=${() => watch(wanted)}>${t("phone.retry")}</button>`}</div>`}
      <footer>
        <small>${wanted.channel?.name ?? wanted.recording?.channel_name ?? ""}</small>
        ${isMember() && html`<button class="big main give" onClick=${give}>${t("phone.give")}</button>`}
      </footer>
    </section>`;
  }
}
