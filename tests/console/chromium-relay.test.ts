// The console of a server elsewhere, which the page reaches through `shoreline console --relay` only.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Sandbox } from "shoreline";
import { launch } from "./chromium.js";
import { inside } from "./inside.js";
import { rows, run, Session } from "./session.js";

describe("the console by a relay", () => {
  const session = new Session(launch, ["--relay"]);

  session.test("makes a sandbox and runs a command, without the key or another address", async (t, tab) => {
    const { url: apiUrl, apiKey } = session.server;
    t.after(() => Sandbox.terminate("elsewhere", { apiUrl, apiKey }));
    await tab.fill("Name of a new sandbox", "elsewhere");
    await tab.click("button", "New");
    await tab.shows("h2", "elsewhere");
    await run(tab, "echo $((6 * 7)) is it; sleep 1000");
    await tab.eventually("its output", async () => (await rows(tab)).some((row) => row.includes("42 is it")));
    await tab.click("button", "Stop");
    await tab.shows(".detail header", /SIGTERM|signal 15/);
    const { asked, kept } = await tab.page.evaluate(() => {
      const entries = performance.getEntriesByType("resource");
      return {
        asked: entries.map(({ name }) => new URL(name).origin),
        kept: JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage), document.cookie]),
      };
    }, undefined);
    assert.deepEqual([...new Set(asked)], [new URL(await tab.page.url()).origin]);
    assert.ok(!kept.includes(apiKey));
    await tab.click("button", "Suspend");
    await tab.shows(".about .status", "suspended");
    await tab.click("button", "Resume");
    await tab.shows(".about .status", "running");
  });

  inside(session);
});
