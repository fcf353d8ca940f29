/**
 * Who lives here, as the daemon says: members, favourites, sound, what is shared.
 * One rule: read anew after each change of ours, never changed here.
 *
 * @import { Household, Member } from "./types.js"
 */

import { tell } from "./hud.js";
import { call, CallError } from "./session.js";
import { redraw } from "./stage.js";
import { sentence, t } from "./words.js";

/** Who keeps favourites while the household has not said who is who. */
const EVERYBODY = "family";

export const household = {
  /** @type {Household} */
  now: { members: [], current: null, levelling: false, share_viewing: false },
};

/** Read it. */
export async function refreshHousehold() {
  household.now = (await call("GET", "household")) ?? household.now;
  redraw();
}

/** @param {Partial<Household>} change */
export const changeHousehold = (change) => changed(() => call("PUT", "household", change));

/** Whose favourites are meant: of who is watching, else of everybody. @returns {Member|null} */
const owner = () =>
  household.now.members.find((member) => member.id === (household.now.current ?? EVERYBODY)) ?? null;

export const favourites = () => owner()?.favourites ?? [];

/** Like a channel, or like it no more. @param {string} channel */
export function toggleFavourite(channel) {
  const who = owner();
  const before = favourites();
  const liked = before.includes(channel) ? before.filter((each) => each !== channel) : [...before, channel];
  const body = { name: who?.name ?? t("members.family"), child: who?.child ?? false, favourites: liked };
  return changed(() => call("PUT", `household/members/${encodeURIComponent(who?.id ?? EVERYBODY)}`, body));
}

/** Do it, read everything anew, and say what was refused. @param {() => Promise<unknown>} change */
export async function changed(change) {
  try {
    await change();
    await refreshHousehold();
  } catch (error) {
    const code = error instanceof CallError ? error.code : null;
    tell(code ? sentence(code).say : t("error.unreachable"), code);
  }
}
