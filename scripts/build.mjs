// `npm run build`: sets everything up and builds it.
import { setup } from "./setup.mjs";
import { say, StepError } from "./steps.mjs";

try {
  await setup();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
