// `npm run watch`: builds everything, then again what a changed file is part of: the bundles (a second, types unchecked),
// the WebAssembly core or the local server. `npm test` checks and builds the types anew.
import { watch } from "node:fs";
import { join } from "node:path";
import { bundles } from "./bundles.mjs";
import { core, localServer, setup } from "./setup.mjs";
import { root, say, seconds } from "./steps.mjs";

/** What is built from each directory. */
const SOURCES = {
  [join("js", "src")]: [bundles],
  src: [core, bundles],
  [join("crates", "protocol", "src")]: [core, bundles, localServer],
  [join("crates", "local", "src")]: [localServer],
};
/** Editors write a file in several steps, ms. */
const QUIET = 100;

await setup();
const changed = new Set();
let timer;
let building = Promise.resolve();

async function build() {
  const works = new Set(Array.from(changed, (folder) => SOURCES[folder]).flat());
  changed.clear();
  const began = Date.now();
  try {
    for (const work of works) await work();
    if (works.size > 0) say(`built in ${seconds(began)}`);
  } catch (error) {
    say(error.message);
  }
}

for (const folder of Object.keys(SOURCES))
  watch(join(root, folder), { recursive: true }, () => {
    changed.add(folder);
    clearTimeout(timer);
    timer = setTimeout(() => (building = building.then(build)), QUIET);
  });
say(`watching ${Object.keys(SOURCES).join(", ")}`);
