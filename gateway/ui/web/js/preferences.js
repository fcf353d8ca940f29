/**
 * How this screen likes to be: language, large type, contrast.
 * One rule: large type is a smaller canvas shown larger, so no screen has two layouts of its own.
 */

const KEY = "gateway.preferences";
const WIDTH = 1920;
const HEIGHT = 1080;
const ELDER_SCALE = 1.35;

export const preferences = { language: "zh", elder: false, contrast: false };

/** The canvas in its own pixels. */
export const canvas = { width: WIDTH, height: HEIGHT };

export function loadPreferences() {
  try {
    Object.assign(preferences, JSON.parse(localStorage.getItem(KEY) ?? "{}"));
  } catch {
    localStorage.removeItem(KEY);
  }
}

/** @param {Partial<typeof preferences>} change */
export function prefer(change) {
  Object.assign(preferences, change);
  localStorage.setItem(KEY, JSON.stringify(preferences));
  applyPreferences();
}

export function applyPreferences() {
  const { elder, contrast } = preferences;
  const scale = elder ? ELDER_SCALE : 1;
  canvas.width = Math.round(WIDTH / scale);
  canvas.height = Math.round(HEIGHT / scale);
  const root = document.documentElement;
  root.classList.toggle("elder", elder);
  root.classList.toggle("contrast", contrast);
  root.style.setProperty("--w", `${canvas.width}px`);
  root.style.setProperty("--h", `${canvas.height}px`);
  root.style.setProperty("--scale", String(scale));
}

/** Fit the 1920 × 1080 stage into whatever window there is. */
export function fitStage() {
  const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
  const fit = Math.min(innerWidth / WIDTH, innerHeight / HEIGHT);
  stage.style.transform =
    fit === 1 ? "" : `translate(${(innerWidth - WIDTH * fit) / 2}px, ${(innerHeight - HEIGHT * fit) / 2}px) scale(${fit})`;
}

/** @param {number} ms how long something stays; for elders nothing hides before ten seconds */
export const stays = (ms) => (preferences.elder ? Math.max(ms * 2, 10_000) : ms);
