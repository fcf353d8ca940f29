/**
 * What a camera of the home saw last.
 * One rule: the picture is asked for when it is new, and kept nowhere.
 *
 * @import { Screen } from "../stage.js"
 * @import { Entity } from "../types.js"
 */

import { html } from "../html.js";
import { house } from "../house.js";
import { pictureOf } from "../seen.js";
import { close } from "../stage.js";
import { reportedWhen } from "../things_told.js";
import { t } from "../words.js";

/** @param {Entity} entity @returns {Screen} */
export function camera(entity) {
  return {
    name: "camera",
    covers: false,
    idleMs: 120_000,
    view() {
      const fresh = house.entities.get(entity.id) ?? entity;
      return html`<div class="veil"><section class="camera" role="dialog" aria-label=${fresh.name}>
        <h1>${fresh.name}</h1>
        ${fresh.value === null ? html`<p>${t("camera.none")}</p>` : html`<img src=${pictureOf(fresh)} alt=${fresh.name} />`}
        <p role="status">${fresh.value === null ? "" : reportedWhen(fresh)}</p>
      </section></div>`;
    },
    key(key) {
      if (key !== "ok") return false;
      close(this);
      return true;
    },
  };
}
