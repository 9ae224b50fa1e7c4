// Places, what is known of sandboxes, and how they are made.
import assert from "node:assert/strict";
import { Sandbox } from "shoreline";
import { run, type Session } from "./session.js";

export function places(session: Session): void {
  session.test("has an address for each place, which a reload and another tab lead to", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "place");
    await sandbox.writeFile("a b/ü%.txt", "text");
    await run(tab, "echo here");
    await tab.shows(".row", "1here");
    const { pid } = (await sandbox.listProcesses())[0] ?? {};
    const ends = async (address: string) => {
      await tab.eventually(`the address ends with ${address}`, async () =>
        (await tab.page.url()).endsWith(address),
      );
    };
    await ends(`#/place/processes/${pid}`);
    assert.equal(
      await tab.page.evaluate(() => document.title, undefined),
      `place: process ${pid} – Shoreline`,
    );
    await tab.page.reload();
    await tab.shows("h2", "place");
    await tab.shows(".row", "1here");
    await tab.click("tab", "Files");
    await tab.click("button", "a b/");
    await tab.shows("td", "ü%.txt");
    await ends("/a%20b");
    assert.match(await tab.page.url(), /#\/place\/files\/.*a%20b$/);
    // A tab beside it has no link of its own, and asks this one.
    const other = await session.open(t, tab, await tab.page.url());
    await other.shows("td", "ü%.txt");
    await other.noErrors();
    // An address that is written, and one of a sandbox that is not there.
    await tab.page.evaluate((process) => {
      location.hash = `#/place/processes/${process}`;
    }, String(pid));
    await tab.shows(".row", "1here");
    await tab.page.evaluate(() => {
      location.hash = "#/not-there/files";
    }, undefined);
    await tab.shows("[role=alert]", "There is no sandbox not-there");
  });

  session.test("keeps a bad name in its field, and says what is wrong with it", async (t, tab) => {
    await tab.fill("Name of a new sandbox", "Not A Name");
    await tab.click("button", "New");
    await tab.shows(".wrong", /name/i);
    assert.equal(await tab.value("Name of a new sandbox"), "Not A Name");
    await tab.shot("wrong-name");
    await tab.fill("Name of a new sandbox", "a-name");
    await tab.click("button", "New");
    await tab.shows("h2", "a-name");
    t.after(() => Sandbox.terminate("a-name", { apiUrl: session.server.url, apiKey: session.server.apiKey }));
    assert.deepEqual(await tab.texts(".wrong"), []);
    assert.equal(await tab.value("Name of a new sandbox"), "");
  });

  session.test("makes sandboxes with limits, shows what is known of them, and finds them", async (t, tab) => {
    const { url: apiUrl, apiKey } = session.server;
    for (const name of ["find-b", "find-a", "find-c", "find-d", "find-e"]) {
      const made = await Sandbox.create({ apiUrl, apiKey, name });
      t.after(() => made.terminate());
    }
    await tab.click("button", "Options of a new sandbox");
    await tab.fill("Name of a new sandbox", "limited");
    await tab.fill("Memory, MB", "512");
    await tab.fill("Time limit, s", "3600");
    await tab.click("checkbox", "No internet access");
    await tab.shot("new-options");
    await tab.click("button", "New");
    await tab.shows("h2", "limited");
    const made = await Sandbox.connect("limited", { apiUrl, apiKey });
    t.after(() => made.terminate());
    const info = await made.info();
    assert.deepEqual(
      [info.resources?.memoryMb, info.timeoutSecs, info.network?.allowInternetAccess],
      [512, 3600, false],
    );
    await made.update({ exposedPorts: [8080] });
    await tab.click("button", "Details");
    await tab.shows(".details", made.sandboxId);
    await tab.shows(".details", "512 MB memory");
    await tab.shows(".details", "no internet");
    await tab.shows(".details", "1 h");
    await tab.shows(".details a", "8080");
    await tab.shot("details");
    await tab.fill("Filter the sandboxes", "FIND running");
    await tab.eventually("they are found", async () => (await tab.texts(".sandboxes .item")).length === 5);
    await tab.page.evaluate(() => {
      const select = document
        .querySelector("#console")
        ?.shadowRoot?.querySelector<HTMLSelectElement>(".sandboxes select");
      if (!select) return;
      select.value = "name";
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }, undefined);
    await tab.eventually(
      "they are sorted",
      async () => (await tab.texts(".sandboxes strong")).join() === "find-a,find-b,find-c,find-d,find-e",
    );
  });

  session.test("puts a failure away once the connection is back", async (t, tab) => {
    await session.inSandbox(t, tab, "trouble");
    await tab.fill("Command", "echo late");
    session.way.cut();
    t.after(() => {
      session.way.mend();
    });
    await tab.page.keyboard.press("Enter");
    await tab.shows("[role=alert]", "Starting it failed");
    session.way.mend();
    await tab.shows(".connection", "Connected");
    await tab.eventually("the failure is gone", async () => (await tab.texts(".notice")).length === 0);
    assert.equal(await tab.value("Command"), "echo late");
  });
}
