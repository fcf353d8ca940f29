/**
 * What a camera of the home saw last, beside what is said about it.
 * One rule: a picture has its age with it; an old one is not passed off as now.
 *
 * @import { Entity } from "./types.js"
 */

import { html } from "./html.js";
import { house } from "./house.js";
import { age, t } from "./words.js";

/** @param {Entity} camera @returns {string} where its newest picture is */
export const pictureOf = (camera) =>
  `/api/v1/entities/${encodeURIComponent(camera.id)}/image?at=${encodeURIComponent(camera.reported_at ?? "")}`;

/** @param {string|null} [id] @returns {Entity|null} the camera, if it has shown something */
export function sees(id) {
  const camera = id ? house.entities.get(id) : undefined;
  return camera?.capability === "camera" && camera.value !== null ? camera : null;
}

/** @param {{camera?: string|null}} props which camera; nothing is shown of one that has shown nothing */
export function Seen({ camera }) {
  const seen = sees(camera);
  if (!seen) return null;
  const when = t(!seen.available ? "unavailable" : seen.quality === "kept" ? "kept" : "reported", { age: age(seen.reported_at) });
  return html`<figure class="seen"><img src=${pictureOf(seen)} alt=${seen.name} /><figcaption>${when}</figcaption></figure>`;
}
