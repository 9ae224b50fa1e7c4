// The contract suite in WebKitGTK, whose engine is Safari's.
import { evaluate, goTo, launchWebKit } from "../../helpers/webkit.js";
import { contractInBrowser } from "../browser.js";

contractInBrowser(async () => {
  const { version, command, close } = await launchWebKit();
  return {
    version: `WebKitGTK ${version}`,
    // The session's own window: tests have one page each.
    newPage: () =>
      Promise.resolve({
        goto: (url: string) => goTo(command, url),
        evaluate: (work, given) => evaluate(command, work, given),
      }),
    close,
  };
});
