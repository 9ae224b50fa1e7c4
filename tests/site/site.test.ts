// The documentation's site, as `npm run site` builds it: its links, and what a reader does in a browser.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { launchChromium, TIMEOUT } from "../helpers/chromium.js";
import { serveFiles, type StaticServer } from "../helpers/static.js";

const SITE = join(process.cwd(), "target", "site");
const PICTURES = join("target", "site-pictures");

const pages = readdirSync(SITE, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".html"),
);
const textOf = (path: string) => readFileSync(join(SITE, path), "utf8");

test("every link and picture of every page leads somewhere", () => {
  const ids = new Map<string, Set<string>>();
  const idsOf = (path: string) => {
    const known =
      ids.get(path) ?? new Set(Array.from(textOf(path).matchAll(/ id="([^"]+)"/g), ([, id = ""]) => id));
    ids.set(path, known);
    return known;
  };
  const broken = new Set<string>();
  for (const page of pages)
    for (const [, target = ""] of textOf(page).matchAll(/ (?:href|src)="([^"]+)"/g)) {
      const url = new URL(target.replaceAll("&amp;", "&"), `http://site/${page}`);
      if (url.host !== "site") continue;
      const path = decodeURIComponent(url.pathname.slice(1)).replace(/(^|\/)$/, "$1index.html");
      const isThere = existsSync(join(SITE, path));
      const anchor = decodeURIComponent(url.hash.slice(1));
      if (!isThere || (anchor !== "" && !idsOf(path).has(anchor))) broken.add(`${page}: ${target}`);
    }
  assert.deepEqual([...broken], []);
});

test("every page of docs/ is a page of the site", () => {
  const documents = readdirSync("docs", { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".md"),
  );
  const expected = documents.map((path) =>
    join(
      "docs",
      path.replace(/(README)?\.md$/, (_, index) => `${index ? "index" : ""}.html`),
    ),
  );
  assert.deepEqual(
    expected.filter((path) => !pages.includes(path)),
    [],
  );
});

let server: StaticServer;
let browser: Browser;
before(async () => {
  server = await serveFiles(pathToFileURL(`${SITE}/`), {});
  browser = await launchChromium();
  mkdirSync(PICTURES, { recursive: true });
});
after(async () => {
  await browser.close();
  await server.close();
});

/** Opens a page of the site for `use`. Fails on an error in the browser's console and on a request to another host. */
async function reading(
  options: { path: string; width?: number; colorScheme?: "light" | "dark" },
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const { path, width = 1280, colorScheme = "light" } = options;
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  page.setDefaultTimeout(TIMEOUT);
  const wrong: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== server.origin && protocol !== "data:") wrong.push(`a request to ${request.url()}`);
  });
  try {
    // Scripts are modules, which have run when the page has loaded.
    await page.goto(`${server.origin}${path}`, { waitUntil: "load" });
    await use(page);
    assert.deepEqual(wrong, []);
  } finally {
    await page.close();
  }
}

const heading = (page: Page, name: string | RegExp) =>
  page.getByRole("heading", { level: 1, name }).waitFor();

test("the search finds a method, and a result opens its page", { timeout: TIMEOUT }, () =>
  reading({ path: "/" }, async (page) => {
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("searchbox").fill("followOutput");
    const result = page.getByRole("option", { name: /Sandbox.*followOutput\(\)/ }).first();
    await result.click();
    await heading(page, "Sandbox");
    assert.match(page.url(), /\/docs\/reference\/shoreline\/classes\/Sandbox\.html#followoutput$/);
  }),
);

test("the sidebar leads to a page of the reference", { timeout: TIMEOUT }, () =>
  reading({ path: "/docs/reference/" }, async (page) => {
    const sidebar = page.getByRole("navigation", { name: "Sidebar Navigation" });
    await sidebar.getByRole("button", { name: "toggle section" }).first().click();
    await sidebar.getByText("Classes", { exact: true }).first().click();
    await sidebar.getByRole("link", { name: "Sandbox", exact: true }).click();
    await heading(page, "Sandbox");
    await page.getByText("A sandbox, in the cloud or on a local server").waitFor();
  }),
);

test("a guide's link leads to another guide", { timeout: TIMEOUT }, () =>
  reading({ path: "/docs/" }, async (page) => {
    await page.getByRole("main").getByRole("link", { name: "Stream output" }).first().click();
    await heading(page, "Stream output");
    await page.getByRole("main").getByRole("link").first().waitFor();
  }),
);

test("the sidebar has the guides in the order of docs/README.md", { timeout: TIMEOUT }, () =>
  reading({ path: "/docs/" }, async (page) => {
    const index = readFileSync(join("docs", "README.md"), "utf8").split(/^Reference: /m)[0] ?? "";
    const listed = [...new Set(Array.from(index.matchAll(/\]\((\w[\w-]*)\.md/g), ([, name]) => name))];
    const links = page.getByRole("navigation", { name: "Sidebar Navigation" }).getByRole("link");
    const shown = await links.evaluateAll((all) =>
      all.flatMap((link) => /\/docs\/([\w-]+)\.html$/.exec(link.getAttribute("href") ?? "")?.[1] ?? []),
    );
    const guides = listed.filter((name) => !/^(errors|protocol)$/.test(`${name}`));
    assert.deepEqual(shown.slice(0, guides.length), guides);
  }),
);

for (const width of [1280, 375])
  for (const colorScheme of ["light", "dark"] as const)
    for (const [name, path] of [
      ["home", "/"],
      ["guide", "/docs/streaming.html"],
      ["reference", "/docs/reference/shoreline/classes/Sandbox.html"],
    ] as const)
      test(`${name} at ${width} px, ${colorScheme}: fits the window`, { timeout: TIMEOUT }, () =>
        reading({ path, width, colorScheme }, async (page) => {
          await heading(page, /./);
          await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}.png`) });
          const isDark = await page.evaluate(() => document.documentElement.classList.contains("dark"));
          assert.equal(isDark, colorScheme === "dark");
          const tooWide = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          assert.equal(tooWide, 0);
        }),
      );
