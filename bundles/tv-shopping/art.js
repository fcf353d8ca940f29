/** Our own pictures of what is sold: shapes, no photographs. */

import { svg } from "./gateway-tv.js";

const FRUIT = {
  orange: () => [[150, 190, 62], [255, 205, 70], [352, 188, 58]].flatMap(([cx, cy, r]) => [
    ["circle", { cx, cy, r, fill: "#f28a1c" }],
    ["circle", { cx: cx - r / 3, cy: cy - r / 3, r: r / 2.4, fill: "#ffb65c", opacity: 0.7 }],
    ["path", { d: `M${cx} ${cy - r} q${r / 2} ${-r / 2} ${r} ${-r / 8} q${-r / 2} ${r / 3} ${-r} ${r / 8}Z`, fill: "#3f8f3a" }],
  ]),
  tea: () => [
    ...[0, 1, 2, 3].map((k) => ["path", { d: `M-20 ${150 + k * 40} Q120 ${100 + k * 40} 260 ${146 + k * 38} T540 ${130 + k * 42}`, stroke: "#9fe0b0", "stroke-opacity": 0.3 - k * 0.04, "stroke-width": 16, fill: "none" }]),
    ["path", { d: "M250 230 C190 170 200 90 250 50 C300 90 310 170 250 230Z", fill: "#6cc46a" }],
    ["path", { d: "M250 232 C170 220 130 170 128 120 C190 124 240 160 250 232Z", fill: "#4da552" }],
    ["path", { d: "M250 232 C330 220 370 170 372 120 C310 124 260 160 250 232Z", fill: "#3f9148" }],
    ["path", { d: "M250 60 V250", stroke: "#d9f5c8", "stroke-width": 4, fill: "none" }],
  ],
  honey: () => [
    ...[[90, 70], [150, 104], [90, 138], [400, 90], [400, 158]].map(([x, y]) => ["path", { d: `M${x} ${y - 34} l30 17 v34 l-30 17 l-30 -17 v-34Z`, fill: "#ffd27a", opacity: 0.22 }]),
    ["rect", { x: 180, y: 92, width: 140, height: 168, rx: 30, fill: "#f4b32d" }],
    ["rect", { x: 196, y: 108, width: 28, height: 130, rx: 14, fill: "#ffe09a", opacity: 0.7 }],
    ["rect", { x: 172, y: 62, width: 156, height: 44, rx: 16, fill: "#8a4b12" }],
    ["rect", { x: 180, y: 158, width: 140, height: 56, fill: "#fff3d6" }],
    ["path", { d: "M232 186 h36 M250 170 v32", stroke: "#b8631b", "stroke-width": 7, "stroke-linecap": "round" }],
  ],
  rice: () => [
    ["path", { d: "M130 250 C110 170 150 130 190 118 H310 C350 130 390 170 370 250Z", fill: "#e9dfc4" }],
    ["path", { d: "M190 118 C200 96 180 86 172 76 H328 C320 86 300 96 310 118Z", fill: "#cdbf98" }],
    ["rect", { x: 180, y: 112, width: 140, height: 12, rx: 6, fill: "#a33b2e" }],
    ...[[222, 178], [250, 200], [278, 178], [236, 218], [264, 222]].map(([x, y]) => ["ellipse", { cx: x, cy: y, rx: 7, ry: 15, fill: "#b59b4d", transform: `rotate(${x - 250} ${x} ${y})` }]),
  ],
  mushroom: () => [[170, 180, 1], [300, 196, 1.25], [396, 170, 0.8]].flatMap(([x, y, s]) => [
    ["path", { d: `M${x - 18 * s} ${y} q${4 * s} ${50 * s} ${-4 * s} ${66 * s} h${44 * s} q${-8 * s} ${-16 * s} ${-4 * s} ${-66 * s}Z`, fill: "#ecd9bd" }],
    ["path", { d: `M${x - 78 * s} ${y + 6 * s} C${x - 70 * s} ${y - 84 * s} ${x + 70 * s} ${y - 84 * s} ${x + 78 * s} ${y + 6 * s} Q${x} ${y + 30 * s} ${x - 78 * s} ${y + 6 * s}Z`, fill: "#8a5a37" }],
    ["path", { d: `M${x - 30 * s} ${y - 34 * s} l${18 * s} ${12 * s} M${x + 8 * s} ${y - 46 * s} l${6 * s} ${22 * s} M${x + 34 * s} ${y - 26 * s} l${-12 * s} ${14 * s}`, stroke: "#d8b48c", "stroke-width": 5 * s, "stroke-linecap": "round" }],
  ]),
  potato: () => [
    ["path", { d: "M96 200 C110 130 210 110 270 140 C330 170 330 226 270 240 C200 256 86 252 96 200Z", fill: "#b6434f" }],
    ["path", { d: "M250 214 C280 150 380 130 420 164 C452 196 420 246 360 250 C310 252 236 246 250 214Z", fill: "#9d3644" }],
    ["ellipse", { cx: 336, cy: 200, rx: 60, ry: 34, fill: "#ff9d45", transform: "rotate(-16 336 200)" }],
    ["ellipse", { cx: 336, cy: 200, rx: 40, ry: 21, fill: "#ffbf73", transform: "rotate(-16 336 200)" }],
    ["path", { d: "M130 186 q14 -20 34 -24 M190 166 q20 -4 30 4", stroke: "#e58a90", "stroke-width": 5, "stroke-linecap": "round", fill: "none" }],
  ],
};

let drawn = 0;

/** The picture of `good`, in 500 x 280. */
export function picture(good) {
  const id = `sky${++drawn}`;
  const root = svg("0 0 500 280", [
    ["rect", { width: 500, height: 280, fill: `url(#${id})` }],
    ["circle", { cx: 400, cy: 60, r: 90, fill: "#fff", opacity: 0.1 }],
    ["path", { d: "M0 250 Q120 214 250 244 T500 232 V280 H0Z", fill: "#000", opacity: 0.22 }],
    ...FRUIT[good.art](),
  ]);
  const gradient = svg("0 0 1 1", [["linearGradient", { id, x1: 0, y1: 0, x2: 1, y2: 1 }]]).firstChild;
  gradient.append(...svg("0 0 1 1", [["stop", { offset: 0, "stop-color": good.sky[0] }], ["stop", { offset: 1, "stop-color": good.sky[1] }]]).childNodes);
  root.prepend(gradient);
  root.setAttribute("preserveAspectRatio", "xMidYMid slice");
  return root;
}
