/**
 * What can be done with a programme: watch it, go back to it, be told of it, record it.
 * One rule: OK does the one obvious thing; where there are several, a small menu asks.
 *
 * @import { Screen } from "../stage.js"
 * @import { Channel, Programme } from "../types.js"
 */

import { ask, tune } from "./live.js";
import { choiceOf } from "./menu.js";
import { tell, tellFailure } from "../hud.js";
import { recordingFor, refreshLibrary, reminderFor } from "../library.js";
import { call } from "../session.js";
import { clear, close, open } from "../stage.js";
import { clock, t } from "../words.js";

/** Whether the operator still has it. @param {Channel} channel @param {Programme} programme */
export const canGoBack = (channel, programme) =>
  channel.catchup !== null && Date.now() - Date.parse(programme.start) < channel.catchup.days * 86_400_000;

/** OK on a programme. @param {Channel} channel @param {Programme} programme */
export function choose(channel, programme) {
  const isOver = Date.parse(programme.stop) <= Date.now();
  const isOn = !isOver && Date.parse(programme.start) <= Date.now();
  if (isOver) goBack(channel, programme);
  else if (isOn && !canGoBack(channel, programme)) watch(channel);
  else open(sheet(channel, programme, isOn));
}

/** @param {Channel} channel */
function watch(channel) {
  clear();
  tune(channel.id);
}

/** @param {Channel} channel @param {Programme} programme */
function goBack(channel, programme) {
  if (!canGoBack(channel, programme)) return tell(t("programme.gone"));
  clear();
  ask("tv/catchup", { programme: programme.id });
}

/** @param {Channel} channel @param {Programme} programme @param {boolean} isOn @returns {Screen} */
function sheet(channel, programme, isOn) {
  const keep = (/** @type {() => Promise<unknown>} */ change) => () => {
    close(screen);
    change().then(refreshLibrary, tellFailure);
  };
  /** @type {Screen} */
  const screen = choiceOf(() => {
    const reminder = reminderFor(programme);
    const recording = recordingFor(programme);
    return {
      title: programme.title,
      text: `${channel.name} ${clock(programme.start)} – ${clock(programme.stop)}`,
      choices: [
        ...(isOn ? [{ name: t("programme.watch"), act: () => watch(channel) }, { name: t("programme.start"), act: () => goBack(channel, programme) }] : [
          reminder ? { name: t("programme.unremind"), chosen: true, act: keep(() => call("DELETE", `reminders/${reminder.id}`)) }
            : { name: t("programme.remind"), act: keep(() => call("POST", "reminders", { programme: programme.id })) }]),
        recording ? { name: t("programme.recorded"), chosen: true, act: () => close(screen) }
          : { name: t("programme.record"), act: keep(() => call("POST", "recordings", { programme: programme.id })) },
        { name: t("programme.series"), act: keep(() => call("POST", "recordings/series", { title: programme.title, channel: channel.id })) },
        { name: t("cancel"), act: () => close(screen) },
      ],
    };
  }, "programme");
  return screen;
}
