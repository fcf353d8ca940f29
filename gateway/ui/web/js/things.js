/**
 * The home's devices as a person counts them: which are things of their own.
 * One rule: the value is always what the device reported.
 *
 * @import { Entity } from "./types.js"
 */

import { house } from "./house.js";

/** In this order a meter tells what it measured. */
const BODIES = ["systolic", "diastolic", "pulse", "glucose", "spo2", "temperature", "weight", "breathing", "other"];
const SWITCHED = new Set(["light", "switch", "fan"]);

/** @typedef {{id: string, name: string, entities: Entity[]}} Thing */

/**
 * What the home consists of, switchable things first; the television itself is not one of them.
 * What takes orders is a thing of its own, with all its sides: a thermometer is not "off".
 * @returns {Thing[]}
 */
export function thingsOfHome() {
  /** @type {Map<string, Thing>} */
  const things = new Map();
  for (const entity of house.entities.values()) {
    if (entity.id.startsWith("tv.")) continue;
    const thing = things.get(`device ${entity.device}`) ?? { id: `device ${entity.device}`, name: entity.device_name || entity.name, entities: [] };
    thing.entities.push(entity);
    things.set(thing.id, thing);
  }
  for (const thing of [...things.values()]) {
    if (thing.entities.length === 1) continue;
    thing.entities.sort((a, b) => place(a) - place(b));
    /** @type {Map<string, Thing>} */
    const wholes = new Map();
    for (const entity of thing.entities.filter(standsAlone)) {
      const whole = entity.part ? wholes.get(entity.name) : undefined;
      if (whole) whole.entities.push(entity);
      else {
        const own = { id: entity.id, name: entity.name, entities: [entity] };
        things.set(entity.id, own);
        wholes.set(entity.name, own);
      }
    }
    thing.entities = thing.entities.filter((entity) => !standsAlone(entity));
    if (!thing.entities.length) things.delete(thing.id);
  }
  const order = (/** @type {Thing} */ thing) =>
    (main(thing).available ? 0 : 4) + rank(main(thing));
  return [...things.values()].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, "zh"));
}

/** @param {Entity} entity */
const standsAlone = (entity) => isWritable(entity) || entity.part !== "";

/** Lamps first, then what else can be switched, then what only tells. @param {Entity} entity */
function rank(entity) {
  if (entity.capability === "light") return 0;
  if (isWritable(entity)) return 1;
  return isPrivate(entity) ? 3 : 2;
}

/** @param {Thing} thing */
export const main = (thing) => /** @type {Entity} */ (thing.entities[0]);

/** @param {Entity} entity */
export const isWritable = (entity) => entity.writable;

/** Whether OK makes it the other of two. @param {Entity} entity */
export const isSwitched = (entity) => entity.writable && SWITCHED.has(entity.capability);

/** Health values are nobody's business on a shared screen. @param {Entity} entity */
export const isPrivate = (entity) => entity.body !== "";

/** Its place among the sides of its meter; what is of no body comes last. @param {Entity} entity */
const place = (entity) => BODIES.indexOf(entity.body) >>> 0;
