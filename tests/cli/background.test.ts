// The server that a command starts stays behind, and keeps nothing of the command's caller.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "../helpers/processes.js";
import { type Ended, ended, environment, home, PROGRAM, start } from "./program.js";

/** Runs a script of bash, in which `shoreline` is a function, where no server runs yet. */
async function bash(t: TestContext, script: string): Promise<Ended> {
  const env = { XDG_STATE_HOME: mkdtempSync(join(home, "state-")) };
  t.after(() => ended(start(["local", "stop"], env)));
  const shoreline = 'shoreline() { "$NODE" "$PROGRAM" "$@"; }';
  const child = spawn("bash", ["-c", `${shoreline}; cd "$HOME"; ${script}`], {
    env: { ...environment, ...env, NODE: process.execPath, PROGRAM },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result = await ended(child);
  assert.ok(existsSync(join(env.XDG_STATE_HOME, "shoreline")), "the command starts the server");
  return result;
}

test("a lock that the command runs under is free when it has ended", async (t) => {
  for (const descriptor of [9, 200]) {
    const script = `exec ${descriptor}>lock; flock ${descriptor}; shoreline run true; exec ${descriptor}>&-; flock -n lock echo free`;
    const { stdout, code } = await bash(t, script);
    assert.deepEqual([stdout, code], ["free\n", 0]);
  }
  const { stdout } = await bash(t, 'flock lock "$NODE" "$PROGRAM" run true; flock -n lock echo free');
  assert.equal(stdout, "free\n");
});

test("a pipe that the command has ends with it", async (t) => {
  for (const script of [
    "x=$(shoreline run echo hi 200>&1); echo $x",
    "x=$(shoreline run echo hi 9>&1); echo $x",
    "shoreline run echo hi | cat",
    "{ shoreline run echo hi >&200; } 200>&1 | cat",
    "shoreline run echo hi 2> >(cat >&2)",
  ]) {
    const { stdout, code } = await bash(t, script);
    assert.deepEqual([stdout, code], ["hi\n", 0], script);
  }
});
