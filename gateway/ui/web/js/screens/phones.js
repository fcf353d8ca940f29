/**
 * Phones of the house: the code that lets one in, and those that are.
 * One rule: the code is on the screen only while this screen is, and void with it.
 *
 * @import { Screen } from "../stage.js"
 * @import { PairingOffer, Phone } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { Grid } from "../focus.js";
import { html } from "../html.js";
import { failure, tellFailure } from "../hud.js";
import { call } from "../session.js";
import { close, isOpen, open, redraw } from "../stage.js";
import { t } from "../words.js";

const LOOK_MS = 2_000;
const SHOWN = 5;
const ROLES = /** @type {const} */ (["viewer", "member", "owner"]);

/** @type {PairingOffer|null} */
let offer = null;
/** Why there is no code. */
let refused = "";
/** @type {Phone[]} */
let list = [];
let known = false;
let renewing = false;
let looking = 0;

const grid = new Grid(() => Math.max(1, list.length));
const first = () => Math.max(0, Math.min(grid.index - SHOWN + 1, list.length - SHOWN));

/** @type {Screen} */
export const phones = {
  name: "phones",
  covers: true,
  picture: "hidden",
  opened() {
    known = false;
    grid.index = 0;
    renew();
    look();
    looking = setInterval(look, LOOK_MS);
  },
  closed() {
    clearInterval(looking);
    offer = null;
    call("DELETE", "pairing").catch(() => {});
  },
  view: () => html`<section class="phones paper" aria-label=${t("phones")}>
    <header class="head"><h1>${t("phones")}</h1><p>${t("phones.what")}</p></header>
    <div class="join">${offer
      ? html`<img class="qr" src=${offer.qr} alt=${t("phones.qr")} /><div class="code num" aria-label=${t("phones.code")}>${offer.code.slice(0, 3)} ${offer.code.slice(3)}</div>
        <p>${t("phones.left", { n: left() })}</p>`
      : html`<p class="amber" role="alert">${refused || t("phones.wait")}</p>`}</div>
    <div class="those" role="listbox"><h2>${known ? t("phones.count", { n: list.length }) : ""}</h2>
      ${list.length ? list.slice(first(), first() + SHOWN).map(row) : html`<div class="phone f" role="option" tabindex="-1" aria-selected="true"><span class="name">${t(known ? "phones.none" : "recordings.wait")}</span></div>`}</div>
    <footer class="keys">${t("phones.keys")}</footer></section>`,
  key(key) {
    const phone = list[grid.index];
    if (key === "ok") {
      if (phone) open(sheet(phone));
      return true;
    }
    return grid.move(key) || ["up", "down", "left", "right"].includes(key);
  },
};

/** @param {Phone} phone @param {number} i */
function row(phone, i) {
  const focused = first() + i === grid.index;
  return html`<div class=${`phone${focused ? " f" : ""}`} role="option" tabindex="-1" aria-selected=${focused} key=${phone.id}>
    <span class="name one">${phone.name}</span><span class="role">${t(`phones.role.${phone.role}`)}</span></div>`;
}

const left = () => Math.max(0, Math.ceil((Date.parse(offer?.expires_at ?? "") - Date.now()) / 1000)) || 0;

/** What is there now; a phone that is new has just used the code. */
async function look() {
  if (refused || (offer && left() <= 0)) renew();
  /** @type {Phone[]} */
  let fresh;
  try {
    fresh = (await call("GET", "pairing/phones")) ?? [];
  } catch {
    return redraw();
  }
  const before = list.map((phone) => phone.id);
  const ids = fresh.map((phone) => phone.id);
  list = fresh;
  grid.stay(before, ids);
  if (known && ids.some((id) => !before.includes(id))) renew();
  known = true;
  redraw();
}

async function renew() {
  if (renewing) return;
  renewing = true;
  try {
    const fresh = await call("POST", "pairing");
    refused = "";
    // Closed meanwhile: nobody sees the code, so nobody may use it.
    if (isOpen("phones")) offer = fresh;
    else await call("DELETE", "pairing");
  } catch (error) {
    offer = null;
    refused = failure(error);
  }
  renewing = false;
  redraw();
}

/** @param {Phone} phone @returns {Screen} */
function sheet(phone) {
  const keep = (/** @type {() => Promise<unknown>} */ change) => () => {
    close(screen);
    change().then(look, tellFailure);
  };
  const address = `pairing/phones/${encodeURIComponent(phone.id)}`;
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: phone.name,
    text: t(`role.${phone.role}`),
    choices: [
      ...ROLES.map((role) => ({ name: t(`phones.role.${role}`), chosen: role === phone.role, act: keep(() => call("PUT", address, { role })) })),
      { name: t("phones.remove"), danger: true, act: () => open(removal(phone, keep(() => call("DELETE", address)))) },
      { name: t("cancel"), act: () => close(screen) },
    ],
  }), "phone", ROLES.indexOf(phone.role));
  return screen;
}

/** @param {Phone} phone @param {() => void} remove @returns {Screen} */
function removal(phone, remove) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("phones.remove.ask", { name: phone.name }),
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      { name: t("phones.remove"), danger: true, act: remove },
    ],
  }), "removal");
  return screen;
}
