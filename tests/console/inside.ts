// Terminals and files.
import assert from "node:assert/strict";
import { type Session } from "./session.js";

export function inside(session: Session): void {
  session.test(
    "has terminals that follow their size, and outlive the page and the connection",
    async (t, tab) => {
      const sandbox = await session.inSandbox(t, tab, "terminal");
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
      // The command runs once it has answered: a shell may lose a Ctrl+C before.
      await tab.page.keyboard.type("sh -c 'echo $((4 * 4)) runs; exec sleep 1000'; echo not reached\n");
      await tab.shows(".xterm-rows", "16 runs");
      await tab.click("button", "Ctrl+C");
      await tab.page.keyboard.type("echo $((5 * 5)) on a phone\n");
      await tab.shows(".xterm-rows", "25 on a phone");
      await tab.page.resize(1200, 760);
      await tab.shot("terminal");

      await tab.page.reload();
      await tab.shows("h2", "terminal");
      await tab.shows(".xterm-rows", "42 is it");
      session.way.cut();
      await tab.shows(".connection", "Connection lost");
      await tab.shot("lost");
      session.way.mend();
      await tab.shows(".connection", "Connected");
      await tab.eventually("what is typed arrives", async () => {
        await tab.page.keyboard.type("x");
        return (await tab.texts(".xterm-rows")).some((text) => text.includes("$ x"));
      });
      await tab.page.keyboard.down("Control");
      await tab.page.keyboard.press("u");
      await tab.page.keyboard.up("Control");
      await tab.page.keyboard.type("exit 5\n");
      await tab.shows(".xterm-rows", "ended with exit code 5");
      await tab.shows(".toolbar", "Terminal 1 (ended)");
      await tab.click("button", "Close");
      await tab.shows(".empty", "No terminal is open");

      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      await tab.click("button", "End");
      await tab.click("button", "End it for good?");
      await tab.shows(".empty", "No terminal is open");
      await tab.eventually("its session ends", async () =>
        (await sandbox.listPtys()).every(({ isAlive }) => !isAlive),
      );
    },
  );

  session.test("slows a terminal's program down to what the page can show", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "controlled");
    await tab.click("tab", "Terminal");
    await tab.click("button", "New terminal");
    await tab.shows(".hint", "connected");
    await tab.page.evaluate(stall, true);
    await tab.page.keyboard.type("seq -f '%020.0f' 1 1000000; echo > over; echo $((6 * 7)) is the end\n");
    // In this time, the program would write all of it to a terminal that takes it.
    for (let i = 0; i < 20; i++) await sandbox.run("sh", { args: ["-c", "seq 300000 > /dev/null"] });
    const isOver = async () => (await sandbox.listDirectory(".")).entries.some(({ name }) => name === "over");
    assert.equal(await isOver(), false);
    await tab.page.evaluate(stall, false);
    await tab.shows(".xterm-rows", "42 is the end");
    assert.ok(await isOver());
    assert.deepEqual(await tab.texts("[role=alert]"), []);
    // Ctrl+C acts at once, however much is still to be shown.
    await tab.page.keyboard.type("yes\n");
    await tab.shows(".xterm-rows", /^y/);
    await tab.page.keyboard.down("Control");
    await tab.page.keyboard.press("c");
    await tab.page.keyboard.up("Control");
    await tab.page.keyboard.type("echo $((7 * 7)) is typed\n");
    await tab.shows(".xterm-rows", "49 is typed");
  });

  session.test(
    "says what a terminal's output has lost that came too fast for a server without flow control",
    async (t, tab) => {
      session.way.uncontrolled = true;
      t.after(() => (session.way.uncontrolled = false));
      const sandbox = await session.inSandbox(t, tab, "flood");
      await tab.click("tab", "Terminal");
      await tab.click("button", "New terminal");
      await tab.shows(".hint", "connected");
      // A fast page loses nothing. This one shows nothing until 22 MB are written, of which the server keeps 1 MiB.
      await tab.page.evaluate(stall, true);
      await tab.page.keyboard.type("seq -f '%020.0f' 1 1000000; echo > over; echo $((6 * 7)) is the end\n");
      await tab.eventually("the command is over", async () =>
        (await sandbox.listDirectory(".")).entries.some(({ name }) => name === "over"),
      );
      await tab.page.evaluate(stall, false);
      await tab.shows(".xterm-rows", "42 is the end");
      const told = /^([\d,]+) bytes of this terminal's output can no longer be had/;
      await tab.shows("[role=alert]", told);
      const [, bytes = ""] = told.exec((await tab.texts("[role=alert]")).join()) ?? [];
      const lost = Number(bytes.replaceAll(",", ""));
      // The page takes in a bounded amount before it leaves the terminal. A relay's sockets hold some megabytes more.
      assert.ok(lost > (session.isRelayed ? 1_000_000 : 11_000_000) && lost < 21_000_000, bytes);
      await tab.page.keyboard.type("echo $((7 * 7)) is typed\n");
      await tab.shows(".xterm-rows", "49 is typed");
      // The exit code is shown although the terminal ends while the page has left it.
      await tab.page.evaluate(stall, true);
      await tab.page.keyboard.type("seq -f '%020.0f' 1 600000; exit 5\n");
      await tab.eventually("the terminal has ended", async () =>
        (await sandbox.listPtys()).every(({ isAlive }) => !isAlive),
      );
      await tab.page.evaluate(stall, false);
      await tab.shows(".xterm-rows", "ended with exit code 5");
    },
  );

  session.test("browses, opens, uploads, replaces, downloads and deletes files", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "files");
    await sandbox.writeFile("folder/<i>text.txt", "first\nsecond ✓\n");
    await tab.click("tab", "Files");
    await tab.click("button", "folder/");
    await tab.click("button", "<i>text.txt");
    await tab.shows("pre", "first second ✓");
    await tab.shot("file");
    const bytes = Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
    await tab.choose([{ name: "bytes.bin", bytes }]);
    await tab.click("button", "bytes.bin");
    await tab.shows(".detail", "Binary file");
    const path = (await sandbox.listDirectory("folder")).path;
    assert.deepEqual([...(await sandbox.readFile(`${path}/bytes.bin`))], bytes);
    assert.deepEqual([...(await tab.page.saved(() => tab.click("button", "Download")))], bytes);

    // Nothing is replaced that nobody wanted replaced.
    await tab.choose([{ name: "bytes.bin", bytes: [104, 105] }]);
    await tab.shows("[role=alertdialog]", "bytes.bin is there already.");
    assert.equal((await sandbox.readFile(`${path}/bytes.bin`)).length, bytes.length);
    // Where it was asked for, whatever is looked at by then.
    await tab.click("button", "Parent directory");
    await tab.shows("td", "folder/");
    await tab.click("button", "Replace");
    await tab.eventually(
      "it is replaced",
      async () => (await sandbox.readFile(`${path}/bytes.bin`)).length === 2,
    );
    await tab.click("button", "folder/");
    await tab.shows("td", "2 B");
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
    await tab.click("button", "Dismiss");
    await tab.eventually(
      "the failure is put away",
      async () => (await tab.texts("[role=alert]")).length === 0,
    );
  });

  session.test("shows names that would hide or turn what is beside them as escapes", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "names");
    const name = "cod\u202etxt.\u001b[31m\u200bexe";
    const shown = "cod\\u202etxt.\\u001b[31m\\u200bexe";
    const clean = async () => {
      assert.doesNotMatch(await tab.page.evaluate(everyText, undefined), /[\u001b\u202e\u200b]/);
    };
    await sandbox.writeFile(`odd/${name}`, "text");
    await sandbox.startProcess("sh", { args: ["-c", "exec sleep 1000", name] });
    await tab.click("button", `sh -c exec sleep 1000 ${shown}…`);
    await tab.shows(".detail header code", shown);
    await clean();
    await tab.click("tab", "Files");
    await tab.click("button", "odd/");
    await tab.click("button", shown);
    await tab.shows(".detail header code", shown);
    await clean();
    await tab.click("button", "Delete");
    await sandbox.deleteFile(`odd/${name}`);
    await tab.click("button", "Delete it for good?");
    await tab.shows("[role=alert]", `${shown} was not deleted`);
    await clean();
  });
}

/** In the page: every text, title and label of the console. */
function everyText(): string {
  const root = document.querySelector("#console")?.shadowRoot;
  const labels = [...(root?.querySelectorAll("[title], [aria-label]") ?? [])].flatMap((element) =>
    ["title", "aria-label"].map((name) => element.getAttribute(name)),
  );
  return `${root?.querySelector(".app")?.textContent ?? ""}${labels.join("")}`;
}

/** In the page: holds back timers without a delay, by which xterm.js shows what waits; or lets them go. */
function stall(on: boolean): void {
  const own = globalThis as { held?: (() => void)[]; original?: typeof setTimeout };
  own.original ??= globalThis.setTimeout;
  const { original } = own;
  if (!on) {
    globalThis.setTimeout = original;
    for (const work of own.held?.splice(0) ?? []) original(work);
    return;
  }
  const held = (own.held ??= []);
  globalThis.setTimeout = ((work: () => void, ms?: number, ...rest: unknown[]) => {
    if (ms !== undefined && ms > 0) return original(work, ms, ...rest);
    held.push(work);
    return 0;
  }) as unknown as typeof setTimeout;
}
