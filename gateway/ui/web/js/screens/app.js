/**
 * An app: its icon, and its page in a frame that can reach nothing but one port.
 * One rule: everything an app says comes through that port, is counted, and ends
 * with the frame; Home always closes it.
 *
 * @import { Screen } from "../stage.js"
 * @import { Channel } from "../port.js"
 * @import { App } from "../types.js"
 */

import { html, Icon, isIcon } from "../html.js";
import { house } from "../house.js";
import { tell } from "../hud.js";
import { call, CallError } from "../session.js";
import { close, open, redraw } from "../stage.js";
import { localised, sentence, t } from "../words.js";

const BACK_ANSWER_MS = 300;

/** @type {{app: App, entry: string}|null} */
let opened = null;
/** @type {Channel|null} */
let channel = null;
let loads = 0;
let opening = false;
/** Whether the daemon has said that it is open; the answer to our call may be faster. */
let isOpenThere = false;

/** An app's own picture, a drawing of ours that it names, or its first letter. @param {App} app @param {"line"|"mark"} style */
export function appIcon(app, style) {
  const color = style === "mark" ? "#fff" : `color-mix(in srgb, ${app.color} 62%, white)`;
  if (isIcon(app.icon)) return html`<${Icon} name=${app.icon} color=${color} />`;
  if (app.icon) return html`<img class="icon" src=${app.icon} alt="" />`;
  return html`<span class="letter">${localised(app.name).slice(0, 1)}</span>`;
}

/** @param {App} app */
export async function openApp(app) {
  if (opening) return;
  opening = true;
  try {
    const { entry } = await call("POST", `apps/${encodeURIComponent(app.id)}/open`);
    opened = { app, entry };
    loads = 0;
    isOpenThere = house.apps.find((each) => each.id === app.id)?.state === "open";
    open(appFrame);
  } catch (error) {
    const code = error instanceof CallError ? error.code : null;
    tell(t("app.failed", { name: localised(app.name), why: code ? sentence(code).say : t("error.unreachable") }), code);
  } finally {
    opening = false;
  }
}

/** @type {Screen} */
export const appFrame = {
  name: "app",
  covers: true,
  picture: "hidden",
  closed() {
    channel?.close();
    channel = null;
    const { app } = opened ?? {};
    opened = null;
    if (app) call("POST", `apps/${encodeURIComponent(app.id)}/close`).catch(() => {});
  },
  view: () => opened && html`<section class="frame" aria-label=${localised(opened.app.name)}>
    <div class="opening">${localised(opened.app.name)}</div>
    <iframe sandbox="allow-scripts" referrerpolicy="no-referrer" title=${localised(opened.app.name)} src=${opened.entry} onLoad=${loaded} /></section>`,
  key(key) {
    if (key === "home") {
      close(appFrame);
      return true;
    }
    if (key === "back") back();
    else channel?.key(key);
    return true;
  },
};

/** The daemon says which apps there are; one that it removed or closed is not shown any more. */
export function appsChanged() {
  if (!opened) return;
  const state = house.apps.find((app) => app.id === opened?.app.id)?.state;
  if (state === "open") isOpenThere = true;
  else if (!state || isOpenThere) close(appFrame);
}

/** Back is the app's first; if it does nothing with it in time, the app closes. */
async function back() {
  const asked = opened;
  const handled = await channel?.key("back", BACK_ANSWER_MS);
  if (!handled && opened === asked) close(appFrame);
  redraw();
}

/** @param {Event} event */
async function loaded(event) {
  const frame = /** @type {HTMLIFrameElement} */ (event.target);
  loads++;
  if (loads > 1 || !opened || !frame.contentWindow) {
    close(appFrame); // it went to another page, which is not the one that was signed
    return;
  }
  frame.classList.add("ready");
  const { id } = opened.app;
  const page = frame.contentWindow;
  const { Channel } = await import("../port.js");
  if (opened?.app.id !== id || !frame.isConnected) return;
  channel = new Channel(
    page,
    (method, params) => call("POST", `apps/${encodeURIComponent(id)}/rpc`, { method, params }),
    () => close(appFrame),
  );
}
