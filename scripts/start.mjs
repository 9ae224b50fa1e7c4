// `npm start`: sets everything up, then runs the main job on a local sandbox, in this same process, so
// that its signals and its exit code are this one's.
import { setup } from "./setup.mjs";
import { say, StepError } from "./steps.mjs";

try {
  await setup();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exit(1);
}
await import("../examples/start.mjs");
