import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Sandbox } from "shoreline";
import { copied, start } from "../program.js";
import { launchChromium, TIMEOUT } from "../../helpers/chromium.js";

test("page: a process's output in a page, as it comes", { timeout: 300_000 }, async (t) => {
  const program = start(t, process.execPath, [join(copied("page"), "serve.mjs")], { PORT: "0" });
  const [, origin = "", url = "", key = ""] = await program.said(/^Open (.*)\nServer: (.*)\nKey: (.*)\n/);
  const browser = await launchChromium();
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const thrown: Error[] = [];
  page.on("pageerror", (error) => thrown.push(error));
  await page.goto(origin);
  await page.getByLabel("Server").fill(url);
  await page.getByLabel("Key").fill(key);

  // It ends only when the file is there, which is made once its first line is seen.
  const waiting = "echo first; until [ -e go ]; do sleep 0.1; done; echo '<b>last</b>' >&2; exit 3";
  await page.getByLabel("Command").fill(`cd /workspace; ${waiting}`);
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("stdout: first").waitFor();
  assert.equal(await page.getByRole("status").textContent(), "running");
  assert.deepEqual(await page.locator("li").allTextContents(), ["stdout: first"]);
  const [running] = await Sandbox.list({ apiUrl: url, apiKey: key });
  const sandbox = await Sandbox.connect(running?.sandboxId ?? "", { apiUrl: url, apiKey: key });
  await sandbox.writeFile("/workspace/go", "");
  await page.getByText("exit code 3").waitFor();
  assert.deepEqual(await page.locator("li").allTextContents(), ["stdout: first", "stderr: <b>last</b>"]);

  await page.getByLabel("Key").fill("wrong");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("authentication: ").waitFor();
  assert.deepEqual(thrown, []);
});
