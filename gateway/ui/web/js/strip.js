/**
 * One horizontal row of which only what is seen exists.
 * One rule: a thousand items cost as many nodes as fit on the screen.
 */

import { scrolled } from "./focus.js";
import { html } from "./html.js";

export class Strip {
  /** @param {string} name @param {number} gap */
  constructor(name, gap) {
    this._name = name;
    this._gap = gap;
    this._first = 0;
  }

  /**
   * @param {object} what
   * @param {number} what.count
   * @param {number} what.index the focused or last focused item
   * @param {number} what.visible whole items in a row
   * @param {number} what.width of the row, in canvas pixels
   * @param {number} [what.peek] width of the next item that looks in from the right
   * @param {(index: number) => any} what.item its content; must carry a key
   */
  view({ count, index, visible, width, peek = 0, item }) {
    this._first = scrolled(this._first, index, visible, count);
    const step = (width - peek + this._gap) / visible;
    const items = [];
    const from = Math.max(0, this._first - 1);
    for (let i = from; i < Math.min(count, this._first + visible + 2); i++) {
      items.push(html`<div class="slot" key=${i} style=${{ width: `${step - this._gap}px`, transform: `translateX(${i * step}px)` }}>${item(i)}</div>`);
    }
    return html`<div class=${`strip ${this._name}`}><div class="belt" style=${{ transform: `translateX(${-this._first * step}px)` }}>${items}</div></div>`;
  }
}
