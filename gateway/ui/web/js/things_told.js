/**
 * How the home's devices are told to a person: names, values, ages, the life of a command.
 * One rule: the value is always what the device reported; what we asked for stands beside it.
 *
 * @import { Entity, Value } from "./types.js"
 */

import { house } from "./house.js";
import { age, sentence, t } from "./words.js";

const CONFIRMED_SEEN_MS = 5_000;
const FAILURE_SEEN_MS = 120_000;
const PRIVATE_CLASSES = new Set(["blood_pressure", "heart_rate", "blood_glucose", "spo2", "weight", "body_temperature"]);
const PRIVATE_UNITS = new Set(["mmHg", "bpm", "mmol/L", "mg/dL"]);
const OPENINGS = new Set(["door", "window", "opening", "garage_door"]);

/** @typedef {{id: string, name: string, entities: Entity[]}} Thing */

/**
 * What the home consists of, switchable things first; the television itself is not one of them.
 * A switch of a device that also measures is a thing of its own: a thermometer is not "off".
 * @returns {Thing[]}
 */
export function thingsOfHome() {
  /** @type {Map<string, Thing>} */
  const things = new Map();
  for (const entity of house.entities.values()) {
    if (entity.id.startsWith("tv.")) continue;
    const thing = things.get(entity.device) ?? { id: entity.device, name: entity.device_name || entity.name, entities: [] };
    thing.entities.push(entity);
    things.set(entity.device, thing);
  }
  for (const thing of [...things.values()]) {
    if (thing.entities.length === 1) continue;
    for (const entity of thing.entities.filter(isWritable)) things.set(entity.id, { id: entity.id, name: entity.name, entities: [entity] });
    thing.entities = thing.entities.filter((entity) => !isWritable(entity));
    if (!thing.entities.length) things.delete(thing.id);
  }
  const order = (/** @type {Thing} */ thing) =>
    (main(thing).available ? 0 : 4) + rank(main(thing));
  return [...things.values()].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, "zh"));
}

/** Lamps first, then what else can be switched, then what only tells. @param {Entity} entity */
function rank(entity) {
  if (entity.capability === "light") return 0;
  if (isWritable(entity)) return 1;
  return isPrivate(entity) ? 3 : 2;
}

/** @param {Thing} thing */
export const main = (thing) => /** @type {Entity} */ (thing.entities[0]);

/** @param {Entity} entity */
export const isWritable = (entity) => entity.capability === "light" || entity.capability === "switch";

/** Health values are nobody's business on a shared screen. @param {Entity} entity */
export const isPrivate = (entity) => PRIVATE_CLASSES.has(entity.device_class) || PRIVATE_UNITS.has(entity.unit);

/** @param {Entity} entity */
export const isOn = (entity) => entity.value === true || entity.value === "on" || entity.value === "ON";

/** @param {Entity} entity */
export function iconOf(entity) {
  if (entity.capability === "light") return "lamp";
  if (entity.capability === "switch") return "plug";
  if (isPrivate(entity)) return "health";
  if (OPENINGS.has(entity.device_class)) return "door";
  return { temperature: "thermometer", humidity: "drop" }[entity.device_class] ?? "things";
}

/** What the device reported, in words. @param {Entity} entity */
export function reported(entity) {
  const { value } = entity;
  if (value === null) return t("value.unknown");
  if (typeof value === "boolean" || isWritable(entity)) {
    const kind = OPENINGS.has(entity.device_class) ? "opening" : isWritable(entity) ? "switch" : "binary";
    return t(`value.${kind}.${isOn(entity) ? "on" : "off"}`);
  }
  return formatted(value);
}

/** @param {Value} value */
function formatted(value) {
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** When it was reported, or that the device is gone. @param {Entity} entity */
export const reportedWhen = (entity) =>
  entity.available ? t("reported", { age: age(entity.reported_at) }) : t("unavailable", { age: age(entity.reported_at) });

/** Orders that are on their way to the daemon, or did not get there. @type {Map<string, "sending"|"unsent">} */
export const underWay = new Map();

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
    case "expired": return old < FAILURE_SEEN_MS ? { text: t("command.expired", { name: entity.device_name || entity.name }), tone: "bad" } : null;
    default: return old < FAILURE_SEEN_MS ? { text: t("command.failed", { why: sentence(command.code).say }), tone: "bad" } : null;
  }
}

/** One line about the home for its tile. */
export function homeSummary() {
  const lamps = [...house.entities.values()].filter((e) => e.capability === "light");
  const on = lamps.filter((e) => e.available && isOn(e)).length;
  if (lamps.length) return on ? t("home.lamps", { n: on }) : t("home.dark");
  return t("home.devices", { n: deviceCount() });
}

/** How many devices the home has, the television not counted. */
export const deviceCount = () =>
  new Set([...house.entities.values()].filter((e) => !e.id.startsWith("tv.")).map((e) => e.device)).size;

/** One line when something of the home needs a look, else "". */
export function trouble() {
  const gone = thingsOfHome().filter((thing) => thing.entities.every((e) => !e.available));
  return gone.length ? t("home.gone", { name: /** @type {Thing} */ (gone[0]).name, n: gone.length }) : "";
}
