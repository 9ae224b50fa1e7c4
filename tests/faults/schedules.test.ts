// Many schedules. `npm test` drives some seeds, `npm run test:soak` many, or the one that it is given.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type LocalServer, startLocal } from "shoreline/local";
import { drive, type Verdict } from "./drive.js";
import { INSTEAD, READERS, SHAPES } from "./schedule.js";
import { type PeerName, PEERS } from "./peer.js";

const first = Number(process.env.FAULTS_FIRST ?? 1);
const count = Number(process.env.FAULTS_COUNT ?? 300);
const only = Object.keys(PEERS).find((name): name is PeerName => name === process.env.FAULTS_PEER);

let server: LocalServer;
const verdicts: Omit<Verdict, "story">[] = [];

before(async () => {
  server = await startLocal();
});
after(async () => {
  await server.close();
  report();
});

void suite("schedules", { concurrency: 12, timeout: Infinity }, () => {
  for (let seed = first; seed < first + count; seed++) {
    test(`seed ${seed}`, async () => {
      const { story, ...verdict } = await drive(seed, server, only);
      verdicts.push(verdict);
      if (count === 1) console.log(story.join("\n"));
    });
  }
});

/** What must have occurred, or the schedules prove less than they seem to. */
const KINDS = [
  ...Object.keys(SHAPES).filter((shape) => shape !== "whole"),
  ...["reset", "finish", "stall", "early end", "delay", "refusal"],
  ...Object.keys(INSTEAD),
];

test(
  "unfinished lines were sent through faults to every kind of reader",
  { skip: (count < 100 || only !== undefined) && "too few" },
  () => {
    assert.deepEqual(new Set(readersOfUnfinished().keys()), new Set(Object.keys(READERS)));
  },
);

/** How many schedules of each reader had unfinished lines, faults, and the exact output. */
function readersOfUnfinished(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { reader, unfinished, exact, faults } of verdicts)
    if (unfinished > 0 && exact && faults.length > 0) counts.set(reader, (counts.get(reader) ?? 0) + 1);
  return counts;
}

test(
  "every kind of fault, of server and of reader occurred",
  { skip: (count < 100 || only !== undefined) && "too few" },
  () => {
    const seen = (of: (verdict: Omit<Verdict, "story">) => string[]) =>
      Array.from(new Set(verdicts.flatMap(of))).sort();
    assert.deepEqual(
      seen(({ faults }) => faults),
      KINDS.sort(),
    );
    assert.deepEqual(
      seen(({ peer }) => [peer]),
      Object.keys(PEERS).sort(),
    );
    assert.deepEqual(
      seen(({ reader }) => [reader]),
      Object.keys(READERS).sort(),
    );
  },
);

function report(): void {
  const failed = count - verdicts.length;
  const exact = verdicts.filter((verdict) => verdict.exact).length;
  const lines = KINDS.flatMap((kind) => {
    const of = verdicts.filter(({ faults }) => faults.includes(kind));
    const good = of.filter((verdict) => verdict.exact).length;
    if (of.length === 0) return [];
    return [`  ${kind}: ${of.length} schedules, ${good} exact, ${of.length - good} ended in an error`];
  });
  const codes = new Map<string, number>();
  for (const { code } of verdicts) if (code !== undefined) codes.set(code, (codes.get(code) ?? 0) + 1);
  const errors = Array.from(codes, ([code, times]) => `${code} ${times}`).join(", ");
  console.log(
    [
      `${count} schedules, seeds ${first} to ${first + count - 1}: ${exact} exact, ` +
        `${verdicts.length - exact} ended in an error that was due, ${failed} FAILED`,
      `  unfinished lines: ${verdicts.filter(({ unfinished }) => unfinished > 0).length} schedules, ` +
        `of them through faults: ${Array.from(readersOfUnfinished(), ([reader, times]) => `${reader} ${times}`).join(", ")}`,
      ...lines,
      `  errors: ${errors || "none"}`,
    ].join("\n"),
  );
}
