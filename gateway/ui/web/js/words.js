/**
 * Every sentence on the screen, from `strings/<language>.json`.
 * One rule: no code holds a sentence; a missing one shows its name, so that it is seen.
 */

/** @type {{ui: Record<string, string>, codes: Record<string, {say: string, do: string}>}} */
let words = { ui: {}, codes: {} };
let language = "zh";

/** @param {string} wanted `zh` or `en` */
export async function speak(wanted) {
  const answer = await fetch(`strings/${wanted}.json`);
  words = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : wanted;
}

export const spoken = () => language;

/** @param {string} name @param {Record<string, string|number>} [parts] */
export function t(name, parts = {}) {
  return (words.ui[name] ?? name).replace(/\{(\w+)\}/g, (_, part) => String(parts[part] ?? ""));
}

/**
 * What the household reads for a code; the family's sentence if the code is unknown.
 * @param {string|null} code
 */
export function sentence(code) {
  return words.codes[code ?? ""] ?? words.codes[`${code?.split("-")[0]}-*`] ?? { say: t("error.unknown"), do: t("error.support") };
}

/** What is so and what helps, in one breath. @param {string|null} code */
export function advice(code) {
  const { say, do: help } = sentence(code);
  return `${say}${language === "zh" ? "" : " "}${help}`;
}

/** @param {Record<string, string>} byLocale */
export function localised(byLocale) {
  const exact = Object.entries(byLocale).find(([locale]) => locale.toLowerCase().startsWith(language));
  return exact?.[1] ?? Object.values(byLocale)[0] ?? "";
}

const DAY_MS = 86_400_000;

/** @param {Date|string|number} when */
export const clock = (when) =>
  new Date(when).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** @param {Date|number} when */
export const calendarDay = (when) =>
  new Date(when).toLocaleDateString(language === "zh" ? "zh-CN" : "en-GB", { month: "long", day: "numeric", weekday: "long" });

/** How long ago something was told, in words. @param {string|null} when */
export function age(when) {
  if (!when) return t("never");
  const ms = Date.now() - Date.parse(when);
  if (ms < 60_000) return t("age.now");
  if (ms < 3_600_000) return t("age.minutes", { n: Math.floor(ms / 60_000) });
  if (ms < DAY_MS) return t("age.at", { time: clock(when) });
  return t("age.days", { n: Math.floor(ms / DAY_MS) });
}
