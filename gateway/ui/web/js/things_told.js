/**
 * How the home's devices are told to a person: values, ages, the life of a command.
 * One rule: the value is always what the device reported; what we asked for stands beside it.
 *
 * @import { Entity, Value } from "./types.js"
 */

import { house } from "./house.js";
import { underWay } from "./orders.js";
import { isOn } from "./home_summary.js";
import { isPrivate, isSwitched, isWritable } from "./things.js";
import { age, sentence, t } from "./words.js";

/** It was told, and is a thing that never says what it did. */
const TOLD = "IOT-209";
const CONFIRMED_SEEN_MS = 5_000;
const FAILURE_SEEN_MS = 120_000;
const ICONS = { light: "lamp", switch: "plug", fan: "fan", lock: "lock", cover: "blind", climate: "thermometer", alarm: "bell", button: "bell", update: "settings" };
const OPENINGS = new Set(["door", "window", "opening", "garage_door"]);

/** @param {Entity} entity */
export function iconOf(entity) {
  const own = /** @type {Record<string, string>} */ (ICONS)[entity.capability];
  if (own) return own;
  if (isPrivate(entity)) return "health";
  if (OPENINGS.has(entity.device_class)) return "door";
  return { temperature: "thermometer", humidity: "drop" }[entity.device_class] ?? "things";
}

/** What the device reported, in words. @param {Entity} entity */
export function reported(entity) {
  const { value } = entity;
  if (entity.capability === "button") return t("value.button");
  if (value === null) return t("value.unknown");
  if (typeof value === "boolean" || isSwitched(entity)) {
    const kind = OPENINGS.has(entity.device_class) ? "opening" : isWritable(entity) ? "switch" : "binary";
    return t(`value.${kind}.${isOn(entity) ? "on" : "off"}`);
  }
  return typeof value === "string" ? wordOf(value) : formatted(value);
}

/** A word that devices use, as a person says it; others as the device says them. @param {string} word */
export function wordOf(word) {
  const told = t(`word.${word}`);
  return told === `word.${word}` ? word : told;
}

/** Which side of a thing an entity is. @param {Entity} entity */
export function sideOf(entity) {
  const side = entity.part || entity.capability;
  const told = t(`part.${side}`);
  return told === `part.${side}` ? entity.part || t("part") : told;
}

/** @param {Value} value */
export function formatted(value) {
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** When it was reported, if that is known, or that the device is gone. @param {Entity} entity */
export const reportedWhen = (entity) =>
  entity.available ? t(entity.quality === "kept" ? "kept" : "reported", { age: age(entity.reported_at) }) : t("unavailable", { age: age(entity.reported_at) });

/**
 * The state of the newest command for an entity, while it is worth telling.
 * @param {Entity} entity
 * @returns {{text: string, tone: "wait"|"good"|"bad"}|null}
 */
export function commandTold(entity) {
  const own = underWay.get(entity.id);
  if (own === "sending") return { text: t("command.sending"), tone: "wait" };
  if (own === "unsent") return { text: t("command.unsent"), tone: "bad" };
  const command = house.commands.get(entity.id);
  if (!command) return null;
  const old = Date.now() - Date.parse(command.changed_at);
  switch (command.state) {
    case "sent":
    case "acknowledged": return { text: t("command.sending"), tone: "wait" };
    case "confirmed": return old < CONFIRMED_SEEN_MS ? { text: t("command.confirmed"), tone: "good" } : null;
    case "expired":
      if (command.code === TOLD) return old < CONFIRMED_SEEN_MS ? { text: sentence(TOLD).say, tone: "good" } : null;
      return old < FAILURE_SEEN_MS ? { text: t("command.expired", { name: entity.device_name || entity.name }), tone: "bad" } : null;
    default: return old < FAILURE_SEEN_MS ? { text: t("command.failed", { why: sentence(command.code).say }), tone: "bad" } : null;
  }
}
