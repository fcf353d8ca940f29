/**
 * Where the focus is, as indices: rows, grids and lists.
 * One rule: nothing here looks at the DOM; a move is arithmetic, so it costs the
 * same for five items and for five thousand.
 *
 * @import { Key } from "./types.js"
 */

/** @param {number} value @param {number} count */
const clamp = (value, count) => Math.max(0, Math.min(value, count - 1));

/** Named rows under each other; each remembers where it was left. */
export class Rows {
  /**
   * @param {() => {name: string, count: number}[]} rows what there is now, top to bottom
   * @param {string} first the row that has the focus at first
   */
  constructor(rows, first) {
    this._rows = rows;
    this._name = first;
    /** @type {Record<string, number>} */
    this._index = {};
  }

  /** The focused row's name; an emptied row passes the focus on. */
  get row() {
    const rows = this._rows().filter((row) => row.count > 0);
    return rows.some((row) => row.name === this._name) ? this._name : (rows[0]?.name ?? "");
  }

  /** @param {string} [name] the focused one if not said */
  index(name = this.row) {
    const row = this._rows().find((each) => each.name === name);
    return clamp(this._index[name] ?? 0, row?.count ?? 0);
  }

  /** @param {string} name @param {number} index */
  isAt(name, index) {
    return this.row === name && this.index(name) === index;
  }

  /** @param {string} name @param {number} [index] */
  set(name, index = 0) {
    this._name = name;
    this._index[name] = index;
  }

  /** @param {Key} key @returns {boolean} whether the focus moved */
  move(key) {
    const rows = this._rows().filter((row) => row.count > 0);
    const at = rows.findIndex((row) => row.name === this.row);
    const row = rows[at];
    if (!row) return false;
    if (key === "up" || key === "down") {
      const next = rows[at + (key === "up" ? -1 : 1)];
      if (next) this._name = next.name;
      return next !== undefined;
    }
    if (key !== "left" && key !== "right") return false;
    const index = this.index(row.name);
    const next = clamp(index + (key === "left" ? -1 : 1), row.count);
    this._index[row.name] = next;
    return next !== index;
  }
}

/** Items in reading order, `columns` a line; one column is a list. */
export class Grid {
  /** @param {() => number} count @param {() => number} [columns] */
  constructor(count, columns = () => 1) {
    this._count = count;
    this._columns = columns;
    this._index = 0;
  }

  get index() {
    return clamp(this._index, this._count());
  }

  set index(value) {
    this._index = clamp(value, this._count());
  }

  /** Stay with what has the focus when the list is another. @param {string[]} was ids @param {string[]} now ids */
  stay(was, now) {
    const at = now.indexOf(was[this._index] ?? "");
    this.index = at >= 0 ? at : this._index;
  }

  /** @param {Key} key @param {number} [page] lines that channel up and down move by, 0 for none */
  move(key, page = 0) {
    const columns = this._columns();
    const step = { up: -columns, down: columns, left: -1, right: 1, channel_up: -page * columns,
      channel_down: page * columns }[/** @type {string} */ (key)];
    if (!step) return false;
    const index = this.index;
    if (Math.abs(step) === 1 && columns > 1 && Math.floor((index + step) / columns) !== Math.floor(index / columns)) {
      return false;
    }
    if (columns === 1 && (key === "left" || key === "right")) return false;
    const last = this._count() - 1;
    let next = index + step;
    if (page && (key === "channel_up" || key === "channel_down")) next = clamp(next, last + 1);
    else if (next > last && Math.floor(last / columns) > Math.floor(index / columns)) next = last;
    if (next < 0 || next > last || next === index) return false;
    this._index = next;
    return true;
  }
}

/**
 * First visible item so that `index` is seen, moving no further than needed.
 * @param {number} first the present one @param {number} index @param {number} visible @param {number} count
 */
export function scrolled(first, index, visible, count) {
  const least = index - visible + 1;
  return Math.max(0, Math.min(Math.max(first, least), index, Math.max(0, count - visible)));
}
