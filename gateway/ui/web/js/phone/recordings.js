/**
 * The household's recordings.
 * One rule: what cannot be watched yet says why, and has no button that would not work.
 *
 * @import { Recording } from "../types.js"
 */

import { html } from "../html.js";
import { sentence, t } from "../words.js";
import { when } from "./channels.js";
import { desk } from "./desk.js";
import { watchRecordingHere, watchRecordingOnTv } from "./hand_over.js";

const WATCHABLE = new Set(["done", "partial", "recording"]);

export function Recordings() {
  const { recordings } = desk;
  if (!recordings) return html`<p class="hint">${t("phone.loading")}</p>`;
  if (!recordings.length) return html`<p class="hint">${t("phone.recordings.none")}</p>`;
  return html`<ul class="list">${recordings.map((each) => html`<${One} key=${each.id} recording=${each} />`)}</ul>`;
}

/** @param {{recording: Recording}} props */
function One({ recording }) {
  const states = { planned: t("phone.recording.planned"), recording: t("phone.recording.now"), done: "",
    partial: t("phone.recording.partial"), failed: t("phone.recording.failed"), conflict: t("phone.recording.conflict") };
  const state = states[recording.state];
  const canWatch = WATCHABLE.has(recording.state) && recording.duration_s > 0;
  return html`<li class="recording">
    <strong class="two">${recording.title}</strong>
    <small>${when(recording)} · ${recording.channel_name}</small>
    ${state && html`<small class=${recording.state === "recording" ? "red" : "amber"}>${state}${recording.code ? ` · ${sentence(recording.code).say}` : ""}</small>`}
    ${canWatch && html`<div class="two-keys">
      <button class="key" onClick=${() => watchRecordingHere(recording)}>${t("phone.here")}</button>
      <button class="key" onClick=${() => watchRecordingOnTv(recording)}>${t("phone.tv")}</button>
    </div>`}
  </li>`;
}
