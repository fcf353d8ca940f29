/**
 * Preact and htm bound together, and the few pieces every screen draws with.
 * One rule: a piece shows what it is given; it knows nothing of the house.
 */

import { Component, h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = /** @type {any} */ (htm).bind(h);
export { Component, render };

/** Line drawings on a 24 × 24 field. @type {Record<string, string>} */
const PATHS = {
  home: "M3 11 12 4l9 7M6 10v9h12v-9M10 19v-5h4v5",
  things: "M12 3v4m0 10v4M3 12h4m10 0h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  guide: "M4 6h16M4 12h10M4 18h13M18 10v5l3 2",
  type: "M4 19 9.5 5 15 19M6 14h7M17 19v-7m-2.5 2.5L17 12l2.5 2.5",
  channels: "M4 6h2m4 0h10M4 12h2m4 0h10M4 18h2m4 0h10",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM8.5 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
  flag: "M5 21V4m0 0h13l-3 4 3 4H5",
  village: "M3 20h18M5 20V10l7-6 7 6v10M10 20v-5h4v5",
  health: "M4 12h4l2-6 4 12 2-6h4",
  shop: "M6 8h13l-1.5 9H8L6 4H3m6 16.5h.1M17 20.5h.1",
  lamp: "M9 18h6M10 21h4M8.5 15c-2-1.4-3-3.3-3-5.5a6.5 6.5 0 1 1 13 0c0 2.2-1 4.100-3 5.500V18h-7Z",
  plug: "M9 3v5m6-5v5M6 8h12v4a6 6 0 0 1-12 0ZM12 18v3",
  thermometer: "M10 13.500V5.500a2 2 0 1 1 4 0v8a4 4 0 1 1-4 0ZM12 16v-5",
  drop: "M12 4c3.500 4 5.500 6.800 5.500 9.500a5.500 5.500 0 1 1-11 0C6.500 10.800 8.500 8 12 4Z",
  door: "M6 21V4h12v17M3 21h18M14.500 12.500v.1",
  lock: "M6 11h12v9H6ZM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  blind: "M4 4h16M6 4v13h12V4M6 8h12M6 12h12M12 17v3",
  fan: "M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM12 10c-2-3 0-6 2-6s2 4-.5 6.500M13.700 13c3.600-.2 5.200 3 4.200 4.700s-4.400-.2-4.900-3.200M10.300 13c-1.600 3.200-5.200 3.400-6.200 1.700s2.200-3.800 5.300-2.700",
  sound: "M4 10v4h4l5 4V6l-5 4ZM16.500 9a4.500 4.500 0 0 1 0 6M19 6.500a8 8 0 0 1 0 11",
  silent: "M4 10v4h4l5 4V6l-5 4ZM17 10l4 4m0-4-4 4",
  bell: "M6 9a6 6 0 1 1 12 0c0 6 2.500 7 2.500 7h-17S6 15 6 9M10 20h4",
  pause: "M9 5v14M15 5v14",
  play: "M8 5v14l11-7Z",
  record: "M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12Z",
  radio: "M4 9h16v11H4ZM7 9l9-5M15.500 12a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5ZM7 13h3m-3 3h3",
  app: "M5 5h6v6H5ZM13 5h6v6h-6ZM5 13h6v6H5ZM13 13h6v6h-6Z",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  unplugged: "M4 4l16 16M9 3v3m6-3v5M8 8H6v4a6 6 0 0 0 9.500 4.900M18 12V8h-5M12 18v3",
};

/** @param {{name: string, color?: string}} props */
export const Icon = ({ name, color = "currentColor" }) => html`
  <svg class="icon" viewBox="0 0 24 24" stroke=${color} aria-hidden="true"><path d=${PATHS[name] ?? PATHS.app} /></svg>`;

/** @param {string} name */
export const isIcon = (name) => name in PATHS;

/** How much of something has passed. @param {{part: number}} props */
export const Bar = ({ part }) => html`
  <div class="bar" role="progressbar" aria-valuenow=${Math.round(part * 100)}><i style=${{ transform: `scaleX(${part})` }} /></div>`;

const PALETTES = [
  ["#2b0608", "#8f1420", "#f2913d", "#4f0b13", "#220408"], ["#0b2a2e", "#1f7a68", "#bfe3a8", "#10443d", "#072422"],
  ["#060b1e", "#1b2a5c", "#8a8fe0", "#101838", "#070b1b"], ["#1c0b26", "#6e2a6d", "#f0a3a0", "#3c173f", "#1b0a1d"],
  ["#05202b", "#0d6e83", "#9fe0e0", "#0a424f", "#052229"], ["#2a1a05", "#a8701a", "#ffe2a0", "#5d3d0e", "#291a05"],
  ["#13233f", "#c8643c", "#ffcf86", "#1b3238", "#0a161d"], ["#0a1a12", "#3d6b2f", "#d8e59a", "#1f3a1c", "#0c170b"],
];

/** A quiet landscape of its own for every channel: there are no logos to borrow. */
export class Art extends Component {
  /** @param {any} next */
  shouldComponentUpdate(next) {
    return next.seed !== /** @type {any} */ (this.props).seed;
  }

  render() {
    const { seed } = /** @type {any} */ (this.props);
    const [sky, low, sun, far, near] = /** @type {string[]} */ (PALETTES[seed % PALETTES.length]);
    const id = `art${seed}`;
    const x = 170 + ((seed * 53) % 100);
    /** @param {number} y @param {number} lift */
    const hill = (y, lift) => {
      const points = [0, 1, 2, 3, 4].map((i) => y - Math.abs(Math.sin(seed * 1.7 + i * 1.9 + lift)) * lift);
      return `M0 189V${y}` + points.map((p, i) => `Q${i * 84 - 42} ${p - 8} ${i * 84} ${p}`).join("") + "V189Z";
    };
    return html`<svg class="art" viewBox="0 0 336 189" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
      <defs>
        <linearGradient id=${id} x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color=${sky} /><stop offset=".8" stop-color=${low} /></linearGradient>
        <radialGradient id=${`${id}s`}><stop offset="0" stop-color=${sun} stop-opacity=".9" /><stop offset="1" stop-color=${sun} stop-opacity="0" /></radialGradient>
      </defs>
      <rect width="336" height="189" fill=${`url(#${id})`} />
      <circle cx=${x} cy="72" r="78" fill=${`url(#${id}s)`} /><circle cx=${x} cy="72" r="15" fill="#fff6e4" />
      <path d=${hill(128, 42)} fill=${far} /><path d=${hill(152, 30)} fill=${near} />
    </svg>`;
  }
}
