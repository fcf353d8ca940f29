/**
 * What the child lock keeps back, changed by whoever knows its PIN.
 * One rule: the daemon checks the PIN with each change; here it is held only while this is open.
 *
 * @import { Screen } from "../stage.js"
 * @import { Lock } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { html } from "../html.js";
import { house } from "../house.js";
import { failure, tell, tellFailure } from "../hud.js";
import { call, CallError } from "../session.js";
import { close, open, redraw, top } from "../stage.js";
import { t } from "../words.js";

const IDLE_MS = 60_000;
const SHORTEST = 4;
const LONGEST = 8;
const AGES = [null, 6, 12, 16, 18];
const MINUTES = [null, 30, 60, 90, 120, 180, 240];
const HOURS = [null, { start: "06:00", stop: "20:00" }, { start: "07:00", stop: "21:00" }, { start: "08:00", stop: "22:00" }];

/** @typedef {Pick<Lock, "max_age"|"channels"|"hours"|"minutes_a_day">} Rules */

/** Ask for the PIN, or for a first one, and then show what can be changed. @returns {Promise<Screen>} */
export async function lockSettings() {
  /** @type {Lock} */
  const lock = await call("GET", "lock");
  return lock.has_pin ? askPin(t("lock.pin"), (pin) => enter(lock, pin)) : askTwice(t("lock.first"), (pin) => enter(lock, pin));
}

/** Ask for the PIN, do what the lock refused, and lock again. @param {() => Promise<unknown>} change @returns {Screen} */
export const withPin = (change) => askPin(t("lock.pin"), async (pin) => {
  await call("POST", "lock/open", { pin });
  try {
    await change();
  } finally {
    await call("POST", "lock/close");
  }
});

/** @param {string} title @param {(pin: string) => Promise<Screen|void>} then see `askPin` */
function askTwice(title, then) {
  return askPin(title, async (first) => askPin(t("lock.again"), async (again) => {
    if (again !== first) throw new Error(t("lock.differ"));
    return then(first);
  }));
}

/** @param {Lock} lock @param {string} pin */
const enter = async (lock, pin) => menuOf(await put(rulesOf(lock), pin), pin);

/** @param {Lock} lock @returns {Rules} */
const rulesOf = ({ max_age, channels, hours, minutes_a_day }) => ({ max_age, channels, hours, minutes_a_day });

/** @param {Rules} rules @param {string} pin @param {string} [new_pin] @returns {Promise<Lock>} */
const put = (rules, pin, new_pin) => call("PUT", "lock", { ...rules, pin, ...(new_pin ? { new_pin } : {}) });

/** @param {Lock} lock @param {string} known @returns {Screen} */
function menuOf(lock, known) {
  let pin = known;
  let busy = false;
  // Each change says all rules: one made before the answer to the last would take that back.
  const change = (/** @type {Partial<Rules>} */ part) => async () => {
    if (busy) return;
    busy = true;
    try {
      lock = await put({ ...rulesOf(lock), ...part }, pin);
      redraw();
    } catch (error) {
      tellFailure(error);
    } finally {
      busy = false;
    }
  };
  return {
    ...choiceOf(() => {
      const channel = house.tv.channel;
      const isLocked = channel !== null && lock.channels.includes(channel);
      const others = lock.channels.filter((each) => each !== channel);
      return {
        title: t("lock.settings"),
        text: lock.minutes_left !== null ? t("lock.left", { n: lock.minutes_left }) : t("lock.whom"),
        choices: [
          { name: t("lock.age"), value: lock.max_age === null ? t("off") : t("lock.age.up.to", { n: lock.max_age }), act: change({ max_age: after(AGES, lock.max_age) }) },
          { name: t("lock.hours"), value: lock.hours ? `${lock.hours.start}–${lock.hours.stop}` : t("lock.always"), act: change({ hours: after(HOURS, lock.hours) }) },
          { name: t("lock.minutes"), value: lock.minutes_a_day === null ? t("lock.unlimited") : t("recordings.minutes", { n: lock.minutes_a_day }), act: change({ minutes_a_day: after(MINUTES, lock.minutes_a_day) }) },
          ...(channel === null ? [] : [{ name: t("lock.channel", { name: house.tv.name ?? "" }), value: t(isLocked ? "lock.locked" : "lock.open"), act: change({ channels: isLocked ? others : [...others, channel] }) }]),
          ...(lock.channels.length ? [{ name: t("lock.channels.none", { n: lock.channels.length }), act: change({ channels: [] }) }] : []),
          { name: t("lock.new"), value: "›", act: () => open(askTwice(t("lock.new.what"), async (fresh) => {
            lock = await put(rulesOf(lock), pin, fresh);
            pin = fresh;
            tell(t("lock.changed"));
          })) },
        ],
      };
    }, "locksettings"),
    idleMs: IDLE_MS,
  };
}

/** The one after `now`, round and round. @template T @param {T[]} all @param {T} now @returns {T} */
function after(all, now) {
  const at = all.findIndex((each) => JSON.stringify(each) === JSON.stringify(now));
  return /** @type {T} */ (all[(at + 1) % all.length]);
}

/**
 * @param {string} title
 * @param {(pin: string) => Promise<Screen|void>} then what comes in its place when all is well; what it throws is said
 * @returns {Screen}
 */
function askPin(title, then) {
  let pin = "";
  let why = "";
  let busy = false;
  const take = async () => {
    const said = pin;
    pin = "";
    busy = true;
    try {
      const next = await then(said);
      // Left meanwhile: nothing opens over what is there now.
      if (top() !== screen) return;
      close(screen);
      if (next) open(next);
    } catch (error) {
      why = error instanceof CallError ? failure(error) : /** @type {Error} */ (error).message;
    } finally {
      busy = false;
      redraw();
    }
  };
  /** @type {Screen} */
  const screen = {
    name: "pin",
    covers: false,
    idleMs: IDLE_MS,
    takes: { digits: true },
    view: () => html`<div class="veil"><section class="menu" role="dialog" aria-label=${title}><h1>${title}</h1><p>${why || t("lock.digits")}</p>
      <div class="pin" role="img" aria-label=${t("lock.typed", { n: pin.length })}>${Array.from({ length: Math.max(SHORTEST, pin.length) }, (_, i) => html`<i key=${i} class=${i < pin.length ? "on" : ""} />`)}</div></section></div>`,
    key(key) {
      if (busy) return key !== "back";
      if (/^[0-9]$/.test(key) && pin.length < LONGEST) {
        pin += key;
        why = "";
      } else if (key === "left") pin = pin.slice(0, -1);
      else if (key === "ok" && pin.length >= SHORTEST) take();
      else return ["ok", "up", "down", "right"].includes(key);
      return true;
    },
  };
  return screen;
}
