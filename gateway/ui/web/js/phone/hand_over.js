/**
 * From the television to the phone and back, at the same instant.
 * One rule: whoever takes over begins where the other one is; what is not kept is said, never silently live.
 *
 * @import { Channel, Programme, Recording } from "../types.js"
 */

import { call } from "../session.js";
import { t } from "../words.js";
import { ask, askTv, channelOf, desk, refreshRecordings, say } from "./desk.js";
import { end, instant, playback, rfc3339, watch } from "./playback.js";

/** @param {Channel} channel */
const titleOf = (channel) => desk.now.get(channel.id)?.now?.title || channel.name;

/** Watch a channel on the phone, now or from a programme's beginning. @param {Channel} channel @param {Programme|null} [from] */
export const watchHere = (channel, from = null) =>
  watch({ channel, recording: null, title: from?.title ?? titleOf(channel), from: from ? Date.parse(from.start) : null });

/** @param {Recording} recording */
export const watchRecordingHere = (recording) =>
  watch({ channel: null, recording, title: recording.title, from: Date.parse(recording.start) + recording.position_s * 1000 });

/** @param {Channel} channel */
export async function watchOnTv(channel) {
  if (await askTv("tune", { channel: channel.id })) say(t("phone.sent", { name: channel.name }));
}

/** @param {Programme} programme */
export async function startOnTv(programme) {
  if (await askTv("catchup", { programme: programme.id })) say(t("phone.sent", { name: programme.title }));
}

/** @param {Recording} recording */
export async function watchRecordingOnTv(recording) {
  if (await askTv("recording", { recording: recording.id })) say(t("phone.sent", { name: recording.title }));
}

/** Whether the television shows something that the phone can go on with. */
export const canTake = () => Boolean(desk.tv?.recording || channelOf(desk.tv?.channel ?? null));

/** Go on here with what the television shows, where it is. */
export async function take() {
  const { tv } = desk;
  if (!tv) return;
  const from = tv.position ? Date.parse(tv.position) : null;
  if (tv.recording) {
    if (!desk.recordings) await refreshRecordings();
    const recording = desk.recordings?.find((each) => each.id === tv.recording);
    if (recording) watch({ channel: null, recording, title: recording.title, from: from ?? Date.parse(recording.start) });
    return;
  }
  const channel = channelOf(tv.channel);
  if (channel) watch({ channel, recording: null, title: titleOf(channel), from: tv.mode === "live" && !tv.paused ? null : from });
}

/** Let the television go on with what is on the phone, where it is; then the phone is free. */
export async function give() {
  const { wanted } = playback;
  if (!wanted) return;
  const at = instant();
  const position = at === null ? {} : { position: rfc3339(at) };
  const given = await ask(async () => {
    if (wanted.recording) {
      await call("POST", "tv/recording", { recording: wanted.recording.id });
      desk.tv = await call("POST", "tv/seek", position);
    } else desk.tv = await call("POST", "tv/tune", { channel: wanted.channel?.id, ...position });
  });
  if (!given) return;
  end();
  say(t("phone.sent", { name: wanted.title }));
}
