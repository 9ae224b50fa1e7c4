// The contract suite in headless Chromium.
import { contractInBrowser } from "../browser.js";
import { launchChromium, TIMEOUT } from "../../helpers/chromium.js";

contractInBrowser(async () => {
  const browser = await launchChromium();
  return {
    version: `Chromium ${browser.version()}`,
    newPage: async () => {
      const page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT);
      page.on("pageerror", (error) => {
        console.error("in the page:", error);
      });
      return page;
    },
    close: () => browser.close(),
  };
});
