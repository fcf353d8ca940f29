// Copies the few libraries of the page from node_modules into vendor/, where the
// browser finds them without a bundler.  One rule: nothing is changed on the way
// but the trailing reference to a source map that we do not ship.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "vendor");

/** @type {Record<string, {from: string, types: string}>} */
const files = {
  "preact.js": { from: "preact/dist/preact.mjs", types: 'export * from "preact";\n' },
  "htm.js": { from: "htm/dist/htm.mjs", types: 'export { default } from "htm";\n' },
  "hls.js": { from: "hls.js/dist/hls.min.mjs", types: 'export * from "hls.js";\nexport { default } from "hls.js";\n' },
  "hls.worker.js": { from: "hls.js/dist/hls.worker.js", types: "" },
};

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, { from, types }] of Object.entries(files)) {
  const source = readFileSync(join(here, "node_modules", from), "utf8");
  writeFileSync(join(target, name), source.replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, "\n"));
  if (types) writeFileSync(join(target, name.replace(/\.js$/, ".d.ts")), types);
}
