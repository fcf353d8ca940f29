/**
 * The one line between an app's frame and the house: JSON-RPC over a message port.
 * One rule: whatever comes from the other side is hostile until it is counted,
 * measured and shaped like a call.
 *
 * @import { Key } from "./types.js"
 */

import { CallError } from "./session.js";
import { spoken } from "./words.js";

const MOST_CHARS = 64 * 1024;
const CALLS_PER_S = 20;
const BURST = 40;
const AT_ONCE = 16;

export class Channel {
  /**
   * @param {Window} frame whose page gets the other end
   * @param {(method: string, params: unknown) => Promise<unknown>} relay
   * @param {() => void} onExit the app asks to be closed
   */
  constructor(frame, relay, onExit) {
    const { port1, port2 } = new MessageChannel();
    this._port = port1;
    this._relay = relay;
    this._onExit = onExit;
    this._allowance = BURST;
    this._filledAt = performance.now();
    this._running = 0;
    this._asked = 0;
    /** @type {Map<number, (handled: boolean) => void>} */
    this._answers = new Map();
    port1.onmessage = ({ data }) => this._heed(data);
    frame.postMessage({ type: "gateway.port", version: 1, locale: spoken() }, "*", [port2]);
  }

  close() {
    this._port.close();
    for (const answer of this._answers.values()) answer(false);
  }

  /**
   * Give the app a key.
   * @param {Key} key
   * @param {number} [withinMs] how long to wait for its word on it; 0 to not wait
   * @returns {Promise<boolean>} whether it used the key
   */
  key(key, withinMs = 0) {
    const id = ++this._asked;
    this._port.postMessage({ jsonrpc: "2.0", id, method: "key", params: { key } });
    if (!withinMs) return Promise.resolve(true);
    return new Promise((resolve) => {
      const answer = (/** @type {boolean} */ handled) => {
        this._answers.delete(id);
        resolve(handled);
      };
      this._answers.set(id, answer);
      setTimeout(answer, withinMs, false);
    });
  }

  /** @param {any} message */
  async _heed(message) {
    if (typeof message !== "object" || message === null) return;
    const { id, method, params, result } = message;
    if (method === undefined) {
      this._answers.get(id)?.(result?.handled === true);
      return;
    }
    if (typeof method !== "string" || !this._mayCall()) return this._refuse(id, -32029, "too many calls");
    if (!fits(message)) return this._refuse(id, -32600, "larger than 64 KB");
    if (method === "focus.exit") return this._onExit();
    this._running++;
    try {
      this._port.postMessage({ jsonrpc: "2.0", id, result: await this._relay(method, params ?? {}) });
    } catch (error) {
      const code = error instanceof CallError ? error.code : null;
      this._refuse(id, -32000, String(/** @type {Error} */ (error).message), code);
    } finally {
      this._running--;
    }
  }

  _mayCall() {
    const now = performance.now();
    this._allowance = Math.min(BURST, this._allowance + ((now - this._filledAt) / 1000) * CALLS_PER_S);
    this._filledAt = now;
    if (this._allowance < 1 || this._running >= AT_ONCE) return false;
    this._allowance--;
    return true;
  }

  /** @param {unknown} id @param {number} code @param {string} message @param {string|null} [data] */
  _refuse(id, code, message, data = null) {
    if (id !== undefined) this._port.postMessage({ jsonrpc: "2.0", id, error: { code, message, data: { code: data } } });
  }
}

/** @param {unknown} message */
function fits(message) {
  try {
    return JSON.stringify(message).length <= MOST_CHARS;
  } catch {
    return false;
  }
}
