// The Chromium that tests drive: the one that CHROMIUM names, or the system's.
import { type Browser, chromium } from "playwright-core";

const args = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"],
  ...["--disable-sync", "--disable-component-update", "--disable-background-networking"],
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}
