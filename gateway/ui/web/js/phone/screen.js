/**
 * The picture on the phone, over everything else.
 * One rule: the video element belongs to the playback; it is only shown here.
 */

import { Component, html } from "../html.js";
import { sentence, t } from "../words.js";
import { isMember } from "./desk.js";
import { give } from "./hand_over.js";
import { end, playback, watch } from "./playback.js";

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
        <button class="big" onClick=${() => watch(wanted)}>${t("phone.retry")}</button></div>`}
      <footer>
        <small>${wanted.channel?.name ?? wanted.recording?.channel_name ?? ""}</small>
        ${isMember() && html`<button class="big main give" onClick=${give}>${t("phone.give")}</button>`}
      </footer>
    </section>`;
  }
}
