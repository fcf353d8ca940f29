/**
 * A device that nobody knows wants to be part of the home: allow it?
 * One rule: OK and Back decide only when the question has been on the screen for a moment,
 * so that no key meant for something else lets anything in.
 *
 * @import { Screen } from "../stage.js"
 * @import { WaitingDevice } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { house } from "../house.js";
import { tellFailure } from "../hud.js";
import { call } from "../session.js";
import { close, isOpen, open, redraw } from "../stage.js";
import { t } from "../words.js";

const ARMED_MS = 1_500;
const MOST_CHARS = 24;

/** Of whom nobody wants to be asked now; the settings still list them. @type {Set<string>} */
const later = new Set();

/** @param {string} endpoint */
const waits = (endpoint) => house.waiting.some((one) => one.endpoint === endpoint);

/** Ask about whoever waits longest. */
export function ask() {
  for (const endpoint of later) if (!waits(endpoint)) later.delete(endpoint);
  // What lies over the television has the screen: a question would take its keys.
  if (isOpen("newcomer") || house.screen !== "tv") return;
  const next = house.waiting.find((one) => !later.has(one.endpoint));
  if (next) open(question(next));
}

/** @param {WaitingDevice} device @returns {Screen} */
export function question(device) {
  const { endpoint } = device;
  const since = Date.now();
  let decided = false;
  const now = () => house.waiting.find((one) => one.endpoint === endpoint) ?? device;
  const decide = async (/** @type {"admit"|"refuse"} */ verdict) => {
    if (decided) return;
    decided = true;
    try {
      await call("POST", `iot/pairing/devices/${encodeURIComponent(endpoint)}/${verdict}`);
      close(screen);
    } catch (error) {
      decided = false;
      tellFailure(error);
    }
    redraw();
  };
  const screen = choiceOf(() => ({
    title: t("newcomer.ask", { name: cut(nameOf(now())) }),
    text: [now().model, endpoint, now().address.replace(/^coaps?:\/\//, "")].filter(Boolean).join(" · "),
    choices: [
      { name: t("newcomer.allow"), value: "OK", act: () => decide("admit") },
      { name: t("newcomer.refuse"), value: t("newcomer.back"), danger: true, act: () => decide("refuse") },
      { name: t("newcomer.later"), act: () => close(screen) },
    ],
  }), "newcomer");
  const choose = screen.key.bind(screen);
  screen.key = (key) => {
    if (Date.now() - since < ARMED_MS) return true;
    if (key !== "back") return choose(key);
    decide("refuse");
    return true;
  };
  screen.idleMs = 60_000;
  screen.closed = () => {
    // Decided, too: that it waits no more may be heard of later.
    later.add(endpoint);
    queueMicrotask(ask);
  };
  // Somebody else may have answered, or it has gone.
  screen.painted = () => {
    if (!decided && !waits(endpoint)) close(screen);
  };
  return screen;
}

/** A device chooses its name; it must not fill the question. @param {string} name */
const cut = (name) => ([...name].length > MOST_CHARS ? `${[...name].slice(0, MOST_CHARS).join("")}…` : name);

/** @param {{name: string, endpoint: string}} device */
export const nameOf = (device) => device.name || device.endpoint;
