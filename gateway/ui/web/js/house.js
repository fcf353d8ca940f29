/**
 * What the page knows of the house: the snapshot, and each change after it.
 * One rule: only what the daemon said is in here; a wish of ours never is.
 *
 * @import { App, Channel, Command, Entity, Question, Scene, Tv, WaitingDevice } from "./types.js"
 */

/** @type {Tv} */
const NOTHING_ON = {
  channel: null, number: null, name: null, picture: "idle", first_frame_ms: null, mode: "live",
  position: null, paused: false, window: null, recording: null, tracks: [], volume_percent: 0, muted: false, plane: "inpage", stream: null,
  stream_id: null, code: null,
};

const KEPT_COMMANDS = 200;

export const house = {
  /** @type {"starting"|"locked"|"lost"|"live"} */
  link: "starting",
  box: "",
  tv: NOTHING_ON,
  /** When that was said, by our clock. */
  tvAt: 0,
  /** @type {Channel[]} */
  channels: [],
  /** @type {Map<string, Entity>} */
  entities: new Map(),
  /** @type {Map<string, Command>} newest command by entity */
  commands: new Map(),
  /** @type {App[]} */
  apps: [],
  /** @type {Record<string, string>} */
  services: {},
  /** @type {Scene[]} */
  scenes: [],
  /** @type {Question[]} */
  questions: [],
  screen: "tv",
  /** @type {WaitingDevice[]} */
  waiting: [],
};

/**
 * Take in one message of the events WebSocket.
 * @param {any} event
 * @returns {boolean} whether anything of the house changed
 */
export function heed(event) {
  switch (event.type) {
    case "snapshot":
      house.box = event.box;
      house.tv = event.tv;
      house.tvAt = Date.now();
      house.channels = event.channels;
      house.entities = new Map(event.entities.map((/** @type {Entity} */ e) => [e.id, inUnit(e)]));
      house.commands = new Map();
      event.commands.forEach(keepCommand);
      house.apps = event.apps;
      house.services = event.services;
      house.screen = event.screen;
      house.waiting = event.waiting;
      house.scenes = event.scenes;
      house.questions = event.questions;
      return true;
    case "waiting": house.waiting = event.waiting; return true;
    case "tv": house.tv = event.tv; house.tvAt = Date.now(); return true;
    case "channels": house.channels = event.channels; return true;
    case "entity": house.entities.set(event.entity.id, inUnit(event.entity)); return true;
    case "entity_gone": house.entities.delete(event.id); return true;
    case "command": keepCommand(event.command); return true;
    case "apps": house.apps = event.apps; return true;
    case "screen": house.screen = event.screen; return true;
    case "scenes": house.scenes = event.scenes; return true;
    case "questions": house.questions = event.questions; return true;
    case "services": house.services = event.services; return true;
    default: return false;
  }
}

/** In the household's unit, if the meter has another. @param {Entity} entity @returns {Entity} */
const inUnit = (entity) => ({ ...entity, ...entity.shown });

/** @param {Command} command */
function keepCommand(command) {
  const known = house.commands.get(command.entity);
  if (known && known.id !== command.id && known.created_at > command.created_at) return;
  house.commands.set(command.entity, command);
  if (house.commands.size > KEPT_COMMANDS) {
    house.commands.delete(/** @type {string} */ (house.commands.keys().next().value));
  }
}

/** The channel that is on, with what the line-up says of it. */
export function currentChannel() {
  return house.channels.find((channel) => channel.id === house.tv.channel) ?? null;
}

/** Services that should run and do not. */
export function missingServices() {
  return Object.entries(house.services)
    .filter(([, state]) => state === "failed" || state === "restarting" || state === "stopped")
    .map(([name]) => name);
}
