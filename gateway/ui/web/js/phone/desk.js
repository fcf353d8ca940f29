/**
 * What the phone knows of the house, and how it asks for more.
 * One rule: the house is asked gently (every phone may do it, a guest's, too), and
 * not at all while nobody looks at the phone.
 *
 * @import { Channel, Key, Message, NowOn, Phone, Programme, Recording, Tv } from "../types.js"
 * @typedef {{kind: "programme", channel: Channel, programme: Programme|null} | {kind: "me"}} Sheet
 */

import { CallError, call } from "../session.js";
import { sentence, t } from "../words.js";

const OFTEN_MS = 3_000;
const SELDOM_MS = 10_000;
const SOON_MS = 300;
const GUIDE_EVERY_MS = 60_000;
const TOLD_MS = 5_000;
const MESSAGES_EVERY_MS = 10_000;
const PAIRED = "gateway.phone";
const SEEN = "gateway.messages";

export const desk = {
  /** @type {"starting"|"strange"|"gone"|"unreachable"|"open"} */
  door: "starting",
  /** Null for the television's own page, which may do all. @type {Phone|null} */
  me: null,
  /** @type {Tv|null} */
  tv: null,
  /** @type {Channel[]} */
  channels: [],
  isRead: false,
  /** @type {Map<string, NowOn>} */
  now: new Map(),
  /** @type {Recording[]|null} */
  recordings: null,
  /** @type {"remote"|"channels"|"recordings"} */
  tab: "remote",
  /** @type {Sheet|null} */
  sheet: null,
  isLost: false,
  /** @type {{say: string, more: string, bad: boolean}|null} */
  told: null,
  /** What the house has to say and nobody has seen on this phone, newest first. @type {Message[]} */
  messages: [],
};

let draw = () => {};
let isDrawing = false;
let looking = 0;
let telling = 0;
let guideAt = 0;
let messagesAt = 0;

/** @param {() => void} how */
export function drawnBy(how) {
  draw = how;
}

export function changed() {
  if (isDrawing) return;
  isDrawing = true;
  queueMicrotask(() => {
    isDrawing = false;
    draw();
  });
}

/** Whether this phone may change something, and not only watch. */
export const isMember = () => desk.me?.role !== "viewer";

/** Whether this browser was let in once. */
export const wasPaired = () => localStorage.getItem(PAIRED) !== null;

/** Come in with what an earlier visit left, if that still opens the door. */
export async function knock() {
  try {
    desk.me = await call("GET", "pairing/me");
  } catch (error) {
    const { status } = /** @type {CallError} */ (error);
    if (status !== 404) {
      desk.door = status === 0 || status >= 500 ? "unreachable" : wasPaired() ? "gone" : "strange";
      changed();
      return;
    }
    desk.me = null; // the television's own page
  }
  await enter();
}

/**
 * Join the house. The refusal is thrown.
 * @param {{token: string} | {code: string}} secret @param {string} name
 */
export async function join(secret, name) {
  desk.me = (await call("POST", "pairing/claim", { ...secret, name })).phone;
  localStorage.setItem(PAIRED, "1");
  await enter();
}

/** Leave the house for good. */
export async function leave() {
  await ask(async () => {
    await call("DELETE", "pairing/me");
    localStorage.removeItem(PAIRED);
    desk.sheet = null;
    desk.door = "strange";
  });
}

async function enter() {
  desk.door = "open";
  desk.tab = isMember() ? desk.tab : "channels";
  await refresh();
  lookAfter(OFTEN_MS);
}

/** Look at the television, and now and then at the guide. */
async function refresh() {
  if (desk.door !== "open" || document.hidden) return;
  try {
    if (Date.now() - guideAt > GUIDE_EVERY_MS || desk.isLost) await refreshGuide();
    desk.tv = await call("GET", "tv");
    desk.isLost = false;
    if (isMember() && Date.now() - messagesAt > MESSAGES_EVERY_MS) await refreshMessages();
  } catch (error) {
    heed(/** @type {CallError} */ (error));
  }
  changed();
}

async function refreshMessages() {
  /** @type {Message[]} */
  const all = (await call("GET", "messages")) ?? [];
  messagesAt = Date.now();
  const newest = all[0]?.id ?? 0;
  const seen = Number(localStorage.getItem(SEEN) ?? 0);
  // A house that was set up anew counts from one again.
  desk.messages = all.filter((message) => message.id > (seen > newest ? 0 : seen));
}

/** They need not be shown on this phone again. */
export function messagesSeen() {
  localStorage.setItem(SEEN, String(desk.messages[0]?.id ?? 0));
  desk.messages = [];
  changed();
}

async function refreshGuide() {
  const [channels, now, me] = await Promise.all([
    call("GET", "channels"), call("GET", "guide/now"), desk.me ? call("GET", "pairing/me") : null]);
  desk.channels = channels ?? [];
  desk.isRead = true;
  guideAt = Date.now();
  desk.now = new Map((now ?? []).map((/** @type {NowOn} */ each) => [each.channel, each]));
  if (me && me.role !== desk.me?.role) desk.tab = me.role === "viewer" ? "channels" : desk.tab;
  desk.me = me;
}

/** @param {number} ms */
function lookAfter(ms) {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    await refresh();
    lookAfter(isMember() && !desk.isLost ? OFTEN_MS : SELDOM_MS);
  }, ms);
}

document.addEventListener("visibilitychange", () => document.hidden || lookAfter(0));

/** @param {CallError} error */
function heed(error) {
  if (error.status === 401) desk.door = "gone";
  else if (error.status === 0) desk.isLost = true;
  else tell(error);
}

/** Show a person what went wrong. @param {CallError} error */
function tell(error) {
  const { say, do: more } = error.status === 0 ? { say: t("error.unreachable"), do: "" } : sentence(error.code);
  show({ say, more, bad: true });
}

/** @param {string} text */
export const say = (text) => show({ say: text, more: "", bad: false });

/** @param {{say: string, more: string, bad: boolean}} told */
function show(told) {
  desk.told = told;
  clearTimeout(telling);
  telling = setTimeout(() => {
    desk.told = null;
    changed();
  }, TOLD_MS);
  changed();
}

/**
 * Ask the house for something; what it refuses is told here.
 * @param {() => Promise<unknown>} what
 * @returns {Promise<boolean>} whether it was done
 */
export async function ask(what) {
  try {
    await what();
    return true;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.status === 401) desk.door = "gone";
    else tell(error);
    return false;
  } finally {
    changed();
    lookAfter(SOON_MS);
  }
}

/** Ask the television, which answers with what it is now. @param {string} path @param {unknown} [body] */
export const askTv = (path, body) =>
  ask(async () => {
    desk.tv = await call("POST", `tv/${path}`, body);
  });

/** @type {Promise<unknown>} */
let pressed = Promise.resolve();

/** Press a key of the remote; keys arrive in the order in which they were pressed. @param {Key} key */
export function press(key) {
  navigator.vibrate?.(12);
  pressed = pressed.then(() => ask(() => call("POST", "keys", { key })));
}

export async function refreshRecordings() {
  await ask(async () => {
    desk.recordings = (await call("GET", "recordings")).recordings;
  });
}

/** @param {string|null} id */
export const channelOf = (id) => desk.channels.find((each) => each.id === id) ?? null;

/** @param {Sheet|null} sheet */
export function open(sheet) {
  desk.sheet = sheet;
  changed();
}
