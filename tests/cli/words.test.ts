// Options and lines that scripts have from the official program, `tl sbx`.
import assert from "node:assert/strict";
import { test } from "../helpers/processes.js";
import { shoreline } from "./program.js";

test("create takes the official options", async () => {
  const { code, stdout } = await shoreline("new", "-c", "1", "-m", "512", "-t", "600", "-n", "options");
  assert.equal(code, 0);
  const described = (await shoreline("info", "options")).stdout;
  assert.match(described, /^Timeout: {9}600s$/m);
  assert.equal(described.split("\n")[0], `ID:              ${stdout.trim()}`);
  for (const [args, why] of [
    [["-e", "sleep", "-e", "1000"], /entrypoint/],
    [["-s", "snapshot"], /snapshots/],
    [["-A", "a.example", "-N"], /--no-internet excludes/],
    [["-s", "snapshot", "-i", "image"], /exclude each other/],
  ] as const) {
    const refused = await shoreline("create", ...args, "other");
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, why);
  }
  await shoreline("terminate", "options");
});

test("create and run take --network-allow and --network-deny", async () => {
  for (const command of [["create", "limited"], ["run"]]) {
    const rules = ["--network-allow", "192.0.2.1", "--network-deny", "192.0.2.0/24"];
    const { code, stderr } = await shoreline(...command, ...rules, ...(command[0] === "run" ? ["true"] : []));
    // Where sandboxes share the machine's network there are no rules, which is then said.
    assert.ok(code === 0 || stderr.includes("`network` rules"), stderr);
  }
  await shoreline("terminate", "limited");
});

test("describe has every line in the official order, with and without a value", async () => {
  await shoreline("create", "words");
  const labels = async () =>
    (await shoreline("describe", "words")).stdout.split("\n").map((line) => line.slice(0, 17).trimEnd());
  const expected = ["ID", "Name", "Namespace", "Status", "Image", "CPUs", "Memory", "Disk", "Proxy auth"];
  expected.push(
    "Internet",
    "Created",
    "Timeout",
    "URL",
    "Entrypoint",
    "Secrets",
    "Ports",
    "Allow out",
    "Deny out",
  );
  const live = await labels();
  assert.deepEqual(
    live.slice(0, expected.length),
    expected.map((label) => `${label}:`),
  );
  assert.match((await shoreline("describe", "words")).stdout, /^Created: {9}\d+ (sec|min) ago$/m);
  const { stdout: id } = await shoreline("suspend", "words");
  assert.equal(id, "words\n");
  assert.equal((await shoreline("resume", "words")).stdout, "words\n");
  assert.ok(!live.includes("Terminated:"));
  await shoreline("terminate", "words");
});

test("a list of nothing is one line, whatever is hidden", async () => {
  assert.equal((await shoreline("ls", "-s")).stdout, "No sandboxes found.\n");
});

test("commands know that they run in a process of a sandbox, whatever the user's variables say", async () => {
  await shoreline("create", "mode");
  const command = ["sh", "-c", "echo $TENSORLAKE_SANDBOX_PROCESS_MODE"];
  const name = "TENSORLAKE_SANDBOX_PROCESS_MODE";
  assert.equal((await shoreline("exec", "-e", `${name}=mine`, "mode", ...command)).stdout, "one-shot\n");
  assert.equal((await shoreline("run", ...command)).stdout, "one-shot\n");
  await shoreline("terminate", "mode");
});
