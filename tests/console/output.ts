// Output: commands, their lines, input and signals.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Sandbox } from "shoreline";
import { rows, run, type Session } from "./session.js";
import type { Tab } from "./tab.js";

export function output(session: Session): void {
  session.test(
    "runs a command: lines in order, colours, stderr told apart, the exit code",
    async (t, tab) => {
      const sandbox = await session.inSandbox(t, tab, "output");
      const script =
        "printf 'plain\\n\\033[1;31mred\\033[0m and \\033[38;5;208morange\\nstill\\nit\\033[m\\n'; printf 'a\\rb\\n\\033]0;title\\007c\\033[Kd\\001\\n'; until [ -e seen ]; do sleep 0.05; done; echo '<b>bold</b>' >&2; exit 3";
      await run(tab, script);
      // Two pipes have no common order: stderr is written once the page shows the rest.
      await tab.shows(".row", "6cd");
      await sandbox.writeFile("seen", "");
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

      // A key that is hit twice starts it once.
      await tab.fill("Command", "echo once");
      await tab.page.keyboard.press("Enter");
      await tab.page.keyboard.press("Enter");
      await tab.shows(".row", "1once");
      assert.equal((await sandbox.listProcesses()).length, 2);
      await tab.shot("output");
    },
  );

  session.test("shows 130,000 lines: none is lost without a word, search, pause, save", async (t, tab) => {
    await session.inSandbox(t, tab, "many");
    await run(tab, "seq 1 130000");
    await tab.shows(".told", "130,000 lines, the first ");
    await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "130000130000");
    const [, dropped = ""] = /the first ([\d,]+) no longer/.exec((await tab.texts(".told")).join()) ?? [];
    const first = Number(dropped.replace(",", "")) + 1;
    assert.ok(first <= 30_001, dropped);

    await tab.fill("Search the output", "9999");
    await tab.shows(".count", /^1 of /);
    const expected = Array.from({ length: 130_000 - first + 1 }, (_, i) => String(first + i)).filter((line) =>
      line.includes("9999"),
    );
    assert.deepEqual(await tab.texts(".count"), [`1 of ${expected.length}`]);
    await tab.shows(".row.current .text", expected[0] ?? "");
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

  session.test("shows times and the first error, and copies all of it", async (t, tab) => {
    await session.inSandbox(t, tab, "looked-at");
    await run(tab, "seq 1 150; sleep 0.3; echo wrong >&2; sleep 0.3; seq 151 300");
    await tab.shows(".told", /^301 lines.*complete/);
    await tab.click("button", "First error");
    await tab.shows(".row.current", "151stderr: wrong");
    assert.equal(await tab.sees("button", "Pause"), false);
    await tab.click("checkbox", "Times");
    await tab.shows(".row.current", /^151\d\d:\d\d:\d\d\.\d\d\dstderr: wrong$/);
    await tab.shot("times");
    await tab.click("checkbox", "Times");
    await tab.page.evaluate(() => {
      navigator.clipboard.write = async ([item]) => {
        const blob = await item?.getType("text/plain");
        (globalThis as { copied?: string | undefined }).copied = await blob?.text();
      };
    }, undefined);
    await tab.click("button", "Copy");
    await tab.shows(".toolbar button", "Copied");
    const copied = await tab.page.evaluate(() => (globalThis as { copied?: string }).copied, undefined);
    const numbers = Array.from({ length: 300 }, (_, i) => `${i + 1}\n`);
    assert.equal(copied, [...numbers.slice(0, 150), "wrong\n", ...numbers.slice(150)].join(""));
  });

  session.test("wraps long lines, and shows standard error only", async (t, tab) => {
    await session.inSandbox(t, tab, "wrapped");
    const long = "seq -s ' ' 1 100; printf '\\033[31m日本語 %0300d\\033[0m tail\\n' 0";
    await run(
      tab,
      `seq 1 300; ${long}; sleep 0.3; echo first wrong >&2; sleep 0.3; seq 301 600; sleep 0.3; echo then wrong >&2`,
    );
    await tab.shows(".told", /^604 lines.*complete/);
    await tab.eventually(
      "the end is in sight",
      async () => (await rows(tab)).at(-1)?.startsWith("604") === true,
    );
    const looked = async () => (await measured(tab)).top;
    await tab.click("button", "First error");
    await tab.shows(".row.current", "303stderr: first wrong");
    assert.ok((await measured(tab)).sideways > 0, "lines are longer than a row");
    const before = await looked();
    await tab.click("checkbox", "Wrap");
    await tab.eventually("nothing is wider than a row", async () => (await measured(tab)).sideways === 0);
    // The line at the top stays there.
    assert.equal(await looked(), before);
    await tab.shot("wrapped");
    // Long lines take the rows that they need, and no line is drawn over another.
    for (const width of [1200, 1000, 700]) {
      await tab.page.resize(width, 760);
      await tab.eventually(`rows follow each other at ${width} px`, async () => {
        const { sideways, gaps, heights } = await measured(tab);
        return (
          sideways === 0 &&
          gaps.every((gap) => gap === 0) &&
          (heights["301"] ?? 0) >= 40 &&
          (heights["302"] ?? 0) >= 60
        );
      });
    }
    await tab.page.resize(1200, 760);
    await tab.click("checkbox", "Times");
    await tab.shows(".row.current", /^303\d\d:\d\d:\d\d\.\d\d\dstderr: first wrong$/);
    await tab.click("checkbox", "Times");
    await tab.click("button", "Follow");
    await tab.eventually("the end is in sight", async () => (await measured(tab)).toEnd < 1);
    await tab.shows(".row", "604stderr: then wrong");

    await tab.click("checkbox", "Stderr only");
    await tab.eventually("two lines are left", async () => (await rows(tab)).length === 2);
    assert.deepEqual(await rows(tab), ["303stderr: first wrong", "604stderr: then wrong"]);
    await tab.shows(".told", "2 of 604 lines");
    await tab.shot("stderr-only");
    await tab.fill("Search the output", "3");
    await tab.shows(".count", "No match");
    await tab.fill("Search the output", "wrong");
    await tab.shows(".count", "1 of 2");
    await tab.page.keyboard.press("Enter");
    await tab.shows(".row.current", "604");
    await tab.click("button", "First error");
    await tab.shows(".row.current", "303");
    assert.equal(
      String(await tab.page.saved(() => tab.click("button", "Save"))),
      "first wrong\nthen wrong\n",
    );
    // Both are kept for the tab.
    await tab.page.reload();
    await tab.shows(".told", "2 of 604 lines");
    await tab.click("checkbox", "Stderr only");
    await tab.shows(".told", /^604 lines/);
    assert.equal((await measured(tab)).sideways, 0);
    await tab.fill("Search the output", "100");
    await tab.shows(".count", "1 of 2");
    await tab.page.keyboard.press("Enter");
    await tab.shows(".row.current", "301");
    await tab.click("checkbox", "Wrap");
    await tab.eventually("lines are longer than a row", async () => (await measured(tab)).sideways > 0);
    await run(tab, "echo fine");
    await tab.click("checkbox", "Stderr only");
    await tab.shows(".empty", "Nothing was written to standard error");
    await tab.click("checkbox", "Stderr only");
    await tab.shows(".row", "1fine");
  });

  session.test(
    "wraps 100,000 lines without holding the page up, and finds the last of them",
    async (t, tab) => {
      await session.inSandbox(t, tab, "wrapped-many");
      await tab.page.resize(820, 760);
      await run(tab, "echo begin");
      await tab.click("checkbox", "Wrap");
      await run(tab, "seq -f '%0150.0f' 1 100000");
      await tab.shows(".told", /^100,000 lines.*complete/);
      await tab.eventually("the end is in sight", async () => (await measured(tab)).toEnd < 1);
      await tab.shows(".row", /^1000000+100000$/);
      await tab.fill("Search the output", "50199");
      await tab.shows(".row.current", "50199");
      const { sideways, gaps } = await measured(tab);
      assert.equal(sideways, 0);
      assert.ok(gaps.every((gap) => gap === 0));
      await tab.page.evaluate(() => {
        const view = document.querySelector("#console")?.shadowRoot?.querySelector(".rows");
        if (view) view.scrollTop = 0;
      }, undefined);
      await tab.shows(".row", /^10+1$/);
    },
  );

  session.test("follows what comes, and pauses where it is scrolled up", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "paused");
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
    const scrolled = () =>
      tab.page.evaluate(() => {
        const view = document.querySelector("#console")?.shadowRoot?.querySelector(".rows");
        const { scrollTop = NaN, scrollHeight = NaN, clientHeight = NaN } = view ?? {};
        return { top: scrollTop, toEnd: scrollHeight - clientHeight - scrollTop };
      }, undefined);
    await tab.page.mouse.move(at.x, at.y);
    await tab.page.wheel(-2000);
    // The page receives the wheel event first and scrolls afterwards, smoothly.
    await tab.eventually("it has scrolled", async () => Math.abs((await scrolled()).toEnd - 2000) < 1);
    assert.equal(await tab.sees("button", "Follow"), true);
    const { top: before } = await scrolled();
    const [process] = await sandbox.listProcesses();
    await sandbox.writeStdin(process?.pid ?? 0, "500\n");
    await tab.eventually("what is new is counted", () => tab.sees("button", "Follow (500 new)"));
    assert.ok(Math.abs((await scrolled()).top - before) < 1, "what is looked at stays in its place");
    await tab.click("button", "Follow (500 new)");
    await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "1500500");
    await sandbox.writeStdin(process?.pid ?? 0, "7\n");
    await tab.eventually("the end is in sight", async () => (await rows(tab)).at(-1) === "15077");
    await tab.page.mouse.click(at.x, at.y);
    // WebKit scrolls smoothly, only while a key is held, and not if another scroll is under way.
    const held = async (key: string, what: string, button: string) => {
      await tab.eventually(what, async () => {
        await tab.page.keyboard.down(key);
        const seen = await tab.sees("button", button);
        await tab.page.keyboard.up(key);
        return seen;
      });
    };
    await held("PageUp", "it pauses", "Follow");
    await held("End", "it follows", "Pause");
  });

  session.test("writes to standard input, ends it, and sends signals", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "input");
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
    await tab.click("button", "Kill");
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

  session.test("names what still holds the output of a process that has ended", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "held");
    const script = `mkfifo late other; cat late & echo $!; cat other "$(printf 'e\\033vil')" & echo $!; exit 3`;
    const { pid } = await sandbox.startProcess("sh", { args: ["-c", script] });
    await tab.click("button", "mkfifo late other…");
    await tab.shows(".detail .status", "exit code 3, output open");
    const [first, second] = (await sandbox.getOutput(pid)).lines;
    const intro = "The process has ended, but its output is still held open by:";
    await tab.shows(".holders", `${intro}PID ${first}: cat latePID ${second}: cat other e\\u001bvil`);
    await tab.shot("held");
    await sandbox.run("sh", { args: ["-c", "echo a late line > late"], check: true });
    await tab.shows(".row", "3a late line");
    await tab.shows(".holders", `${intro}PID ${second}:`);
    await tab.click("button", "Kill");
    await tab.shows(".told", "complete");
    await tab.shows(".detail .status", /^exit code 3$/);
    assert.deepEqual(await tab.texts(".holders"), []);
  });

  session.test("shows a line before it ends: a prompt, a progress bar", async (t, tab) => {
    await session.inSandbox(t, tab, "prompt");
    await tab.click("checkbox", "stdin");
    await run(
      tab,
      "printf 'Password: '; read x; echo told >&2; printf '\\033[32m10%%\\r'; read x; printf '100%%\\nnext\\n'; exec cat",
    );
    const answer = async () => {
      await tab.fill("Standard input, a line", "x");
      await tab.page.keyboard.press("Enter");
    };
    await tab.shows(".row", "1Password:");
    await tab.fill("Search the output", "password");
    await tab.shows(".count", /^1 of 1$/);
    const bytes = await tab.page.saved(() => tab.click("button", "Save"));
    assert.equal(String(bytes), "Password: ");
    await answer();
    await tab.shows(".row", "1Password: 10%");
    await tab.shows(".row", "2stderr: told");
    await answer();
    await tab.shows(".row", "3next");
    assert.deepEqual(await rows(tab), ["1100%word: 10%", "2stderr: told", "3next"]);
    assert.deepEqual(await tab.texts(".count"), ["No match"]);
    await tab.click("button", "End input");
    await tab.shows(".told", "complete");
  });

  session.test("stays live with ten processes in each of two tabs", async (t, tab) => {
    const other = await session.open(t, tab);
    const places: { each: Tab; name: string; sandbox: Sandbox }[] = [];
    for (const [each, name] of [
      [tab, "one"],
      [other, "other"],
    ] as const) {
      await each.page.front();
      places.push({ each, name, sandbox: await session.inSandbox(t, each, name) });
      for (let i = 0; i < 10; i++) {
        await run(each, `echo "${name} ${i} began"; until [ -e go${i} ]; do sleep 1; done; echo "went ${i}"`);
        await each.shows(".row", `${name} ${i} began`);
      }
    }
    for (const { each, name, sandbox } of places) {
      await each.page.front();
      for (const { pid, args } of await sandbox.listProcesses()) {
        const [, i = ""] = /go(\d)/.exec(args.join(" ")) ?? [];
        await each.page.evaluate((wanted) => {
          const items = document
            .querySelector("#console")
            ?.shadowRoot?.querySelectorAll<HTMLElement>("nav button");
          for (const item of items ?? []) if (item.textContent.includes(`${wanted} ·`)) item.click();
        }, pid);
        await each.shows(".row", `${name} ${i} began`);
        await sandbox.writeFile(`go${i}`, "");
        await each.shows(".row", `went ${i}`);
      }
      const requests = await each.page.evaluate(
        () => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/follow")).length,
        undefined,
      );
      assert.equal(requests, 0, "output is followed over a WebSocket");
      await each.noErrors();
    }
  });

  session.test("says that output reconnects as long as it does, though nothing comes", async (t, tab) => {
    await session.inSandbox(t, tab, "quiet");
    await run(tab, "echo quiet; sleep 1000");
    await tab.shows(".row", "1quiet");
    session.way.cut();
    await tab.shows(".told", "reconnecting");
    session.way.mend();
    await tab.shows(".connection", "Connected");
    await tab.shows(".told", /^1 line$/);
  });

  session.test("loses no line while the connection is lost", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "healed");
    await run(tab, "i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i; sleep 0.002; done; echo the end");
    await tab.shows(".row", "100");
    for (let i = 0; i < 2; i++) {
      session.way.cut();
      await tab.shows(".connection", "Connection lost");
      session.way.mend();
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
}

