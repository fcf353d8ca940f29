/**
 * The screens that are fetched after the picture is there, or when first wanted.
 * One rule: television starts without them, and no key pressed meanwhile is lost.
 *
 * @import { Screen } from "../stage.js"
 */

import { tellFailure } from "../hud.js";
import { open, openSoon } from "../stage.js";

/** @type {Record<string, () => Promise<Screen>>} */
const FETCH = {
  channels: async () => (await import("./channels.js")).channelList,
  guide: async () => (await import("./guide.js")).guide,
  phones: async () => (await import("./phones.js")).phones,
  recordings: async () => (await import("./recordings.js")).recordings,
  search: async () => (await import("./search.js")).search,
  things: async () => (await import("./things.js")).things,
};

/** @type {Map<string, Screen>} */
const here = new Map();

/** Show a screen by its name. @param {string} name */
export function go(name) {
  const screen = here.get(name);
  if (screen) open(screen);
  else openSoon(fetched(name)).catch(tellFailure);
}

/** Fetch them all while nobody waits. */
export async function fetchAll() {
  for (const name of Object.keys(FETCH)) await fetched(name).catch(() => {});
}

/** @param {string} name @returns {Promise<Screen>} */
async function fetched(name) {
  const screen = await /** @type {() => Promise<Screen>} */ (FETCH[name])();
  here.set(name, screen);
  return screen;
}
