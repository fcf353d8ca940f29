/**
 * Recordings and reminders as the daemon lists them, asked for when a screen needs them.
 * One rule: read anew after each change of ours, never changed here.
 *
 * @import { Programme, Recording, Recordings, Reminder } from "./types.js"
 */

import { failure } from "./hud.js";
import { call } from "./session.js";
import { redraw } from "./stage.js";

export const library = {
  /** @type {Recordings} */
  kept: { recordings: [], series: [], space: { used_bytes: 0, quota_bytes: 0, free_bytes: 0 } },
  /** @type {Reminder[]} */
  reminders: [],
  loaded: false,
  /** Why the recordings could not be read the last time. */
  refused: "",
};

/** Read both lists. */
export async function refreshLibrary() {
  const [kept, reminders] = await Promise.allSettled([call("GET", "recordings"), call("GET", "reminders")]);
  if (kept.status === "fulfilled" && kept.value) library.kept = kept.value;
  if (reminders.status === "fulfilled" && reminders.value) library.reminders = reminders.value;
  library.refused = kept.status === "rejected" ? failure(kept.reason) : "";
  library.loaded = true;
  redraw();
}

/** @param {string|null} id @returns {Recording|null} */
export const recordingOf = (id) => library.kept.recordings.find((each) => each.id === id) ?? null;

/** The recording that is or will be there of a programme; not one that lost to others or failed. @param {Programme} programme */
export const recordingFor = (programme) =>
  library.kept.recordings.find((each) => each.state !== "conflict" && each.state !== "failed"
    && each.channel === programme.channel && each.title === programme.title
    && Date.parse(each.start) < Date.parse(programme.stop) && Date.parse(each.stop) > Date.parse(programme.start)) ?? null;

/** @param {Programme} programme */
export const reminderFor = (programme) => library.reminders.find((each) => each.programme.id === programme.id) ?? null;
