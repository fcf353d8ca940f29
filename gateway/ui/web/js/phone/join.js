/**
 * What a phone sees that is not in the house yet, or not any more.
 * One rule: the token of the QR code leaves the address at once, and every dead end says the way on.
 */

import { html } from "../html.js";
import { CallError } from "../session.js";
import { sentence, t } from "../words.js";
import { changed, desk, join, knock } from "./desk.js";

const CODE_DIGITS = 6;
const MOST_NAME = 64;

let token = "";
let name = "";
let code = "";
let isBusy = false;
/** @type {{say: string, do: string}|null} */
let refusal = null;

/** Take the token out of `#t=…`; it is for this visit only. */
export function takeOffer() {
  token = new URLSearchParams(location.hash.slice(1)).get("t") ?? "";
  if (token) history.replaceState(null, "", location.pathname);
}

/** What a person would call this phone, until they say better. */
function usualName() {
  const about = navigator.userAgent;
  if (/iPhone/.test(about)) return t("phone.name.iphone");
  if (/iPad|Tablet/.test(about)) return t("phone.name.tablet");
  const model = /Android[^;)]*; ([^;)]{2,24}?)(?: Build\/[^;)]*)?\)/.exec(about)?.[1] ?? "K";
  if (model !== "K") return model; // the model that browsers say to hide it
  return /Android|Mobile/.test(about) ? t("phone.name.phone") : t("phone.name.computer");
}

/** @param {Event} event */
async function submit(event) {
  event.preventDefault();
  if (isBusy || (!token && code.length !== CODE_DIGITS)) return;
  isBusy = true;
  refusal = null;
  changed();
  try {
    await join(token ? { token } : { code }, name.trim() || usualName());
  } catch (error) {
    const { status, code: why } = /** @type {CallError} */ (error);
    refusal = status === 0 ? { say: t("error.unreachable"), do: "" } : sentence(why);
    if (status >= 400 && status < 500) token = ""; // it will be no better the next time: the digits remain
  }
  code = "";
  isBusy = false;
  changed();
}

/** @param {Event} event */
function typed(event) {
  const box = /** @type {HTMLInputElement} */ (event.target);
  code = box.value = box.value.replace(/\D/g, "").slice(0, CODE_DIGITS);
  changed();
}

export function Join() {
  name ||= usualName();
  const isGone = desk.door === "gone" && !token;
  return html`<main class="join">
    <h1>${isGone ? t("phone.gone") : t("phone.join")}</h1>
    <p>${isGone ? t("phone.gone.do") : token ? t("phone.join.token") : t("phone.join.code")}</p>
    ${refusal && html`<div class="refused" role="alert"><strong>${refusal.say}</strong><span>${refusal.do}</span></div>`}
    <form onSubmit=${submit}>
      ${!token && html`<label>${t("phone.code")}
        <input class="code num" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength=${CODE_DIGITS}
          placeholder="······" value=${code} onInput=${typed} /></label>`}
      <label>${t("phone.name")}
        <input name="name" maxlength=${MOST_NAME} autocomplete="off" value=${name}
          onInput=${(/** @type {any} */ event) => { name = event.target.value; }} /></label>
      <button class="big main" disabled=${isBusy || (!token && code.length !== CODE_DIGITS)}>${isBusy ? t("phone.joining") : t("phone.join.do")}</button>
    </form>
    <p class="hint">${t("phone.join.where")}</p>
  </main>`;
}

export const Unreachable = () => html`<main class="join">
  <h1>${t("phone.unreachable")}</h1>
  <p>${t("phone.unreachable.do")}</p>
  <button class="big main" onClick=${knock}>${t("phone.retry")}</button>
</main>`;

/** Whether there is an offer to take up. */
export const isInvited = () => token !== "";
