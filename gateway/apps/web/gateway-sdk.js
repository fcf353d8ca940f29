/**
 * All that an app sees of the box: one message port, wrapped in promises.
 * One rule: nothing here is trusted by the box; what an app may do is decided
 * from its signed manifest, call by call.  Types: gateway-sdk.d.ts.
 */

const CALL_TIMEOUT_MS = 10_000;
const MOST_CHARS = 64 * 1024;
const DEFAULT_LOCALE = "zh-CN";

/** Keys of a laptop's keyboard, so that an app can be tried without a remote. */
const DOM_KEYS = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  Enter: "ok", " ": "ok", Backspace: "back", Escape: "back", PageUp: "channel_up", PageDown: "channel_down",
};

export class GatewayError extends Error {
  constructor(message, code) {
    super(message);
    this.name = "GatewayError";
    /** The box's code, such as "APP-301"; null when there is none. */
    this.code = code ?? null;
  }
}

class Line {
  constructor() {
    this._port = null;
    this._asked = 0;
    this._calls = new Map();
    this._waiting = [];
    this._listeners = new Set();
    this.locale = null;
    /** Resolves when the box has handed over the port. */
    this.ready = new Promise((resolve) => { this._open = resolve; });
    addEventListener("message", (event) => this._heed(event));
    addEventListener("keydown", (event) => this._pressed(event));
    if (parent !== window) parent.postMessage({ type: "gateway.hello", version: 1 }, "*");
  }

  call(method, params = {}) {
    const message = { jsonrpc: "2.0", id: ++this._asked, method, params };
    if (JSON.stringify(message).length > MOST_CHARS) {
      return Promise.reject(new GatewayError("the call is larger than 64 KB", "APP-303"));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this._calls.delete(message.id);
        reject(new GatewayError(`${method} was not answered`, null));
      }, CALL_TIMEOUT_MS);
      this._calls.set(message.id, { resolve, reject, timer });
      if (this._port) this._port.postMessage(message);
      else this._waiting.push(message);
    });
  }

  listen(listener) {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  }

  _heed({ source, data, ports }) {
    if (source !== parent || data?.type !== "gateway.port" || !ports[0]) return;
    this._port?.close();
    this._port = ports[0];
    this._port.onmessage = ({ data: message }) => this._told(message);
    if (typeof data.locale === "string") this.locale = data.locale;
    for (const message of this._waiting.splice(0)) this._port.postMessage(message);
    this._open();
  }

  async _told(message) {
    if (typeof message !== "object" || message === null) return;
    if (message.method === "key") {
      const handled = this._press(message.params?.key);
      if (message.id !== undefined) this._port.postMessage({ jsonrpc: "2.0", id: message.id, result: { handled } });
      return;
    }
    const call = this._calls.get(message.id);
    if (!call) return;
    this._calls.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new GatewayError(message.error.message, message.error.data?.code));
    else call.resolve(message.result);
  }

  _press(key) {
    let handled = false;
    for (const listener of this._listeners) handled = listener(key) === true || handled;
    return handled;
  }

  _pressed(event) {
    const key = /^[0-9]$/.test(event.key) ? event.key : DOM_KEYS[event.key];
    if (!key || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this._press(key);
  }
}

const line = new Line();

export const clock = {
  now: async () => new Date((await line.call("clock.now")).now),
};

export const i18n = {
  locale: async () => {
    await line.ready;
    return line.locale ?? (await line.call("i18n.locale")).locale ?? DEFAULT_LOCALE;
  },
};

export const focus = {
  exit: () => line.call("focus.exit"),
};

export const keys = {
  listen: (listener) => line.listen(listener),
};

export const storage = {
  get: async (key) => (await line.call("storage.get", { key })).value,
  set: async (key, value) => { await line.call("storage.set", { key, value }); },
  keys: async () => (await line.call("storage.keys")).keys,
};

export const sensors = {
  read: async ({ deviceClass, unit } = {}) => {
    const params = { device_class: deviceClass ?? null, unit: unit ?? null };
    const { readings } = await line.call("sensors.read", params);
    return readings.map((reading) => ({
      entity: reading.entity,
      name: reading.name,
      device: reading.device,
      deviceClass: reading.device_class,
      unit: reading.unit,
      value: reading.value,
      measuredAt: reading.measured_at ? new Date(reading.measured_at) : null,
      available: reading.available,
      body: reading.body,
      quality: reading.quality,
    }));
  },
};

export const notices = {
  show: async (text) => { await line.call("notices.show", { text }); },
};