/** How the rows are: from the top and to the end, px, wider than what is in sight, the gaps between them, their heights. */
function measured(tab: Tab): Promise<{
  top: string | undefined;
  toEnd: number;
  sideways: number;
  gaps: number[];
  heights: Record<string, number>;
}> {
  return tab.page.evaluate(() => {
    const view = document.querySelector("#console")?.shadowRoot?.querySelector(".rows");
    const shown = [...(view?.querySelectorAll<HTMLElement>(".row") ?? [])];
    const boxes = shown.map((row) => row.getBoundingClientRect());
    const begins = view?.getBoundingClientRect().top ?? 0;
    const {
      scrollTop = NaN,
      scrollHeight = NaN,
      clientHeight = NaN,
      scrollWidth = NaN,
      clientWidth = NaN,
    } = view ?? {};
    const number = (row: HTMLElement) => row.querySelector(".number")?.textContent.trim() ?? "";
    const top = shown.find((_, i) => (boxes[i]?.bottom ?? 0) > begins + 1);
    return {
      top: top && number(top),
      toEnd: scrollHeight - clientHeight - scrollTop,
      sideways: scrollWidth - clientWidth,
      gaps: boxes.slice(1).map((box, i) => Math.round(box.top - (boxes[i]?.bottom ?? 0))),
      heights: Object.fromEntries(shown.map((row, i) => [number(row), boxes[i]?.height ?? 0])),
    };
  }, undefined);
}
