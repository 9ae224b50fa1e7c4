// Processes: how they are run, found, stopped and run again.
import assert from "node:assert/strict";
import { Sandbox } from "shoreline";
import { run, type Session } from "./session.js";
import type { Tab } from "./tab.js";

export function processes(session: Session): void {
  session.test("lists what runs before what has ended, and finds processes by words", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "listed");
    const ended = await sandbox.run("sh", { args: ["-c", "echo first; exit 3"] });
    assert.equal(ended.exitCode, 3);
    await sandbox.startProcess("sleep", { args: ["1000"] });
    for (let i = 0; i < 5; i++) await sandbox.run("true", { args: [`number-${i}`] });
    await tab.shows(".group", /^Running 1\s?sleep 1000.* running · for /);
    await tab.shows(".group", /^Ended 6.*exit code 3 · took [\d.]+ m?s · /);
    assert.match((await tab.texts(".group")).join(), /^Running .*,Ended /);
    await tab.fill("Filter the processes", "code 3 FIRST");
    await tab.eventually("one is left", async () => (await tab.texts(".list .item")).length === 1);
    await tab.shows(".list .item", "echo first");
    await tab.fill("Filter the processes", "nothing like it");
    await tab.shows(".empty", "No process matches");
    await tab.shot("filtered");
  });

  session.test("runs a command in a directory with an environment, and again", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "again");
    await sandbox.fs.mkdir("a b");
    await tab.click("button", "Options");
    await tab.fill("Working directory", "a b");
    await tab.click("area", "Environment…");
    await tab.page.keyboard.type("GREETING=hello=you");
    await tab.shot("options");
    await run(tab, 'echo "$GREETING"; basename "$PWD"');
    await tab.shows(".row", "1hello=you");
    await tab.shows(".row", "2a b");
    await tab.shows(".detail .status", "exit code 0");
    await tab.click("button", "Run again");
    await tab.eventually("it has run twice", async () => (await sandbox.listProcesses()).length === 2);
    await tab.shows(".row", "1hello=you");
    await tab.shows(".row", "2a b");
    // What is no assignment is refused before anything is started.
    await tab.click("area", "Environment…");
    await tab.page.keyboard.type("\nsecret");
    await tab.fill("Command", "true");
    await tab.page.keyboard.press("Enter");
    await tab.shows("[role=alert]", "one has no name or no =");
    assert.equal((await sandbox.listProcesses()).length, 2);
  });

  session.test("brings back commands by the arrow keys", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "history");
    for (const line of ["echo one", "echo two", "echo two"]) await sandbox.run("sh", { args: ["-c", line] });
    await tab.shows(".group", "Ended 3");
    await tab.fill("Command", "echo th");
    const shown = async (text: string) => {
      await tab.eventually(`the command is ${text}`, async () => (await tab.value("Command")) === text);
    };
    for (const [key, text] of [
      ["ArrowUp", "echo two"],
      ["ArrowUp", "echo one"],
      ["ArrowUp", "echo one"],
      ["ArrowDown", "echo two"],
      ["ArrowDown", "echo th"],
      ["ArrowUp", "echo two"],
    ] as const) {
      await tab.page.keyboard.press(key);
      await shown(text);
    }
    await tab.page.keyboard.press("Enter");
    await tab.shows(".row", "1two");
  });

  session.test("stops a process, kills one that does not stop, and one at once", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "stopped");
    await run(tab, "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.1; done");
    await tab.shows(".row", "1ready");
    await tab.click("button", "Stop");
    await tab.shows(".detail .status", "exit code 7");
    await tab.shows(".row", /^\dasked$/);
    await run(tab, "trap '' TERM; echo deaf; while :; do sleep 0.1; done");
    await tab.shows(".row", "1deaf");
    await tab.click("button", "Stop");
    await tab.shows(".detail button", "Stopping…");
    await tab.shows(".detail .status", "ended by SIGKILL");
    await run(tab, "exec sleep 1000");
    await tab.shows(".detail .status", "running");
    await tab.click("button", "Kill");
    await tab.shows(".detail .status", "ended by SIGKILL");
    await run(tab, "exec sleep 2000");
    await tab.shows(".detail .status", "running");
    await tab.page.evaluate(() => {
      const select = document
        .querySelector("#console")
        ?.shadowRoot?.querySelector<HTMLSelectElement>(".signal select");
      if (!select) return;
      select.value = "SIGHUP";
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }, undefined);
    await tab.click("button", "Send signal");
    await tab.shows(".detail .status", "ended by SIGHUP");
    assert.ok((await sandbox.listProcesses()).every(({ status }) => status !== "running"));
  });

  session.test("shows what running processes use, only while the list is in sight", async (t, tab) => {
    const asked = await usageRequests(tab);
    const sandbox = await session.inSandbox(t, tab, "used");
    await run(tab, "sh -c 'while :; do :; done' & wait; echo over");
    await tab.shows(".group", /^Running 1.*running · for .* · [\d.]+ % CPU · [\d.]+ (K|M)B$/);
    // The load is of the shell that the process has started.
    await tab.shows(".item .use", /^· (?!0\.0)[\d.]+ % CPU/);
    await tab.shot("usage");
    await tab.click("tab", "Files");
    const looks = async () => {
      const { url: apiUrl, apiKey } = session.server;
      const other = await Sandbox.create({ apiUrl, apiKey, name: "look" });
      await tab.shows(".sandboxes", "look");
      await other.terminate();
      await tab.eventually("a second look has shown its end", async () =>
        (await tab.texts(".sandboxes strong")).every((text) => text !== "look"),
      );
    };
    await looks();
    const before = await asked();
    await looks();
    assert.equal(await asked(), before, "nothing is measured while files are looked at");
    await tab.click("tab", "Processes");
    await tab.eventually("it measures again", async () => (await asked()) > before);
    await tab.click("button", "Suspend");
    await tab.shows(".about .status", "suspended");
    const suspended = await asked();
    await looks();
    assert.equal(await asked(), suspended, "nothing is measured in a suspended sandbox");
    assert.equal(await sandbox.status(), "suspended");
  });

  session.test("shows no usage and no error on a server that does not measure", async (t, tab) => {
    const asked = await usageRequests(tab, true);
    const sandbox = await session.inSandbox(t, tab, "unmeasured");
    await sandbox.startProcess("sleep", { args: ["1000"] });
    await tab.shows(".group", "Running 1");
    await tab.eventually("it has asked", async () => (await asked()) === 1);
    await sandbox.startProcess("sleep", { args: ["1000"] });
    await tab.shows(".group", "Running 2");
    await sandbox.startProcess("sleep", { args: ["1000"] });
    await tab.shows(".group", "Running 3");
    assert.equal(await asked(), 1, "it asks once");
    assert.deepEqual(await tab.texts(".use"), []);
    assert.deepEqual(await tab.texts("[role=alert]"), []);
  });
}

/** Counts the page's requests for usage, which are answered as by a server without the route if `isMissing`. */
async function usageRequests(tab: Tab, isMissing = false): Promise<() => Promise<number>> {
  await tab.page.evaluate((missing) => {
    const own = globalThis as { usageRequests?: number };
    own.usageRequests = 0;
    const { fetch } = globalThis;
    globalThis.fetch = (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      if (!url.includes("/api/v1/usage")) return fetch(input, init);
      own.usageRequests = (own.usageRequests ?? 0) + 1;
      return missing ? Promise.resolve(new Response(null, { status: 404 })) : fetch(input, init);
    };
  }, isMissing);
  return () =>
    tab.page.evaluate(() => (globalThis as { usageRequests?: number }).usageRequests ?? 0, undefined);
}
