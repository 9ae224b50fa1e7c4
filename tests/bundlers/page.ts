// A page in headless Chromium that is given a sandbox server.
import { type LocalServer, startLocal } from "shoreline/local";
import { launchChromium, TIMEOUT } from "../helpers/chromium.js";

/** What a page at this address has as its title when it has done its work, or what it throws. */
export async function title(url: string): Promise<string> {
  await using server = await startLocal({ allowOrigins: [new URL(url).origin] });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT);
    const thrown = page.waitForEvent("pageerror").then(({ message }) => message);
    await page.goto(`${url}#${new URLSearchParams(addressOf(server)).toString()}`);
    const done = page.waitForFunction(() => document.title !== "waiting" && document.title);
    return await Promise.race([done.then((text) => text.jsonValue() as Promise<string>), thrown]);
  } finally {
    await browser.close();
  }
}

/** What a program needs to reach the server. */
export function addressOf({ url, apiKey }: LocalServer): { apiUrl: string; apiKey: string } {
  return { apiUrl: url, apiKey };
}
