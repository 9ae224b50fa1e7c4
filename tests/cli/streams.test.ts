// What a command reads and writes while it runs, and how it ends then, on local sandboxes.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { before } from "node:test";
import { test } from "../helpers/processes.js";
import { ended, piped, saying, shoreline, start } from "./program.js";

let box: string;

before(async () => {
  box = (await shoreline("create", "box")).stdout.trim();
});

/** The sandboxes that live. */
const live = async () => (await shoreline("ls", "-q")).stdout.split("\n").filter(Boolean);

test("what is piped in is the command's input, byte for byte, and its end the end", async () => {
  const bytes = randomBytes(3_000_000);
  const sum = createHash("sha256").update(bytes).digest("hex");
  assert.equal((await piped(bytes, "exec", "box", "sha256sum")).stdout, `${sum}  -\n`);
  assert.deepEqual((await piped(bytes, "run", "cat")).bytes, bytes);
  // One that does not read it, and ends.
  assert.equal((await piped(bytes, "exec", "box", "true")).code, 0);
  // A loop's input is not the command's.
  assert.equal((await piped("a\nb\n", "exec", "-n", "box", "cat")).stdout, "");
  // Without a pipe there is nothing to wait for.
  assert.equal((await shoreline("exec", "box", "cat")).code, 0);
});

test("exec returns with its command; ps shows that something writes on, and logs -f follows it", async () => {
  const script = "mkfifo gate; (read line < gate; echo $line) & echo first; exit 3";
  const { stdout, code } = await shoreline("exec", "box", "sh", "-c", script);
  assert.deepEqual([stdout, code], ["first\n", 3]);
  const { stdout: listed } = await shoreline("ps", "box");
  const [, pid = ""] = /^(\d+)\texited\tno\t\t\t\tsh -c mkfifo gate; /m.exec(listed) ?? [];
  const record = JSON.parse((await shoreline("ps", "--json", "box", pid)).stdout) as Record<string, unknown>;
  const [holder] = record.output_holders as { pid: number }[];
  assert.deepEqual(record.output_holders, [{ pid: holder?.pid, command: `sh -c ${script}` }]);
  assert.deepEqual([record.exit_code, record.output_open], [3, true]);
  const follow = start(["logs", "-f", "box", pid]);
  const followed = ended(follow);
  await saying(follow.stdout, "first\n");
  await shoreline("exec", "box", "sh", "-c", "echo late > gate");
  assert.deepEqual((await followed).stdout, "first\nlate\n");
  assert.match((await shoreline("ps", "box", pid)).stdout, /\texited\t/);
});

test("exec: a time limit that no timer takes is not over at once", async () => {
  const args = ["exec", "-t", "3000000", "box", "sh", "-c", "sleep 0.3; exit 5"];
  assert.equal((await shoreline(...args)).code, 5);
});

test("a line is printed before it ends: by exec, run and logs -f", async () => {
  const script = "printf 'Name: '; read name; printf '50%%\\r' >&2; read on; echo hello $name";
  for (const args of [["exec", "box"], ["run"]]) {
    const child = start([...args, "sh", "-c", script], {}, true);
    const all = ended(child);
    await saying(child.stdout, "Name: ");
    child.stdin?.write("you\n");
    await saying(child.stderr, "50%\r");
    child.stdin?.end("\n");
    const { stdout, stderr, code } = await all;
    assert.deepEqual([stdout, stderr.endsWith("50%\r"), code], ["Name: hello you\n", true, 0]);
  }
  const waiting = "printf prompt; until [ -e go ]; do sleep 0.05; done; echo ' end'";
  const { stdout: pid } = await shoreline("exec", "--detach", "box", "sh", "-c", waiting);
  const logs = start(["logs", "-f", "box", pid.trim()]);
  const all = ended(logs);
  await saying(logs.stdout, "prompt");
  await shoreline("exec", "box", "touch", "go");
  assert.deepEqual([(await all).stdout, (await all).code], ["prompt end\n", 0]);
});

test("SIGTERM ends the remote command and the sandbox of a run", async () => {
  const child = start(["run", "sh", "-c", "echo up; exec sleep 1000"]);
  const done = ended(child);
  await once(child.stdout ?? process, "data");
  child.kill("SIGTERM");
  assert.equal((await done).code, 143);
  assert.deepEqual(await live(), [box]);
});

test("a reader that has gone ends the command", async () => {
  const child = start(["run", "sh", "-c", "yes"]);
  const done = once(child, "exit");
  await once(child.stdout ?? process, "data");
  child.stdout?.destroy();
  assert.deepEqual(await done, [141, null]);
  assert.deepEqual(await live(), [box]);
});
