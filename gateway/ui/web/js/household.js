/**
 * Who lives here, as the daemon says: members, favourites, sound, what is shared.
 * One rule: read anew after each change of ours, never changed here.
 *
 * @import { Household, Member } from "./types.js"
 */

import { tellFailure } from "./hud.js";
import { call, CallError } from "./session.js";
import { openSoon, redraw } from "./stage.js";
import { t } from "./words.js";

const LOCK_HOLDS = "TV-608";
/** Who keeps favourites while the household has not said who is who. */
const EVERYBODY = "family";

export const household = {
  /** @type {Household} */
  now: { members: [], current: null, levelling: false, share_viewing: false },
  loaded: false,
};

/** Read it. */
export async function refreshHousehold() {
  household.now = (await call("GET", "household")) ?? household.now;
  household.loaded = true;
  redraw();
}

/** @param {Partial<Household>} change */
export const changeHousehold = (change) => changed(() => call("PUT", "household", change));

/** Those of the household whom one can choose. @returns {Member[]} */
export const people = () => household.now.members.filter((member) => member.id !== EVERYBODY);

/** Whose favourites are meant: of who is watching, else of everybody. @returns {Member|null} */
const owner = () =>
  household.now.members.find((member) => member.id === (household.now.current ?? EVERYBODY)) ?? null;

export const favourites = () => owner()?.favourites ?? [];

let liking = Promise.resolve();

/** Like a channel, or like it no more. @param {string} channel */
export function toggleFavourite(channel) {
  // The whole list is said each time: one made from an older list would lose what came between.
  liking = liking.then(() => changed(async () => {
    if (!household.loaded) await refreshHousehold();
    const who = owner();
    const before = favourites();
    const liked = before.includes(channel) ? before.filter((each) => each !== channel) : [...before, channel];
    const body = { name: who?.name ?? t("members.family"), child: who?.child ?? false, favourites: liked };
    await call("PUT", `household/members/${encodeURIComponent(who?.id ?? EVERYBODY)}`, body);
  }));
}

/** Do it, read everything anew, and say what was refused; what the child lock refused needs its PIN. @param {() => Promise<unknown>} change */
export async function changed(change) {
  const whole = async () => {
    await change();
    await refreshHousehold();
  };
  try {
    await whole();
  } catch (error) {
    if (!(error instanceof CallError && error.code === LOCK_HOLDS)) return tellFailure(error);
    openSoon(import("./screens/lock_settings.js").then((lock) => lock.withPin(whole))).catch(tellFailure);
  }
}
