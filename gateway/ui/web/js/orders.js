/**
 * Orders to the home's devices, on their way to the daemon.
 * One rule: what was ordered is never shown as what is; one order at a time for each entity.
 *
 * @import { Entity, Value } from "./types.js"
 */

import { house } from "./house.js";
import { call } from "./session.js";
import { redraw } from "./stage.js";

const UNSENT_SEEN_MS = 6_000;

/** Those that have not reached the daemon, or did not get there. @type {Map<string, "sending"|"unsent">} */
export const underWay = new Map();

/** @param {Entity} entity @param {Value} value what it should become */
export async function order(entity, value) {
  if (underWay.get(entity.id) === "sending" || house.commands.get(entity.id)?.state === "sent") return;
  underWay.set(entity.id, "sending");
  redraw();
  try {
    await call("POST", `entities/${encodeURIComponent(entity.id)}/commands`, { value });
    underWay.delete(entity.id);
  } catch {
    underWay.set(entity.id, "unsent");
    setTimeout(() => {
      if (underWay.get(entity.id) === "unsent") underWay.delete(entity.id);
      redraw();
    }, UNSENT_SEEN_MS);
  }
  redraw();
}
