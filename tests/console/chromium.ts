// Headless Chromium, as the clicks use it.
import { readFile } from "node:fs/promises";
import type { BrowserContext } from "playwright-core";
import { launchChromium, TIMEOUT } from "../helpers/chromium.js";
import type { Browser, Page } from "./tab.js";

export async function launch(): Promise<Browser> {
  const browser = await launchChromium();
  const contexts = new Map<Page, BrowserContext>();
  return {
    name: "chromium",
    newPage: async (beside) => {
      const shared = beside && contexts.get(beside);
      const context = shared ?? (await browser.newContext({ viewport: { width: 1200, height: 760 } }));
      const page = await context.newPage();
      page.setDefaultTimeout(TIMEOUT);
      const thrown: string[] = [];
      page.on("pageerror", (error) => thrown.push(String(error)));
      const made: Page = {
        goto: (url) => page.goto(url),
        reload: () => page.reload(),
        front: () => page.bringToFront(),
        url: () => Promise.resolve(page.url()),
        close: () => (shared ? page.close() : context.close()),
        evaluate: ((work: never, given: never) => page.evaluate(work, given)) as Page["evaluate"],
        execute: (script) => page.evaluate(script),
        mouse: page.mouse,
        keyboard: page.keyboard,
        wheel: (by) => page.mouse.wheel(0, by),
        resize: (width, height) => page.setViewportSize({ width, height }),
        screenshot: (path) => page.screenshot({ path }),
        saved: async (work) => {
          const [download] = await Promise.all([page.waitForEvent("download"), work()]);
          return readFile(await download.path());
        },
        thrown: () => Promise.resolve(thrown),
      };
      contexts.set(made, context);
      return made;
    },
    close: () => browser.close(),
  };
}
