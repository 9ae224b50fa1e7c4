// The contract suite in a page of headless Chromium. The page is of another origin than the server, so
// that every request is checked, and preflighted, as a real page's is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { type LocalServer, startLocal } from "shoreline/local";
import { cases } from "../../contract/index.js";
import { type StaticServer, serveFiles } from "../../helpers/static.js";
import type { Suite } from "./page.js";

declare const suite: Suite;

let files: StaticServer;
let server: LocalServer;
let browser: Browser;
let page: Page;
let ran = 0;

const html = `<!doctype html><title>contract</title>
<script type="importmap">{ "imports": { "shoreline": "/node_modules/shoreline/pkg/entry/browser.js" } }</script>
<script type="module" src="/tests/runtimes/chromium/page.js"></script>`;

before(async () => {
  files = await serveFiles(new URL("../../../", import.meta.url), html);
  server = await startLocal({ allowOrigins: [files.origin] });
  browser = await chromium.launch({
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
  page = await browser.newPage();
  page.on("pageerror", (error) => {
    console.error("in the page:", error);
  });
  await page.goto(files.origin);
  await page.waitForFunction(() => "suite" in globalThis);
  await page.evaluate((to) => suite.prepare(to), { url: server.url, apiKey: server.apiKey });
});
after(async () => {
  await browser.close();
  await server.close();
  await files.close();
});

test("the page has the same cases", async () => {
  assert.deepEqual(
    await page.evaluate(() => suite.names()),
    cases.map(({ name }) => name),
  );
});

for (const { name } of cases) {
  test(name, async () => {
    ran++;
    await page.evaluate((one) => suite.run(one), name);
  });
}

test("every case of the suite ran", () => {
  assert.ok(cases.length > 100, `there are ${cases.length} cases`);
  assert.equal(ran, cases.length);
});

test("a page of an origin that is not allowed cannot use the server", async () => {
  const strict = await startLocal();
  try {
    const get = (url: string) => fetch(url).then((response) => response.status, String);
    assert.match(String(await page.evaluate(get, `${strict.url}/sandboxes`)), /Failed to fetch/);
  } finally {
    await strict.close();
  }
});
