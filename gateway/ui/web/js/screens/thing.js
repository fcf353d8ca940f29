/**
 * One device of many sides: what each reports, and what it can become.
 * One rule: a choice is an order; what stands beside it stays what was reported until the device says otherwise.
 *
 * @import { Screen } from "../stage.js"
 * @import { Choice } from "./menu.js"
 * @import { Entity, Value } from "../types.js"
 * @import { Thing } from "../things.js"
 */

import { choiceOf } from "./menu.js";
import { house } from "../house.js";
import { order } from "../orders.js";
import { close, open } from "../stage.js";
import { isOn } from "../home_summary.js";
import { isSwitched, main } from "../things.js";
import { commandTold, formatted, reported, sideOf, wordOf } from "../things_told.js";
import { t } from "../words.js";

const MOST_CHOICES = 30;
const IDLE_MS = 60_000;

/** What can be done with a thing. @param {Thing} thing @returns {Screen} */
export function sheet(thing) {
  const ids = thing.entities.map((entity) => entity.id);
  if (ids.length === 1) return values(main(thing));
  return {
    ...choiceOf(() => {
      const sides = ids.flatMap((id) => house.entities.get(id) ?? []);
      return { title: thing.name, text: told(sides), choices: sides.map(side) };
    }, "thing"),
    idleMs: IDLE_MS,
  };
}

/** @param {Entity} entity @returns {Choice} */
function side(entity) {
  const unit = typeof entity.value === "number" ? ` ${entity.unit}` : "";
  const act = () => {
    if (isSwitched(entity)) order(entity, !isOn(entity));
    else if (entity.capability === "button") order(entity, true);
    else if (entity.writable) open(values(entity));
  };
  return { name: sideOf(entity), value: `${reported(entity)}${unit}`, act };
}

/** What one side can become. @param {Entity} entity @returns {Screen} */
function values(entity) {
  const all = choicesOf(entity);
  const now = house.entities.get(entity.id)?.value ?? null;
  /** @type {Screen} */
  const screen = choiceOf(() => {
    const fresh = house.entities.get(entity.id) ?? entity;
    return {
      title: entity.part ? `${entity.name} · ${sideOf(entity)}` : entity.name,
      text: commandTold(fresh)?.text ?? t("thing.now", { value: `${reported(fresh)} ${typeof fresh.value === "number" ? fresh.unit : ""}`.trim() }),
      choices: all.map((value) => ({
        name: typeof value === "string" ? wordOf(value) : `${formatted(value)} ${entity.unit}`,
        chosen: value === fresh.value,
        act: () => {
          close(screen);
          order(fresh, value);
        },
      })),
    };
  }, "thingvalues", nearest(all, now));
  return screen;
}

/** The words it takes, or enough numbers between its bounds to choose from. @param {Entity} entity @returns {(string|number)[]} */
function choicesOf(entity) {
  if (entity.capability !== "number") return entity.choices;
  const least = entity.minimum ?? 0;
  const most = entity.maximum ?? 100;
  const step = entity.step || 1;
  // A multiple of its own step, so that what is chosen is something that it knows.
  const wide = step * Math.max(1, Math.ceil((most - least) / step / (MOST_CHOICES - 1)));
  const count = Math.floor((most - least) / wide) + 1;
  const found = Array.from({ length: count }, (_, i) => Number((least + i * wide).toFixed(6)));
  return found.at(-1) === most ? found : [...found, most];
}

/** @param {(string|number)[]} all @param {Value|null} now */
function nearest(all, now) {
  if (typeof now !== "number") return Math.max(0, all.indexOf(/** @type {string} */ (now)));
  const far = all.map((value) => Math.abs(Number(value) - now));
  return far.indexOf(Math.min(...far));
}

/** The first thing worth telling of orders to any of its sides. @param {Entity[]} sides */
const told = (sides) => sides.map(commandTold).find(Boolean)?.text ?? "";
