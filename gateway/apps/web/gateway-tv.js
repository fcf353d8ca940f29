/**
 * A television page without a pointer: sections on the left, rows on the right, sheets above.
 * One rule: the focus is an index, never a measurement; an app says what its rows are.
 * Optional for apps; built on gateway-sdk.js only.
 */

import { clock, focus, i18n, keys } from "./gateway-sdk.js";

const SVG = "http://www.w3.org/2000/svg";
const VIEW_PX = 776;
const WORDS = {
  "zh-CN": { move: "选择", open: "打开", leave: "返回", exit: "主页键随时离开应用" },
  en: { move: "Move", open: "Open", leave: "Back", exit: "Home always leaves the app" },
};

/**
 * Make an element.  Texts become text nodes, so nothing an app shows can become markup.
 * @param {string} tag such as "div.gw-card.wide"
 */
export function el(tag, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  node.className = classes.join(" ");
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make a picture from shapes: [["circle", {cx: 1, cy: 1, r: 1}], ...]. */
export function svg(viewBox, shapes) {
  const root = document.createElementNS(SVG, "svg");
  root.setAttribute("viewBox", viewBox);
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
    root.append(shape);
  }
  return root;
}

export class Stage {
  /**
   * @param {object} app
   * @param {string} app.name
   * @param {string} app.place what stands beside the name
   * @param {string} app.icon path of the icon, 24 x 24, stroked
   * @param {string} app.color ground of the icon
   * @param {string} app.locale
   * @param {Array<{label: string, note?: () => string, show: (stage: Stage) => {node: Node, rows: Row[][]}}>} app.sections
   * A Row item is {node, ok?: () => void, key?: (key) => boolean}.
   */
  constructor(app) {
    this._app = app;
    this._section = 0;
    this._layers = [];
    this._inPane = false;
    this._row = 0;
    this._column = 0;
    this._words = WORDS[app.locale] ?? WORDS.en;
    this._build();
    this.show(0);
    keys.listen((key) => this._press(key));
    this._tick();
    setInterval(() => this._tick(), 10_000);
  }

  /** Show section `index`, keeping the focus where it is. */
  show(index) {
    this._section = index;
    this._row = this._column = 0;
    this.refresh();
  }

  /** Draw the present section again: its data changed. */
  refresh() {
    const { node, rows } = this._app.sections[this._section].show(this);
    this._rows = rows;
    this._pane.replaceChildren(node);
    if (!rows.length) this._inPane = false;
    this._app.sections.forEach((section, index) => {
      this._notes[index].textContent = section.note?.() ?? "";
    });
    this._mark();
  }

  /** Put a sheet above everything; Back or left takes it away. */
  open(node, rows = []) {
    const over = el("div.gw-over", el("div.gw-sheet", node));
    document.body.append(over);
    this._layers.push({ over, rows, row: 0, column: 0, sheet: over.firstChild });
    this._mark();
  }

  /** Take the upper sheet away. */
  close() {
    this._layers.pop()?.over.remove();
    this.refresh();
  }

  _build() {
    const { name, place, icon, color, sections } = this._app;
    const mark = el("div.gw-mark", svg("0 0 24 24", [["path", { d: icon }]]));
    mark.style.setProperty("background", color);
    this._clock = el("div.gw-clock.num");
    this._notes = sections.map(() => el("small"));
    this._entries = sections.map((section, index) => el("div", section.label, this._notes[index]));
    this._pane = el("div.gw-pane");
    const hint = (key, text) => el("span", el("b", key), text);
    document.body.append(
      el("div.gw-top", mark, el("h1", name), el("p", place), this._clock),
      el("div.gw-rail", this._entries),
      el("div.gw-view", this._pane),
      el("div.gw-foot", hint("↑↓←→", this._words.move), hint("OK", this._words.open), hint("↩", this._words.leave), el("span.end", this._words.exit)),
    );
  }

  _press(key) {
    const layer = this._layers.at(-1);
    if (layer) return this._pressSheet(layer, key);
    if (!this._inPane) return this._pressRail(key);
    const item = this._rows[this._row]?.[this._column];
    if (item?.key?.(key)) return true;
    if (key === "back" || (key === "left" && this._column === 0)) this._inPane = false;
    else if (key === "ok") item?.ok?.();
    else if (!this._move(this, this._rows, key, "_row", "_column")) return false;
    this._mark();
    return true;
  }

  _pressRail(key) {
    const last = this._app.sections.length - 1;
    if (key === "up") this.show(Math.max(0, this._section - 1));
    else if (key === "down") this.show(Math.min(last, this._section + 1));
    else if ((key === "right" || key === "ok") && this._rows.length) this._inPane = true;
    else if (key === "back") {
      focus.exit().catch(() => {});
      return false;
    } else return false;
    this._mark();
    return true;
  }

  _pressSheet(layer, key) {
    const item = layer.rows[layer.row]?.[layer.column];
    if (item?.key?.(key)) return true;
    if (key === "ok" && item?.ok) item.ok();
    else if (key === "back" || (key === "left" && layer.column === 0) || (key === "ok" && !item)) this.close();
    else if (layer.rows.length) this._move(layer, layer.rows, key, "row", "column");
    else if (key === "up" || key === "down") layer.sheet.scrollBy({ top: key === "up" ? -320 : 320 });
    this._mark();
    return true;
  }

  _move(place, rows, key, row, column) {
    const step = { up: [-1, 0], down: [1, 0], left: [0, -1], right: [0, 1] }[key];
    if (!step) return false;
    place[row] = Math.min(Math.max(place[row] + step[0], 0), rows.length - 1);
    place[column] = Math.min(Math.max(place[column] + step[1], 0), rows[place[row]].length - 1);
    return true;
  }

  _mark() {
    const layer = this._layers.at(-1);
    document.querySelectorAll(".gw-focus").forEach((node) => node.classList.remove("gw-focus"));
    this._entries.forEach((entry, index) => entry.classList.toggle("on", index === this._section));
    if (layer) {
      layer.rows[layer.row]?.[layer.column]?.node.classList.add("gw-focus");
    } else if (this._inPane) {
      this._row = Math.min(this._row, this._rows.length - 1);
      this._column = Math.min(this._column, this._rows[this._row].length - 1);
      this._rows[this._row][this._column].node.classList.add("gw-focus");
    } else {
      this._entries[this._section].classList.add("gw-focus");
    }
    this._reveal();
  }

  _reveal() {
    const node = this._inPane ? this._rows[this._row][this._column].node : null;
    const height = this._pane.scrollHeight;
    const middle = node ? node.offsetTop + node.offsetHeight / 2 - VIEW_PX / 2 : 0;
    const shift = Math.round(Math.min(Math.max(0, middle), Math.max(0, height - VIEW_PX)));
    this._pane.style.setProperty("transform", `translateY(${-shift}px)`);
  }

  async _tick() {
    const now = await clock.now().catch(() => new Date());
    const locale = this._app.locale;
    const day = now.toLocaleDateString(locale, { month: "long", day: "numeric", weekday: "short" });
    const time = now.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
    this._clock.replaceChildren(el("small", day), time);
  }
}

/** The texts of the household's language: `texts` holds one table per locale. */
export async function speak(texts) {
  const locale = await i18n.locale();
  const spoken = texts[locale] ? locale : "zh-CN";
  document.documentElement.lang = spoken;
  return { locale: spoken, words: texts[spoken], say: (both) => (typeof both === "string" ? both : both[spoken]) };
}
