// The console in elements of other pages: it fits into them, whatever their size.
import assert from "node:assert/strict";
import { run, type Session } from "./session.js";
import type { Tab } from "./tab.js";

/** What an element is in, and what that is in the page. */
const HOSTS = {
  "a flex item beside another": `<div style="display: flex; height: 100vh"><aside style="flex: none; width: 40px"></aside>HOST</div>`,
  "a flex item below another": `<div style="display: flex; flex-direction: column; height: 100vh"><header style="flex: none; height: 20px"></header>HOST</div>`,
  "a grid item": `<div style="display: grid; grid-template: 20px 1fr / 1fr; height: 100vh"><header></header>HOST</div>`,
  "an element of a fixed height": `<div style="height: 100vh; padding: 10px; box-sizing: border-box"><div style="height: calc(100vh - 20px)">HOST</div></div>`,
} as const;
const WIDTHS = [375, 600, 1000, 1280];
const HEIGHTS = [300, 420, 600, 900];

export function fits(session: Session): void {
  for (const [host, page] of Object.entries(HOSTS)) {
    session.test(`fits into ${host}`, async (t, tab) => {
      const name = "fits-a-name-that-is-as-long-as-the-names-of-sandboxes-may-be-63";
      const sandbox = await session.inSandbox(t, tab, name);
      await sandbox.writeFile(`${"long-".repeat(20)}name.txt`, "text");
      await run(tab, `echo ${"a long command ".repeat(20)}; echo wrong >&2; exit 3`);
      await tab.shows(".detail .status", "exit code 3");
      const { url: apiUrl, apiKey } = session.server;
      await mount(tab, page, { apiUrl, apiKey, place: `/${name}/terminal` });
      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      await tab.page.keyboard.type("seq 1 500; echo $((6 * 7)) is last\n");
      await tab.shows(".xterm-rows", "42 is last");
      for (const width of WIDTHS) {
        for (const height of HEIGHTS) {
          await tab.page.resize(width, height);
          await tab.eventually(`the last row is in sight at ${width} x ${height}`, () =>
            tab.page.evaluate(lastRow, undefined),
          );
          assert.deepEqual(await tab.page.evaluate(beyond, undefined), [], `terminal, ${width} x ${height}`);
          if (height === 300) await tab.shot(`fits-terminal-${width}`);
        }
      }
      for (const view of ["Processes", "Files"]) {
        await tab.click("tab", view);
        if (view === "Files") await tab.shows("td", "long-");
        else await tab.click("button", "echo a long command…");
        for (const width of WIDTHS) {
          for (const height of [300, 900]) {
            await tab.page.resize(width, height);
            assert.deepEqual(await tab.page.evaluate(beyond, undefined), [], `${view}, ${width} x ${height}`);
            if (height === 300) await tab.shot(`fits-${view.toLowerCase()}-${width}`);
          }
        }
      }
      // What went wrong is read to its end.
      await tab.page.evaluate(() => {
        (globalThis as { mounted?: { goTo: (address: string) => void } }).mounted?.goTo(
          `/${"x".repeat(400)}/files`,
        );
      }, undefined);
      await tab.shows("[role=alert]", "it may have ended");
      for (const width of WIDTHS) {
        await tab.page.resize(width, 600);
        assert.deepEqual(await tab.page.evaluate(beyond, undefined), [], `an error, ${width} wide`);
        const cut = await tab.page.evaluate(() => {
          const text = document.querySelector("#console")?.shadowRoot?.querySelector(".notice span");
          return text === null || text === undefined || text.scrollWidth > text.clientWidth + 1;
        }, undefined);
        assert.equal(cut, false, `an error is cut at ${width} px`);
      }
      await tab.shot("fits-error");
      await tab.page.evaluate(() => {
        (globalThis as { mounted?: { close: () => void } }).mounted?.close();
      }, undefined);
    });
  }
}

/** Puts a console into a page of another kind, instead of the one that is there. */
async function mount(
  tab: Tab,
  page: string,
  options: { apiUrl: string; apiKey: string; place: string },
): Promise<void> {
  await tab.page.evaluate(
    async ({ page, options, module }) => {
      document.querySelector("#console")?.remove();
      document.body.insertAdjacentHTML("beforeend", page.replace("HOST", `<div id="console"></div>`));
      // The page that is there gives its own a height.
      document.adoptedStyleSheets = [];
      for (const link of document.querySelectorAll("link[rel=stylesheet]")) link.remove();
      document.body.style.margin = "0";
      const { mountConsole } = (await import(module)) as typeof import("shoreline/console");
      const host = document.querySelector<HTMLElement>("#console");
      if (host) (globalThis as { mounted?: object }).mounted = mountConsole(host, options);
    },
    { page, options, module: "/console/index.js" },
  );
}

/** In the page: whether the last row of the terminal is whole and in sight. */
function lastRow(): boolean {
  const host = document.querySelector("#console");
  const root = host?.shadowRoot;
  const row = root?.querySelector(".xterm-rows > div:last-child")?.getBoundingClientRect();
  const screen = root?.querySelector(".screen")?.getBoundingClientRect();
  const frame = host?.getBoundingClientRect();
  if (!row || !screen || !frame) return false;
  const hit = root?.elementFromPoint(screen.x + 20, row.bottom - 2);
  return (
    row.height > 0 &&
    row.bottom <= screen.bottom &&
    row.bottom <= frame.bottom &&
    row.bottom <= innerHeight &&
    // No more room is left than a row has.
    screen.bottom - row.bottom < row.height &&
    hit?.closest(".screen") !== null
  );
}

/** In the page: what is wider than the page, the host or what is around it. */
function beyond(): string[] {
  const host = document.querySelector("#console");
  const frame = host?.getBoundingClientRect();
  const found: string[] = [];
  const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} px wide, not ${clientWidth}`);
  if (scrollHeight > clientHeight) found.push(`the page is ${scrollHeight} px high, not ${clientHeight}`);
  if (!frame || frame.width < innerWidth - 60) found.push(`the host is ${frame?.width} px wide`);
  const scrolls = (element: Element) => getComputedStyle(element).overflowX !== "visible";
  const isApp = (element: Element) => element.classList.contains("app");
  for (const element of host?.shadowRoot?.querySelectorAll(".app, .app *") ?? []) {
    if (!element.checkVisibility() || element.classList.contains("hidden")) continue;
    let around = element.parentElement;
    while (around && !isApp(around) && !scrolls(around)) around = around.parentElement;
    if (around && !isApp(around)) continue;
    const { right, left, width } = element.getBoundingClientRect();
    if (width > 0 && frame && (right > frame.right + 1 || left < frame.left - 1))
      found.push(`${element.tagName} ${element.className} to ${right} of ${frame.right}`);
  }
  return found;
}
