/**
 * Adding a month's ledger up again.
 * One rule: whole fen only; what is published is compared, never corrected.
 */

/** @typedef {{signedBy: string|null, opening: number, closing: number, lines: {fen: number}[]}} Ledger */

/** What the lines come to. @param {Ledger} ledger */
export function check(ledger) {
  const income = ledger.lines.reduce((sum, { fen }) => sum + Math.max(fen, 0), 0);
  const spending = ledger.lines.reduce((sum, { fen }) => sum + Math.max(-fen, 0), 0);
  return { income, spending, difference: ledger.closing - (ledger.opening + income - spending) };
}

/** 1864325 → "18,643.25". @param {number} fen */
export function yuan(fen) {
  const whole = Math.trunc(Math.abs(fen) / 100).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return `${fen < 0 ? "−" : ""}${whole}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;
}
