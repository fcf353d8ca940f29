/**
 * What the home's tile says of all its devices, before anybody has looked at them.
 * One rule: the value is always what the device reported.
 *
 * @import { Entity } from "./types.js"
 */

import { house } from "./house.js";
import { t } from "./words.js";

/** @param {Entity} entity */
export const isOn = (entity) => entity.value === true || entity.value === "on" || entity.value === "ON";

const entities = () => [...house.entities.values()].filter((e) => !e.id.startsWith("tv."));

/** One line about the home for its tile. */
export function homeSummary() {
  const lamps = entities().filter((e) => e.capability === "light");
  const on = lamps.filter((e) => e.available && isOn(e)).length;
  if (on) return t("home.lamps", { n: on });
  if (lamps.length && lamps.every((e) => e.available && e.value !== null)) return t("home.dark");
  return t("home.devices", { n: deviceCount() });
}

/** How many devices the home has, the television not counted. */
export const deviceCount = () => new Set(entities().map((e) => e.device)).size;

/** One line when something of the home needs a look, else "". */
export function trouble() {
  const there = new Set(entities().filter((e) => e.available).map((e) => e.device));
  const gone = new Map(entities().filter((e) => !there.has(e.device)).map((e) => [e.device, e.device_name || e.name]));
  return gone.size ? t("home.gone", { name: [...gone.values()][0], n: gone.size }) : "";
}
