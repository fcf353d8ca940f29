/**
 * A question of the house, over whatever is there: OK is yes, Back is no.
 * One rule: only a key that was pressed for it is an answer; silence is told by nobody here.
 *
 * @import { Screen } from "../stage.js"
 * @import { Question } from "../types.js"
 */

import { html } from "../html.js";
import { house } from "../house.js";
import { tellFailure } from "../hud.js";
import { Seen, sees } from "../seen.js";
import { call } from "../session.js";
import { open, remove, top } from "../stage.js";
import { localised, t } from "../words.js";

/** A key that was on its way to something else when the question came is no answer. */
const SETTLE_MS = 1_000;

/** @type {Question|null} */
let asked = null;
let since = 0;
/** Those that were answered here, while the daemon does not say so yet. @type {Set<string>} */
const answered = new Set();

/** @type {Screen} */
const screen = {
  name: "question",
  covers: false,
  view() {
    const text = asked ? localised(asked.text) : "";
    const pictured = sees(asked?.camera);
    // The more words, the smaller: they fill a square of so many characters' sides.
    const fit = 1 / Math.sqrt(text.length || 1);
    return html`<div class="veil asking"><section class=${`question ${pictured ? "pictured" : ""}`} role="alertdialog" aria-label=${t("question")}>
      <p class="what" style=${`--fit: ${fit}`}>${text}</p>
      <${Seen} camera=${asked?.camera} />
      <div class="answers"><span class="answer f" role="button" tabindex="-1"><b>OK</b>${t("question.yes")}</span>
        <span class="answer" role="button"><b>${t("key.back")}</b>${t("question.no")}</span></div>
    </section></div>`;
  },
  key(key) {
    if (key !== "ok" && key !== "back") return ["up", "down", "left", "right", "menu", "info", "guide"].includes(key);
    if (asked && Date.now() - since >= SETTLE_MS) answer(asked, key === "ok");
    return true;
  },
};

/** Show the oldest open question above everything, as long as it is open. */
export function showQuestion() {
  const next = house.questions.find((question) => !answered.has(question.id)) ?? null;
  if (!next) {
    asked = null;
    remove(screen);
    return;
  }
  // Also when it comes back: a key on its way to something else is no answer then either.
  if (next.id !== asked?.id || top() !== screen) since = Date.now();
  asked = next;
  if (top() === screen) return;
  remove(screen);
  open(screen);
}

/** @param {Question} question @param {boolean} yes */
async function answer(question, yes) {
  answered.add(question.id);
  showQuestion();
  try {
    await call("POST", `questions/${encodeURIComponent(question.id)}/answer`, { yes });
  } catch (error) {
    answered.delete(question.id);
    showQuestion();
    tellFailure(error);
  }
}
