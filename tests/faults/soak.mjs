// `npm run test:soak`: ten thousand schedules, other ones each time, then the local server's own suites and copies of
// trees, with more and larger rounds. `-- --from N` drives the schedules from N on. `-- --seed N` drives that one only, and prints
// what the proxy did. `-- --peer NAME` drives schedules of one kind of server only. SHORELINE_SEED=N repeats a round of the server's suites.
import { parseArgs } from "node:util";
import { compileTests, pack } from "../../scripts/package.mjs";
import { setup } from "../../scripts/setup.mjs";
import { run, say, StepError } from "../../scripts/steps.mjs";

const string = { type: "string" };
const { values } = parseArgs({ options: { seed: string, from: string, peer: string, count: string } });
const first = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 1e9));
const count = values.seed === undefined ? Number(values.count ?? 10_000) : 1;

/** The local server against clients that vanish and sandboxes that attack it. */
async function soakServer() {
  say("testing the local server against vanishing clients and hostile sandboxes");
  const env = { SHORELINE_SOAK: "1" };
  const cargo = (...args) => run("cargo", ["test", "--locked", "-p", "shoreline-local", ...args], { env });
  await cargo("--test", "vanishing", "--test", "hostile");
  await cargo("--test", "api", "bounds::");
}

async function soakTrees() {
  say("copying large trees into sandboxes and out of them");
  const files = await compileTests("trees/trees");
  await run(process.execPath, ["--test", "--test-reporter=dot", ...files], { env: { SHORELINE_SOAK: "1" } });
}

try {
  await setup();
  await pack();
  const files = await compileTests("faults/schedules");
  say(`driving ${count} schedules, from ${first} on`);
  const env = { FAULTS_FIRST: String(first), FAULTS_COUNT: String(count), FAULTS_PEER: values.peer ?? "" };
  const reporter = `--test-reporter=${count === 1 ? "spec" : "dot"}`;
  // Not by `--test`, which would not show what the file itself prints.
  await run(process.execPath, [reporter, ...files], { env });
  if (values.seed === undefined && values.peer === undefined) {
    await soakServer();
    await soakTrees();
  }
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
