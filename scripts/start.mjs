// `npm start`: sets everything up, then runs the main job on a local sandbox.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setup } from "./setup.mjs";
import { root, StepError, say } from "./steps.mjs";

try {
  await setup();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exit(1);
}
const child = spawn(process.execPath, [join(root, "examples", "start.mjs"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = signal ? 1 : (code ?? 1);
});
