// `npm run test:soak`: ten thousand schedules, other ones each time. `-- --from N` drives those from N on,
// `-- --seed N` the one, with what the proxy did.
import { parseArgs } from "node:util";
import { compileTests, pack } from "../../scripts/package.mjs";
import { setup } from "../../scripts/setup.mjs";
import { run, say, StepError } from "../../scripts/steps.mjs";

const { values } = parseArgs({ options: { seed: { type: "string" }, from: { type: "string" } } });
const first = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 1e9));
const count = values.seed === undefined ? 10_000 : 1;

try {
  await setup();
  await pack();
  const files = await compileTests("faults/schedules");
  say(`driving ${count} schedules, from ${first} on`);
  const env = { FAULTS_FIRST: String(first), FAULTS_COUNT: String(count) };
  const reporter = `--test-reporter=${count === 1 ? "spec" : "dot"}`;
  // Not by `--test`, which would not show what the file itself prints.
  await run(process.execPath, [reporter, ...files], { env });
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
