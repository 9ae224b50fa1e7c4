// Clicking through the console that `shoreline console` serves, in whatever browser is given.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test as nodeTest, type TestContext } from "node:test";
import type { AxeResults, RunOptions } from "axe-core";
import { Sandbox } from "shoreline";
import { type LocalServer, pageToken, startLocal } from "shoreline/local";
import { type Browser, Tab } from "./tab.js";
import { Way } from "./way.js";

const PROGRAM = join(process.cwd(), "target", "packed", "node_modules", "shoreline", "pkg", "cli", "main.js");
const axe = readFileSync(createRequire(join(process.cwd(), "x")).resolve("axe-core/axe.min.js"), "utf8");

export function clicks(launch: () => Promise<Browser>): void {
  let server: LocalServer;
  let way: Way;
  let browser: Browser;
  const programs: ChildProcess[] = [];

  before(async () => {
    [server, browser] = await Promise.all([startLocal(), launch()]);
    way = await Way.to(server.url);
  });
  after(async () => {
    for (const program of programs) program.kill("SIGKILL");
    await browser.close();
    await way.cut();
    await server.close();
  });

  /** Starts `shoreline console` and gives the link that it prints. */
  async function link(): Promise<string> {
    const env = { ...process.env, TENSORLAKE_API_URL: way.url, TENSORLAKE_API_KEY: server.apiKey };
    const program = spawn(process.execPath, [PROGRAM, "console", "--no-open"], {
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    programs.push(program);
    const [line] = (await once(program.stdout, "data")) as [Buffer];
    return String(line).trim();
  }

  async function opened(t: TestContext): Promise<Tab> {
    const page = await browser.newPage();
    t.after(() => page.close());
    const tab = new Tab(page, browser.name);
    await page.goto(await link());
    await tab.shows(".connection", "Connected");
    return tab;
  }

  /** A sandbox of its own that the tab looks at. */
  async function inSandbox(t: TestContext, tab: Tab, name: string): Promise<Sandbox> {
    const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, name });
    t.after(() => sandbox.terminate());
    await tab.click("button", `${name}…`);
    await tab.shows("h2", name);
    await tab.shows("[role=tab]", "Files");
    return sandbox;
  }

  async function run(tab: Tab, command: string): Promise<void> {
    await tab.fill("Command", command);
    await tab.click("button", "Run");
    await tab.shows(".detail header code", command);
  }

  const rows = (tab: Tab) => tab.texts(".row");

  const test = (name: string, work: (t: TestContext, tab: Tab) => Promise<void>): void => {
    void nodeTest(name, { timeout: 120_000 }, async (t) => {
      const tab = await opened(t);
      await work(t, tab);
      tab.noErrors();
    });
  };

  describe("the console", () => {
    test("opens by its link once, and stays in its tab", async (t, tab) => {
      assert.equal(new URL(tab.page.url()).hash, "");
      await tab.shot("empty");
      await tab.page.reload();
      await tab.shows(".connection", "Connected");
      const other = await browser.newPage();
      t.after(() => other.close());
      await other.goto(tab.page.url());
      const said = () => other.evaluate(() => document.querySelector("#console")?.textContent, undefined);
      await tab.eventually("the other tab is refused", async () =>
        ((await said()) ?? "").includes("good once"),
      );
    });

    test("makes a sandbox, suspends, resumes and terminates it", async (t, tab) => {
      t.after(() => Sandbox.terminate("made", { apiUrl: server.url, apiKey: server.apiKey }));
      await tab.fill("Name of a new sandbox", "made");
      await tab.click("button", "New");
      await tab.shows("h2", "made");
      await tab.click("button", "Suspend");
      await tab.shows(".about .status", "suspended");
      await tab.shows(".empty", "It is suspended");
      // Looking at it does not wake it: the list that has another one is of a later look.
      const other = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, name: "another" });
      t.after(() => other.terminate());
      await tab.shows(".sandboxes", "another");
      const made = await Sandbox.connect("made", { apiUrl: server.url, apiKey: server.apiKey });
      assert.equal(await made.status(), "suspended");
      await tab.shows(".about .status", "suspended");
      await tab.click("button", "Resume");
      await tab.shows(".about .status", "running");
      await tab.click("button", "Terminate");
      await tab.click("button", "Terminate it for good?");
      await tab.shows(".empty", "It has ended");
      await tab.fill("Name of a new sandbox", "not a name!");
      await tab.click("button", "New");
      await tab.shows("[role=alert]", "The sandbox was not made: ");
      await tab.click("button", "Dismiss");
      await tab.eventually(
        "the failure is put away",
        async () => (await tab.texts("[role=alert]")).length === 0,
      );
    });

    test("runs a command: lines in order, colours, stderr told apart, the exit code", async (t, tab) => {
      await inSandbox(t, tab, "output");
      const script =
        "printf 'plain\\n\\033[1;31mred\\033[0m and \\033[38;5;208morange\\nstill\\nit\\033[m\\n'; printf 'a\\rb\\n\\033]0;title\\007c\\033[Kd\\001\\n'; sleep 0.2; echo '<b>bold</b>' >&2; exit 3";
      await run(tab, script);
      await tab.shows(".detail .status", "exit code 3");
      await tab.shows(".told", "complete");
      assert.deepEqual(await rows(tab), [
        "1plain",
        "2red and orange",
        "3still",
        "4it",
        "5b",
        "6cd␁",
        "7stderr: <b>bold</b>",
      ]);
      const styled = await tab.page.evaluate(() => {
        const root = document.querySelector("#console")?.shadowRoot;
        const spans = [...(root?.querySelectorAll<HTMLElement>(".row .text span") ?? [])];
        return spans.map((span) => [span.textContent, span.className, span.style.color].join("|"));
      }, undefined);
      assert.deepEqual(styled, [
        "red|bold fg-red|",
        "orange||rgb(255, 135, 0)",
        "still||rgb(255, 135, 0)",
        "it||rgb(255, 135, 0)",
      ]);
      assert.deepEqual(await tab.texts(".row.stderr .mark"), ["stderr:"]);
      await tab.shot("output");
    });

    test("shows 130,000 lines: none is lost without a word, search, pause, save", async (t, tab) => {
      await inSandbox(t, tab, "many");
      await run(tab, "seq 1 130000");
      await tab.shows(".told", "130,000 lines, the first ");
      await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "130000130000");
      const [, dropped = ""] = /the first ([\d,]+) no longer/.exec((await tab.texts(".told")).join()) ?? [];
      const first = Number(dropped.replace(",", "")) + 1;
      assert.ok(first <= 30_001, dropped);

      await tab.fill("Search the output", "9999");
      await tab.shows(".count", /^1 of /);
      const expected = Array.from({ length: 130_000 - first + 1 }, (_, i) => String(first + i)).filter(
        (line) => line.includes("9999"),
      );
      assert.deepEqual(await tab.texts(".count"), [`1 of ${expected.length}`]);
      assert.deepEqual(await tab.texts(".row.current .text"), [expected[0]]);
      await tab.page.keyboard.press("Enter");
      await tab.shows(".row.current .text", expected[1] ?? "");
      await tab.click("button", "Previous match");
      await tab.click("button", "Previous match");
      await tab.shows(".row.current .text", expected.at(-1) ?? "");
      await tab.shot("search");

      // Paused: what comes does not move what is looked at.
      const looked = (await rows(tab))[30];
      await tab.click("field", "Search the output");
      await tab.page.keyboard.press("Escape");
      await tab.eventually("the search is over", async () => (await tab.texts(".count")).length === 0);
      assert.equal((await rows(tab))[30], looked);
      assert.deepEqual(await tab.sees("button", "Pause"), false);
      await tab.click("button", "Follow…");
      await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "130000130000");
      const whole = Array.from({ length: 130_000 }, (_, i) => `${i + 1}\n`).join("");
      const bytes = await tab.page.saved(() => tab.click("button", "Save"));
      const hash = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
      assert.equal(hash(bytes), hash(whole));
    });

    test("follows what comes, and pauses where it is scrolled up", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "paused");
      await tab.click("checkbox", "stdin");
      await run(tab, "seq 1 1000; while read n; do seq 1 $n; done");
      await tab.shows(".told", "1,000 lines");
      await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "10001000");
      const at = await tab.page.evaluate(() => {
        const view = document
          .querySelector("#console")
          ?.shadowRoot?.querySelector(".rows")
          ?.getBoundingClientRect();
        return { x: (view?.x ?? 0) + 50, y: (view?.y ?? 0) + 50 };
      }, undefined);
      await tab.page.mouse.move(at.x, at.y);
      await tab.page.wheel(-2000);
      await tab.eventually("it pauses", () => tab.sees("button", "Follow"));
      const top = () =>
        tab.page.evaluate(
          () => document.querySelector("#console")?.shadowRoot?.querySelector(".rows")?.scrollTop,
          undefined,
        );
      let before: number | undefined = -1;
      await tab.eventually("scrolling is over", async () => {
        const now = await top();
        const still = now === before;
        before = now;
        return still;
      });
      const [process] = await sandbox.listProcesses();
      await sandbox.writeStdin(process?.pid ?? 0, "500\n");
      await tab.eventually("what is new is counted", () => tab.sees("button", "Follow (500 new)"));
      assert.equal(await top(), before);
      await tab.click("button", "Follow (500 new)");
      await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "1500500");
      await sandbox.writeStdin(process?.pid ?? 0, "7\n");
      await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "15077");
      await tab.page.mouse.click(at.x, at.y);
      await tab.page.keyboard.press("PageUp");
      await tab.eventually("it pauses", () => tab.sees("button", "Follow"));
      await tab.page.keyboard.press("End");
      await tab.eventually("it follows", () => tab.sees("button", "Pause"));
    });

    test("writes to standard input, ends it, and sends signals", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "input");
      await tab.click("checkbox", "stdin");
      await run(tab, "cat -n");
      await tab.fill("Standard input, a line", "hello");
      await tab.page.keyboard.press("Enter");
      await tab.shows(".row", "hello");
      await tab.fill("Standard input, a line", "wörld");
      await tab.click("button", "Send");
      await tab.shows(".row", "wörld");
      await tab.shot("stdin");
      await tab.click("button", "End input");
      await tab.shows(".detail .status", "exit code 0");
      await tab.click("checkbox", "stdin");
      await run(tab, "trap 'echo caught' INT; echo ready; while :; do sleep 0.1; done");
      await tab.shows(".row", "ready");
      await tab.click("button", "Send signal");
      await tab.shows(".row", "caught");
      await tab.page.evaluate(() => {
        const select = document.querySelector("#console")?.shadowRoot?.querySelector("select");
        if (!select) return;
        select.value = "9";
        select.dispatchEvent(new Event("change", { bubbles: true }));
      }, undefined);
      await tab.click("button", "Send signal");
      await tab.shows(".detail .status", "ended by SIGKILL");

      // What is started again is followed again.
      await sandbox.startProcess("sh", { args: ["-c", "echo run $$; sleep 1000"], name: "kept" });
      await tab.click("button", "kept: …");
      await tab.shows(".row", /run \d+$/);
      const [first] = await tab.texts(".row");
      await tab.click("button", "Restart");
      await tab.eventually("it has new output", async () => {
        const now = await tab.texts(".row");
        return now.length === 1 && now[0] !== first;
      });
    });

    test("has terminals that follow their size, and outlive the page and the connection", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "terminal");
      await tab.click("tab", "Terminal");
      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      await tab.page.keyboard.type("echo $((6 * 7)) is it; stty size\n");
      await tab.shows(".xterm-rows", "42 is it");
      const size = async () => (await sandbox.listPtys()).map(({ rows, cols }) => ({ rows, cols }))[0];
      const large = await size();
      await tab.page.resize(800, 500);
      await tab.eventually("the terminal is smaller", async () => {
        const now = await size();
        return (now?.rows ?? 0) < (large?.rows ?? 0) && (now?.cols ?? 0) < (large?.cols ?? 0);
      });
      // A phone has keys that it has not.
      await tab.page.resize(375, 667);
      await tab.page.keyboard.type("sleep 1000; echo not reached\n");
      await tab.shows(".xterm-rows", "not reached");
      await tab.click("button", "Ctrl+C");
      await tab.page.keyboard.type("echo $((5 * 5)) on a phone\n");
      await tab.shows(".xterm-rows", "25 on a phone");
      await tab.page.resize(1200, 760);
      await tab.shot("terminal");

      await tab.page.reload();
      await tab.shows("h2", "terminal");
      await tab.click("tab", "Terminal");
      await tab.shows(".xterm-rows", "42 is it");
      await way.cut();
      await tab.shows(".connection", "Connection lost");
      await tab.shot("lost");
      await way.mend();
      await tab.shows(".connection", "Connected");
      await tab.eventually("what is typed arrives", async () => {
        await tab.page.keyboard.type("x");
        return (await tab.texts(".xterm-rows")).some((text) => text.includes("$ x"));
      });
      await tab.page.keyboard.down("Control");
      await tab.page.keyboard.press("u");
      await tab.page.keyboard.up("Control");
      await tab.page.keyboard.type("exit 5\n");
      await tab.shows(".xterm-rows, .empty", /ended with exit code 5|No terminal is open/);

      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      await tab.click("button", "End");
      await tab.click("button", "End it for good?");
      await tab.shows(".empty", "No terminal is open");
      await tab.eventually("its session ends", async () =>
        (await sandbox.listPtys()).every(({ isAlive }) => !isAlive),
      );
    });

    test("says what a terminal's output has lost that came too fast", async (t, tab) => {
      await inSandbox(t, tab, "flood");
      await tab.click("tab", "Terminal");
      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      await tab.page.keyboard.type("seq -f '%020.0f' 1 1000000; echo $((6 * 7)) is the end\n");
      await tab.shows(".xterm-rows", "42 is the end");
      await tab.shows("[role=alert]", /^[\d,]+ bytes of this terminal's output can no longer be had/);
      await tab.page.keyboard.type("echo $((7 * 7)) is typed\n");
      await tab.shows(".xterm-rows", "49 is typed");
    });

    test("browses, opens, uploads, replaces, downloads and deletes files", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "files");
      await sandbox.writeFile("folder/<i>text.txt", "first\nsecond ✓\n");
      await tab.click("tab", "Files");
      await tab.click("button", "folder/");
      await tab.click("button", "<i>text.txt");
      await tab.shows("pre", "first second ✓");
      await tab.shot("file");
      const bytes = Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
      await tab.choose([{ name: "bytes.bin", bytes }]);
      await tab.click("button", "bytes.bin");
      await tab.shows(".detail", "This is no text");
      const path = (await sandbox.listDirectory("folder")).path;
      assert.deepEqual([...(await sandbox.readFile(`${path}/bytes.bin`))], bytes);
      assert.deepEqual([...(await tab.page.saved(() => tab.click("button", "Download")))], bytes);

      // Nothing is replaced that nobody wanted replaced.
      await tab.choose([{ name: "bytes.bin", bytes: [104, 105] }]);
      await tab.shows("[role=alertdialog]", "bytes.bin is there already.");
      assert.equal((await sandbox.readFile(`${path}/bytes.bin`)).length, bytes.length);
      await tab.click("button", "Replace");
      await tab.shows("td", "2 B");
      await tab.eventually(
        "it is replaced",
        async () => (await sandbox.readFile(`${path}/bytes.bin`)).length === 2,
      );
      await tab.click("button", "bytes.bin");
      await tab.shows("pre", "hi");
      await tab.click("button", "Delete");
      await tab.click("button", "Delete it for good?");
      await tab.eventually("it is gone", async () => !(await tab.sees("button", "bytes.bin")));
      await tab.click("button", "Parent directory");
      await tab.shows("td", "folder/");
      await tab.fill("Directory", "no/such/place");
      await tab.page.keyboard.press("Enter");
      await tab.shows("[role=alert]", "no/such/place could not be listed: ");
    });

    test("loses no line while the connection is lost", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "healed");
      await run(tab, "i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i; sleep 0.002; done; echo the end");
      await tab.shows(".row", "100");
      for (let i = 0; i < 2; i++) {
        await way.cut();
        await tab.shows(".connection", "Connection lost");
        await way.mend();
        await tab.click("button", "Try now").catch(() => undefined);
        await tab.shows(".connection", "Connected");
      }
      await sandbox.writeFile("stop", "");
      await tab.shows(".told", "complete");
      const seen = await tab.page.saved(() => tab.click("button", "Save"));
      const lines = String(seen).trimEnd().split("\n");
      const all = Array.from({ length: lines.length - 1 }, (_, i) => String(i + 1));
      assert.deepEqual(lines, [...all, "the end"]);
      assert.equal((await tab.texts("[data-lines]"))[0], `${lines.length.toLocaleString("en")} lines`);
      await tab.shows(".row", `${lines.length}the end`);
    });

    test("gets another token when the server no longer knows its own", async (t, tab) => {
      await inSandbox(t, tab, "renewed");
      // So many live at the same time: the page's own is forgotten, and so is its origin.
      const other = { apiUrl: server.url, apiKey: server.apiKey, origin: "http://127.0.0.1:1" };
      for (let i = 0; i < 256; i++) await pageToken(other);
      await tab.shows(".connection", "Connection lost");
      await tab.shows(".connection", "Connected");
      await run(tab, "echo renewed");
      await tab.shows(".row", "1renewed");
      await tab.shows(".connection", "Connected");
    });

    test("is used by the keyboard alone", async (t, tab) => {
      await inSandbox(t, tab, "keys");
      const { keyboard } = tab.page;
      await keyboard.press("r");
      assert.equal(await tab.focused(), "Command");
      await keyboard.type("seq 1 300");
      await keyboard.press("Enter");
      await tab.shows(".detail .status", "exit code 0");
      // Letters are letters where one types.
      await keyboard.type("s2/");
      assert.equal(await tab.focused(), "Command");
      await keyboard.press("Tab");
      await keyboard.press("/");
      assert.equal(await tab.focused(), "Search the output");
      await keyboard.type("299");
      await tab.shows(".count", "1 of 1");
      await keyboard.press("Tab");
      await keyboard.press("f");
      await tab.eventually("it follows", () => tab.sees("button", "Pause"));
      await keyboard.press("s");
      await tab.eventually("the sandbox has the focus", async () => (await tab.focused()).startsWith("keys"));
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
      assert.equal(await tab.focused(), "Files");
      await keyboard.press("ArrowLeft");
      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      // A terminal has every key but the one that leaves it.
      await keyboard.press("Tab");
      assert.equal(await tab.focused(), "Terminal input");
      await keyboard.down("Control");
      await keyboard.down("Shift");
      await keyboard.press("ArrowUp");
      await keyboard.up("Shift");
      await keyboard.up("Control");
      assert.equal(await tab.focused(), "Terminal");
    });

    test("is clean for assistive technology, light and dark, wide and on a phone", async (t, tab) => {
      const sandbox = await inSandbox(t, tab, "clean");
      await sandbox.writeFile("a.txt", "text");
      const script =
        'for c in 30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97; do printf "\\033[${c}mcolour $c\\033[7mreversed\\033[0m \\033[$((c+10))mbehind\\033[0m\\n"; done; echo to stderr >&2';
      await run(tab, script);
      await tab.shows(".told", "complete");
      const check = async (what: string) => {
        const found = await tab.page.evaluate(runAxe, axe);
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
            if (view === "Files") await tab.shows("td", "a.txt");
            if (view === "Processes") await tab.shows(".row", "to stderr");
            await check(`${view}, ${theme}, ${width} wide`);
            await tab.shot(`${view.toLowerCase()}-${theme}-${width}`);
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
  });
}

/** In the page: what axe-core finds wrong. */
async function runAxe(source: string): Promise<string[]> {
  const own = globalThis as {
    axe?: { run: (context: Document, options: RunOptions) => Promise<AxeResults> };
  };
  // What a driver evaluates may do what the page's policy forbids the page.
  if (!own.axe) (0, eval)(source);
  const result = await own.axe?.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return (result?.violations ?? []).map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`).join("; ")}`,
  );
}
