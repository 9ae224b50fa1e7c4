// The console as a whole: who gets in, sandboxes, tokens, keys, and people who see or hear otherwise.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults, RunOptions } from "axe-core";
import { Sandbox } from "shoreline";
import { pageToken } from "shoreline/local";
import { run, type Session } from "./session.js";
import type { Tab } from "./tab.js";
import { paste } from "./terminals.js";

const axe = readFileSync(createRequire(join(process.cwd(), "x")).resolve("axe-core/axe.min.js"), "utf8");

export function whole(session: Session): void {
  session.test("opens by its link once, and stays in its tab", async (t, tab) => {
    assert.equal(new URL(await tab.page.url()).hash, "");
    await tab.shot("empty");
    await tab.page.reload();
    await tab.shows(".connection", "Connected");
    const other = await session.browser.newPage();
    t.after(() => other.close());
    await other.goto(await tab.page.url());
    const said = () => other.evaluate(() => document.querySelector("#console")?.textContent, undefined);
    await tab.eventually("the other tab is refused", async () =>
      ((await said()) ?? "").includes("good once"),
    );
  });

  session.test("makes a sandbox, suspends, resumes and terminates it", async (t, tab) => {
    t.after(() => Sandbox.terminate("made", { apiUrl: session.server.url, apiKey: session.server.apiKey }));
    await tab.fill("Name of a new sandbox", "made");
    await tab.click("button", "New");
    await tab.shows("h2", "made");
    await tab.click("button", "Suspend");
    await tab.shows(".about .status", "suspended");
    await tab.shows(".empty", "It is suspended");
    // Looking at it does not wake it: the list that has another one is of a later look.
    const other = await Sandbox.create({
      apiUrl: session.server.url,
      apiKey: session.server.apiKey,
      name: "another",
    });
    t.after(() => other.terminate());
    await tab.shows(".sandboxes", "another");
    const made = await Sandbox.connect("made", { apiUrl: session.server.url, apiKey: session.server.apiKey });
    assert.equal(await made.status(), "suspended");
    await tab.shows(".about .status", "suspended");
    await tab.click("button", "Resume");
    await tab.shows(".about .status", "running");
    await tab.click("button", "Terminate");
    await tab.click("button", "Terminate it for good?");
    await tab.shows(".empty", "It has ended");
  });

  for (const how of ["here", "elsewhere, and forgotten"]) {
    session.test(`keeps the output that it has read of a sandbox that is ended ${how}`, async (t, tab) => {
      const sandbox = await session.inSandbox(t, tab, "over");
      await run(tab, "echo complete; echo wrong >&2");
      await tab.shows(".told", "complete");
      await run(tab, "seq 1 500; exec sleep 1000");
      await tab.shows(".told", "500 lines");
      await sandbox.startProcess("sh", { args: ["-c", "echo unread"] });
      await tab.shows(".list", "echo unread");
      if (how === "here") {
        await tab.click("button", "Terminate");
        await tab.click("button", "Terminate it for good?");
      } else {
        await forget(tab, sandbox.sandboxId);
        await sandbox.terminate();
      }
      await tab.shows(
        ".empty",
        /^It has ended.* Only the output that this page had read before is still here\.$/,
      );
      await tab.shows(".about .status", "terminated");
      await tab.shows(".detail .status", "ended with the sandbox");
      await tab.shows(".told", /^500 lines · (complete|ends with the sandbox)$/);
      await tab.shows(".row", "500500");
      for (const gone of ["Run", "Stop", "Kill", "Run again"])
        assert.equal(await tab.sees("button", gone), false);
      await tab.shot("ended");
      await tab.fill("Search the output", "123");
      await tab.shows(".row.current", "123123");
      const all = Array.from({ length: 500 }, (_, i) => `${i + 1}\n`).join("");
      assert.equal(String(await tab.page.saved(() => tab.click("button", "Save"))), all);
      await tab.click("button", "echo complete; echo wrong >&2…");
      await tab.shows(".told", /^2 lines · complete$/);
      await tab.click("checkbox", "Stderr only");
      await tab.shows(".row", /^\dstderr: wrong$/);
      assert.equal(String(await tab.page.saved(() => tab.click("button", "Save"))), "wrong\n");
      await tab.click("checkbox", "Stderr only");
      await tab.click("button", "echo unread…");
      await tab.shows(".empty", "This page had not read any output of this process");
      // What is looked at elsewhere meanwhile does not matter, as long as the list has the sandbox.
      if (how !== "here") return;
      const next = await session.inSandbox(t, tab, "next");
      await run(tab, "echo next");
      await tab.shows(".row", "1next");
      assert.equal((await next.listProcesses()).length, 1);
      await tab.click("checkbox", "Show terminated sandboxes");
      await tab.click("button", "over…");
      await tab.click("button", "seq 1 500…");
      await tab.shows(".row", "500500");
    });
  }

  session.test("is put on a page, taken off it, and put there again", async (t, tab) => {
    const { url: apiUrl, apiKey } = session.server;
    const mounted = (work: "mount" | "close") =>
      tab.page.evaluate(
        async ({ module, work: asked, options }) => {
          const own = globalThis as { asked?: number; shown?: { close: () => void } };
          const { mountConsole } = (await import(module)) as typeof import("shoreline/console");
          if (asked === "close") {
            own.shown?.close();
            own.shown?.close();
            return own.asked;
          }
          const place =
            document.getElementById("place") ?? document.body.appendChild(document.createElement("div"));
          place.id = "place";
          own.asked = 0;
          const counted = (input: string, init?: RequestInit) => {
            own.asked = (own.asked ?? 0) + 1;
            return fetch(input, init);
          };
          own.shown = mountConsole(place, { ...options, fetch: counted });
          let error = "";
          try {
            mountConsole(place, options);
          } catch (thrown) {
            error = String(thrown);
          }
          return error;
        },
        { module: "/console/index.js", work, options: { apiUrl, apiKey } },
      );
    const connected = () =>
      tab.page.evaluate(
        () => document.querySelector("#place")?.shadowRoot?.querySelector(".connection")?.textContent,
        undefined,
      );
    for (let i = 0; i < 2; i++) {
      assert.match(String(await mounted("mount")), /^TypeError: the element has content/);
      await tab.eventually("it is connected", async () => (await connected()) === "Connected");
      const before = await mounted("close");
      assert.equal(await connected(), undefined);
      // The other one on the page goes on asking.
      const later = await Sandbox.create({ apiUrl, apiKey, name: `later-${i}` });
      t.after(() => later.terminate());
      await tab.shows(".sandboxes", `later-${i}`);
      const next = await Sandbox.create({ apiUrl, apiKey, name: `next-${i}` });
      t.after(() => next.terminate());
      await tab.shows(".sandboxes", `next-${i}`);
      assert.equal(await mounted("close"), before);
    }
  });

  session.test("gets another token when the server no longer knows its own", async (t, tab) => {
    await session.inSandbox(t, tab, "renewed");
    // So many live at the same time: the page's own is forgotten, and so is its origin.
    const other = { apiUrl: session.server.url, apiKey: session.server.apiKey, origin: "http://127.0.0.1:1" };
    // The connection is lost until the page has a new token, which may be too briefly for a look from here.
    const lost = await tab.noting(".connection", "Connection lost");
    for (let i = 0; i < 256; i++) await pageToken(other);
    await lost();
    await tab.shows(".connection", "Connected");
    await run(tab, "echo renewed");
    await tab.shows(".row", "1renewed");
    await tab.shows(".connection", "Connected");
  });

  session.test("is used by the keyboard alone", async (t, tab) => {
    await session.inSandbox(t, tab, "keys");
    const { keyboard } = tab.page;
    await keyboard.press("r");
    await tab.focuses("Command");
    await keyboard.type("seq 1 300");
    await keyboard.press("Enter");
    await tab.shows(".detail .status", "exit code 0");
    // Lines that come while it is paused are counted on the button.
    await tab.shows(".told", /^300 lines.*complete/);
    // Letters are letters where one types.
    await keyboard.type("s2/");
    assert.equal(await tab.focused(), "Command");
    await keyboard.press("Tab");
    await keyboard.press("/");
    await tab.focuses("Search the output");
    await keyboard.type("299");
    await tab.shows(".count", "1 of 1");
    await keyboard.press("Tab");
    // What is found is shown, which pauses.
    await tab.eventually("it is paused", () => tab.sees("button", "Follow"));
    await keyboard.press("f");
    await tab.eventually("it follows", () => tab.sees("button", "Pause"));
    await keyboard.press("s");
    await tab.focuses("keys…");
    await keyboard.press("2");
    await tab.shows("[role=tab][aria-selected=true]", "Terminal");
    await keyboard.press("?");
    await tab.shows("dialog[open]", "Single keys are shortcuts");
    await tab.shot("help");
    await keyboard.press("Escape");
    await tab.eventually("the help is closed", async () => (await tab.texts("dialog[open]")).length === 0);
    await tab.click("tab", "Terminal");
    await keyboard.press("ArrowRight");
    await tab.shows("[role=tab][aria-selected=true]", "Files");
    await tab.focuses("Files");
    await keyboard.press("ArrowLeft");
    await tab.click("button", "New terminal");
    await tab.shows(".hint", "connected");
    // A terminal has every key but the one that leaves it.
    await keyboard.press("Tab");
    await tab.focuses("Terminal input");
    await keyboard.down("Control");
    await keyboard.down("Shift");
    await keyboard.press("ArrowUp");
    await keyboard.up("Shift");
    await keyboard.up("Control");
    await tab.focuses("Terminal");
  });

  session.test("is clean for assistive technology, light and dark, wide and on a phone", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "clean");
    await sandbox.writeFile("a.py", "# comment\ndef f(x):\n    return 'text' if x else 42\n");
    const script =
      'for c in 30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97; do printf "\\033[${c}mcolour $c\\033[7mreversed\\033[0m \\033[$((c+10))mbehind\\033[0m\\n"; done; echo to stderr >&2';
    await run(tab, script);
    await tab.shows(".told", "complete");
    await tab.page.execute(axe);
    const check = async (what: string) => {
      const found = await tab.page.evaluate(runAxe, undefined);
      assert.deepEqual(found, [], what);
      const wide = await tab.page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
        undefined,
      );
      assert.equal(wide, false, `${what}: wider than the page`);
    };
    for (const [width, height] of [
      [1200, 760],
      [375, 667],
    ] as const) {
      await tab.page.resize(width, height);
      for (const theme of ["light", "dark"]) {
        while (!(await tab.sees("button", `Colours: ${theme}`))) await tab.click("button", "Colours: …");
        for (const view of ["Processes", "Terminal", "Files"]) {
          await tab.click("tab", view);
          if (
            view === "Terminal" &&
            (await tab.sees("button", "New terminal")) &&
            !(await tab.sees("button", "End"))
          ) {
            await tab.click("button", "New terminal");
            await tab.shows(".hint", "connected");
          }
          if (view === "Files") await tab.shows("td", "a.py");
          if (view === "Processes") await tab.shows(".row", "to stderr");
          await check(`${view}, ${theme}, ${width} wide`);
          await tab.shot(`${view.toLowerCase()}-${theme}-${width}`);
          if (view === "Terminal") {
            // Not even a program that takes several lines as one may get this.
            await tab.focuses("Terminal input");
            await paste(tab, "echo one\n\u001b[201~echo two\n");
            await tab.click("button", "Search");
            await tab.fill("Search the terminal", "$");
            await tab.shows(".count", "of");
            await check(`a search and a question, ${theme}, ${width} wide`);
            await tab.shot(`terminal-search-${theme}-${width}`);
            await tab.click("button", "Close the search");
            await tab.click("button", "Cancel");
          }
          if (view !== "Files") continue;
          await tab.click("button", "Actions for a.py");
          await check(`actions, ${theme}, ${width} wide`);
          await tab.click("button", "a.py");
          await tab.click("button", "Edit");
          await tab.focuses("Text of…");
          await check(`an editor, ${theme}, ${width} wide`);
          await tab.shot(`editor-${theme}-${width}`);
        }
      }
    }
    await tab.click("button", "☰ Sandboxes");
    await tab.shows(".sandboxes", "clean");
    await check("the list on a phone");
    await tab.shot("list-phone");
    await tab.click("button", "clean…");
    await tab.click("tab", "Processes");
    await tab.click("button", "← Processes");
    await tab.shows(".list", "exit code 0");
    await check("the processes on a phone");
    await tab.shot("processes-phone");
  });
}

/** Lets the page hear nothing of a sandbox that has ended, as from a server that forgets it. */
async function forget(tab: Tab, id: string): Promise<void> {
  await tab.page.evaluate((gone) => {
    const { fetch } = globalThis;
    globalThis.fetch = async (input, init) => {
      const answer = await fetch(input, init);
      const url = input instanceof Request ? input.url : String(input);
      if (!/\/sandboxes(\?.*)?$/.test(url) || !answer.ok) return answer;
      const list = (await answer.json()) as { sandboxes: { id: string; status: string }[] };
      list.sandboxes = list.sandboxes.filter((each) => each.id !== gone || each.status !== "terminated");
      return Response.json(list);
    };
  }, id);
}

/** In the page: what axe-core finds wrong. */
async function runAxe(): Promise<string[]> {
  const own = globalThis as {
    axe?: { run: (context: Document, options: RunOptions) => Promise<AxeResults> };
  };
  const result = await own.axe?.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return (result?.violations ?? []).map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`).join("; ")}`,
  );
}
