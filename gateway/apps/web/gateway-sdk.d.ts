/** Types of gateway-sdk.js, level 1 of the app contract. */

export type Key =
  | "up" | "down" | "left" | "right" | "ok" | "back" | "info" | "menu"
  | "channel_up" | "channel_down" | "red" | "green" | "yellow" | "blue"
  | "play" | "pause" | "stop" | "rewind" | "forward"
  | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export class GatewayError extends Error {
  /** The box's code, such as "APP-301"; null when there is none. */
  readonly code: string | null;
}

export const clock: {
  /** The box's time; a box without a network may be wrong, its own display is the same. */
  now(): Promise<Date>;
};

export const i18n: {
  /** The household's language: "zh-CN" or "en". */
  locale(): Promise<string>;
};

export const focus: {
  /** Asks the box to close this app and to go back to what was there before. */
  exit(): Promise<void>;
};

export const keys: {
  /**
   * Hears every key meant for the app.  Return true when the app used it: an unused "back" closes the
   * app.  "home" never arrives here.  Returns a function that ends the listening.
   */
  listen(listener: (key: Key) => boolean | void): () => void;
};

/** Permission `storage`.  At most 256 keys, 64 KB a value, `storage.quota_mb` altogether. */
export const storage: {
  /** null when there is no such key. */
  get(key: string): Promise<Json>;
  /** Kept, also over a power cut, once it resolves.  null removes the key. */
  set(key: string, value: Json): Promise<void>;
  keys(): Promise<string[]>;
};

export interface Reading {
  entity: string;
  name: string;
  device: string;
  deviceClass: string;
  unit: string;
  /** null before the first report. */
  value: boolean | number | string | null;
  /** When the device measured it. */
  measuredAt: Date | null;
  /** False when the device cannot be reached; the value is then the last known. */
  available: boolean;
  /** What of a body it measures: systolic, diastolic, pulse, breathing, glucose, spo2, weight, temperature,
   *  other; empty if nothing. */
  body: string;
  /** implausible: can be true of nobody, show that it is not believed.  undated: the meter's clock is wrong,
   *  measuredAt is when the report arrived. */
  quality: "good" | "implausible" | "undated";
}

/** Permission `sensors`, for the classes and units named in its `args`. */
export const sensors: {
  read(filter?: { deviceClass?: string; unit?: string }): Promise<Reading[]>;
};

/** Permission `notices`. */
export const notices: {
  /** Shows a short text for some seconds, in the app's name; three at once, then one in 20 s. */
  show(text: { "zh-CN": string; en: string }): Promise<void>;
};
