/**
 * The house's scenes, to activate.
 * One rule: that a scene was sent is all that is said; what each device did, its own tile tells.
 *
 * @import { Screen } from "../stage.js"
 * @import { Scene, SceneOrder } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { house } from "../house.js";
import { tell, tellFailure } from "../hud.js";
import { call } from "../session.js";
import { close } from "../stage.js";
import { localised, t } from "../words.js";

/** @returns {Screen} */
export function scenes() {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("scenes"),
    text: t("scenes.what"),
    choices: house.scenes.map((scene) => ({ name: nameOf(scene), act: () => activate(scene, screen) })),
  }), "scenes");
  return screen;
}

/** @param {Scene} scene */
const nameOf = (scene) => (typeof scene.name === "string" ? scene.name : localised(scene.name));

/** @param {Scene} scene @param {Screen} screen */
async function activate(scene, screen) {
  close(screen);
  const name = nameOf(scene);
  try {
    /** @type {SceneOrder[]} */
    const orders = await call("POST", `scenes/${encodeURIComponent(scene.id)}/activate`);
    const refused = orders.filter((order) => !order.command).length;
    tell(refused ? t("scenes.partly", { name, n: refused }) : t("scenes.sent", { name }));
  } catch (error) {
    tellFailure(error);
  }
}
