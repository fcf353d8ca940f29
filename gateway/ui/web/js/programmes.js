/**
 * The guide as the page needs it: what is on, what is next, and a channel's hours.
 * One rule: asked for once per channel and block of hours; drawing never waits for it.
 *
 * @import { Programme } from "./types.js"
 */

import { call } from "./session.js";

const BLOCK_MS = 4 * 3_600_000;
const NEXT_MS = 3 * 3_600_000;
const AT_ONCE = 4;
const KEPT_CHANNELS = 1_200;

/** @type {Map<string, Programme[]>} in order of start */
const byChannel = new Map();
/** @type {Set<string>} blocks asked for */
const asked = new Set();
/** @type {string[]} */
let waiting = [];
let running = 0;
let onLoaded = () => {};

/** @param {() => void} redraw */
export function whenLoaded(redraw) {
  onLoaded = redraw;
}

/** Fetch what is on now and next on every channel. */
export async function refreshNow() {
  const from = Date.now();
  try {
    take(await fetchGuide(from, from + NEXT_MS));
  } catch {
    return; // the next refresh tries again; screens say «no programme»
  }
  onLoaded();
}

/** Forget what was fetched, because the line-up or the link is new. */
export function forgetGuide() {
  asked.clear();
  waiting = [];
}

/** @param {string} channel @param {number} [at] */
export function onAir(channel, at = Date.now()) {
  const programmes = byChannel.get(channel) ?? [];
  const index = programmes.findIndex((each) => Date.parse(each.stop) > at);
  const first = programmes[index];
  if (!first) return { now: null, next: null };
  const isOn = Date.parse(first.start) <= at;
  return { now: isOn ? first : null, next: (isOn ? programmes[index + 1] : first) ?? null };
}

/** The part that has passed, 0 to 1. @param {Programme|null} programme */
export function passed(programme) {
  if (!programme) return 0;
  const start = Date.parse(programme.start);
  return Math.max(0, Math.min(1, (Date.now() - start) / (Date.parse(programme.stop) - start || 1)));
}

/**
 * A channel's programmes that touch a span; what is not here yet is asked for.
 * @param {string} channel @param {number} from @param {number} to
 */
export function between(channel, from, to) {
  for (let block = Math.floor(from / BLOCK_MS); block * BLOCK_MS < to; block++) want(`${channel}|${block}`);
  return (byChannel.get(channel) ?? []).filter((p) => Date.parse(p.stop) > from && Date.parse(p.start) < to);
}

/** @param {string} request */
function want(request) {
  if (asked.has(request)) return;
  asked.add(request);
  waiting.push(request);
  work();
}

async function work() {
  if (running >= AT_ONCE) return;
  const request = waiting.pop(); // the newest is what is looked at
  if (request === undefined) return;
  running++;
  const [channel, block] = /** @type {[string, string]} */ (request.split("|"));
  const from = Number(block) * BLOCK_MS;
  try {
    take(await fetchGuide(from, from + BLOCK_MS, channel));
    onLoaded();
  } catch {
    setTimeout(() => asked.delete(request), 5_000);
  }
  running--;
  work();
}

/** @param {number} from @param {number} to @param {string} [channel] @returns {Promise<Programme[]>} */
async function fetchGuide(from, to, channel) {
  const query = new URLSearchParams({ from: rfc3339(from), to: rfc3339(to) });
  if (channel) query.set("channel", channel);
  return (await call("GET", `guide?${query}`)) ?? [];
}

/** @param {number} ms */
const rfc3339 = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** @param {Programme[]} programmes */
function take(programmes) {
  const touched = new Set();
  for (const programme of programmes) {
    const known = byChannel.get(programme.channel) ?? [];
    if (known.some((each) => each.id === programme.id)) continue;
    known.push(programme);
    byChannel.set(programme.channel, known);
    touched.add(programme.channel);
  }
  for (const channel of touched) byChannel.get(channel)?.sort((a, b) => (a.start < b.start ? -1 : 1));
  while (byChannel.size > KEPT_CHANNELS) byChannel.delete(/** @type {string} */ (byChannel.keys().next().value));
}
