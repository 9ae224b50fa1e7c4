// The contract suite in headless Firefox, driven over WebDriver BiDi.
import { launch } from "puppeteer-core";
import { contractInBrowser } from "../browser.js";

contractInBrowser(async () => {
  const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  const browser = await launch({ browser: "firefox", executablePath, headless: true, timeout: 180_000 });
  return {
    // It says `firefox/153.0`.
    version: (await browser.version()).replace(/^firefox\//i, "Firefox "),
    newPage: () => browser.newPage(),
    close: () => browser.close(),
  };
});
