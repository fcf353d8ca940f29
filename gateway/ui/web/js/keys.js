/**
 * From the keyboard of a laptop to the logical keys of a remote.
 * One rule: what the daemon decides (channels, volume, digits) is sent to it and
 * not done here as well, so that both sources of keys take the same way.
 *
 * @import { Key } from "./types.js"
 */

/** @type {Record<string, Key>} */
const BY_NAME = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", Enter: "ok",
  Escape: "back", Backspace: "back", GoBack: "back", BrowserBack: "back", h: "home", Home: "home",
  BrowserHome: "home", m: "menu", ContextMenu: "menu", i: "info", Info: "info", g: "guide", Guide: "guide",
  PageUp: "channel_up", ChannelUp: "channel_up", PageDown: "channel_down", ChannelDown: "channel_down",
  l: "last", "+": "volume_up", "=": "volume_up", AudioVolumeUp: "volume_up", "-": "volume_down",
  AudioVolumeDown: "volume_down", AudioVolumeMute: "mute", F1: "red", F2: "green", F3: "yellow", F4: "blue",
  " ": "pause", p: "pause", MediaPlayPause: "pause", MediaPlay: "play", MediaPause: "pause", MediaStop: "stop", s: "stop",
  ",": "rewind", "[": "rewind", MediaRewind: "rewind", ".": "forward", "]": "forward", MediaFastForward: "forward",
};

const OF_THE_DAEMON = new Set(["channel_up", "channel_down", "last", "volume_up", "volume_down", "mute", "power",
  "play", "pause", "stop", "rewind", "forward"]);

/** @param {Key} key */
export const isOfTheDaemon = (key) => OF_THE_DAEMON.has(key) || /^[0-9]$/.test(key);

/** @param {KeyboardEvent} event @returns {Key|null} */
export function logicalKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (/^[0-9]$/.test(event.key)) return /** @type {Key} */ (event.key);
  return BY_NAME[event.key] ?? BY_NAME[event.key.toLowerCase()] ?? null;
}
