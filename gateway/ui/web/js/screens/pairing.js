/**
 * The devices that were let into the home, refused, or still wait.
 * One rule: what is listed is what the box said last; it is asked anew after every change.
 *
 * @import { Screen } from "../stage.js"
 * @import { DeviceAccount, DeviceCredentials, DevicePairing, JudgedDevice } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { nameOf, question } from "./newcomer.js";
import { house } from "../house.js";
import { failure, tellFailure } from "../hud.js";
import { call } from "../session.js";
import { close, open, redraw } from "../stage.js";
import { t } from "../words.js";

/** @type {DevicePairing|null} */
let known = null;
let refused = "";

/** @returns {Screen} */
export function pairing() {
  known = null;
  refused = "";
  look();
  const screen = choiceOf(() => {
    const waiting = house.waiting.map((one) => ({ name: nameOf(one), value: t("pairing.waiting"), act: () => open(question(one)) }));
    const judged = (known?.devices ?? []).map((one) => ({ name: nameOf(one), value: t(`pairing.${one.verdict}`), act: () => open(sheet(one)) }));
    const accounts = (known?.accounts ?? []).map((one) => ({ name: one.label || one.name, value: "MQTT", act: () => open(farewell(one)) }));
    const choices = [...waiting, ...judged, ...accounts];
    return {
      title: t("pairing"),
      text: refused || (known ? t(choices.length ? "pairing.what" : "pairing.none") : t("recordings.wait")),
      choices: [...choices, known ? { name: t("pairing.add"), value: "＋", act: add } : { name: t("cancel"), act: () => close(screen) }],
    };
  }, "pairing");
  return screen;
}

let adding = false;

/** An account for one more MQTT device; there is no keyboard here, so it gets a number for a name. */
async function add() {
  if (adding) return;
  adding = true;
  const taken = (known?.accounts ?? []).map((one) => one.name);
  let number = 1;
  while (taken.includes(`device-${number}`)) number++;
  try {
    open(told(await call("POST", "iot/pairing/accounts", { name: `device-${number}` })));
    await look();
  } catch (error) {
    tellFailure(error);
  }
  adding = false;
}

/** What to type into the device.  It stays until somebody says that it is noted: nobody can show it again. @param {DeviceCredentials} made @returns {Screen} */
function told({ account, secret, broker }) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("pairing.made"),
    text: t("pairing.made.what"),
    choices: [
      { name: t("pairing.noted"), act: () => close(screen) },
      { name: account.name, value: t("pairing.user"), act: () => {} },
      // In halves, as long as a line is.
      ...(secret.match(/.{1,16}/g) ?? []).map((part, i) => ({ name: part, value: t("pairing.secret", { n: i + 1 }), act: () => {} })),
      ...(broker ? [{ name: `${broker.host}:${broker.port}`, value: broker.tls ? "TLS" : "MQTT", act: () => {} }] : []),
    ],
  }), "credentials");
  delete screen.idleMs;
  return screen;
}

async function look() {
  try {
    known = await call("GET", "iot/pairing");
    refused = "";
  } catch (error) {
    refused = failure(error);
  }
  redraw();
}

/** @param {Screen} screen @param {"POST"|"DELETE"} method @param {string} path */
function change(screen, method, path) {
  close(screen);
  call(method, `iot/pairing/${path}`).then(look, tellFailure);
}

/** @param {JudgedDevice} device @returns {Screen} */
function sheet(device) {
  const path = `devices/${encodeURIComponent(device.endpoint)}`;
  const isIn = device.verdict === "admitted";
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: nameOf(device),
    text: [t(`pairing.${device.verdict}`), device.model, device.endpoint].filter(Boolean).join(" · "),
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      isIn ? { name: t("newcomer.refuse"), danger: true, act: () => change(screen, "POST", `${path}/refuse`) }
        : { name: t("newcomer.allow"), act: () => change(screen, "POST", `${path}/admit`) },
      { name: t("pairing.forget"), danger: isIn, act: () => change(screen, "DELETE", path) },
    ],
  }), "device");
  return screen;
}

/** @param {DeviceAccount} account @returns {Screen} */
function farewell(account) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("pairing.remove.ask", { name: account.label || account.name }),
    text: `MQTT · ${account.name}`,
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      { name: t("pairing.remove"), danger: true, act: () => change(screen, "DELETE", `accounts/${encodeURIComponent(account.name)}`) },
    ],
  }), "account");
  return screen;
}
