// The contract suite in headless Chromium.
import { chromium } from "playwright-core";
import { contractInBrowser } from "../browser.js";

contractInBrowser(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"],
      ...[
        "--no-first-run",
        "--disable-sync",
        "--disable-component-update",
        "--disable-background-networking",
      ],
    ],
  });
  return {
    version: `Chromium ${browser.version()}`,
    newPage: async () => {
      const page = await browser.newPage();
      page.on("pageerror", (error) => {
        console.error("in the page:", error);
      });
      return page;
    },
    close: () => browser.close(),
  };
});
