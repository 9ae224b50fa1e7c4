// Measures by turns, in Node and in pages.
import { followers } from "./contenders.mjs";

export function must(condition, name, otherwise) {
  if (!condition) throw new Error(`${name}: ${otherwise}`);
}

export const get = async (url, path) => (await fetch(url + path)).json();

/** Times of each by turns, so that a busy moment of the machine is not one's alone; the first is not timed. */
export async function byTurns(names, passes, work) {
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let pass = 0; pass <= passes; pass++) {
    for (const name of names) {
      const began = performance.now();
      await work(name, pass === 0);
      if (pass > 0) times[name].push(performance.now() - began);
    }
  }
  return times;
}

/** Reads all of a stream's lines. */
export async function follow(url, stream, names, passes = 7) {
  const expected = await get(url, `/followed/${stream}`);
  const lost = {};
  const times = await byTurns(names, passes, async (name, first) => {
    const seen = await followers[name](url, stream, first);
    // The official SDK loses lines: their share is reported.
    if (name === "official SDK") lost[name] = 1 - seen.events / expected.events;
    else for (const [key, value] of Object.entries(seen)) must(value === expected[key], name, `other ${key}`);
  });
  return Object.fromEntries(names.map((name) => [name, { times: times[name], lost: lost[name] }]));
}
