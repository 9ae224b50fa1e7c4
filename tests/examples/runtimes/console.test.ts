import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launchChromium, TIMEOUT } from "../../helpers/chromium.js";
import { copied, start } from "../program.js";

test("console: a Vite page with the console in it", { timeout: 300_000 }, async (t) => {
  const vite = join(process.cwd(), "target", "node_modules", "vite", "bin", "vite.js");
  const shoreline = join(
    process.cwd(),
    "target",
    "packed",
    "node_modules",
    "shoreline",
    "pkg",
    "cli",
    "main.js",
  );
  const root = copied("console");
  // A user's own place for the server that programs share.
  const state = mkdtempSync(join(tmpdir(), "shoreline-console-"));
  const env = { XDG_STATE_HOME: state, NO_COLOR: "1" };
  t.after(async () => {
    await start(t, process.execPath, [shoreline, "local", "stop"], env).ended();
    rmSync(state, { recursive: true });
  });

  const program = start(t, process.execPath, [vite, root, "--host", "127.0.0.1", "--port", "0"], env);
  const [, url = ""] = await program.said(/Local: +(http:\S+)/);
  const browser = await launchChromium();
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const thrown: Error[] = [];
  page.on("pageerror", (error) => thrown.push(error));
  await page.goto(url);
  await page.getByText("Connected").waitFor();
  await page.getByLabel("Name of a new sandbox").fill("from-vite");
  await page.getByRole("button", { name: "New", exact: true }).click();
  await page.getByLabel("Command").fill("echo $((6 * 7))");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.locator(".row", { hasText: "42" }).waitFor();
  assert.deepEqual(thrown, []);
  // Programs that are no browser get no token.
  const refused = await fetch(new URL("token", url), { method: "POST" });
  assert.equal(refused.status, 403);

  const built = await start(t, process.execPath, [vite, "build", root], env).ended();
  assert.equal(built.code, 0, built.output);
  assert.ok(readdirSync(join(root, "dist", "assets")).some((name) => name.endsWith(".wasm")));
});
