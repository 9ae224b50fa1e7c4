import { setup } from "./setup.mjs";
import { StepError, say } from "./steps.mjs";

try {
  await setup();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
