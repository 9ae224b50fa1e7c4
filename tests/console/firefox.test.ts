// Clicking through the console in headless Firefox, driven over WebDriver BiDi.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, launch } from "puppeteer-core";
import { eventually } from "../helpers/processes.js";
import { clicks } from "./clicks.js";
import type { Page } from "./tab.js";

/** Firefox reports a connection that fails, or that a reload ends, as an error, even if that is caught. */
const TOLD =
  /Cross-Origin Request Blocked|can’t establish a connection|was interrupted while the page was loading/;

clicks(async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoreline-saved-"));
  const browser = await launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    timeout: 180_000,
    extraPrefsFirefox: {
      "browser.download.folderList": 2,
      "browser.download.dir": folder,
      "browser.download.alwaysOpenPanel": false,
    },
  });
  const contexts = new Map<Page, BrowserContext>();
  return {
    name: "firefox",
    newPage: async (beside) => {
      const shared = beside && contexts.get(beside);
      const context = shared ?? (await browser.createBrowserContext());
      const page = await context.newPage();
      page.setDefaultTimeout(180_000);
      await page.setViewport({ width: 1200, height: 760 });
      const thrown: string[] = [];
      page.on("pageerror", (error) => {
        if (!TOLD.test(String(error))) thrown.push(String(error));
      });
      const made: Page = {
        goto: (url) => page.goto(url),
        reload: () => page.reload(),
        front: () => page.bringToFront(),
        url: () => Promise.resolve(page.url()),
        close: () => (shared ? page.close() : context.close()),
        evaluate: (work, given) => page.evaluate(work, given),
        execute: (script) => page.evaluate(script),
        mouse: page.mouse,
        keyboard: page.keyboard,
        wheel: (by) => page.mouse.wheel({ deltaY: by }),
        resize: (width, height) => page.setViewport({ width, height }),
        screenshot: (path) => page.screenshot({ path }),
        saved: async (work) => {
          const before = new Set(readdirSync(folder));
          await work();
          let name: string | undefined;
          await eventually("a file is saved", () => {
            const names = readdirSync(folder).filter((each) => !before.has(each));
            name = names.find((each) => !each.endsWith(".part"));
            // Its name is taken by an empty file first.
            return name !== undefined && names.length === 1 && statSync(join(folder, name)).size > 0;
          });
          return readFile(join(folder, name ?? ""));
        },
        thrown: () => Promise.resolve(thrown),
      };
      contexts.set(made, context);
      return made;
    },
    close: async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
