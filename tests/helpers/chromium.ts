// The Chromium that tests drive: the one that CHROMIUM names, or the system's.
import { type Browser, chromium } from "playwright-core";

const args = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"],
  ...["--disable-sync", "--disable-component-update", "--disable-background-networking"],
];

/** How long a browser or a page on a busy machine may take for what it has to do, ms. */
export const TIMEOUT = 180_000;

export function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args, timeout: TIMEOUT });
}
