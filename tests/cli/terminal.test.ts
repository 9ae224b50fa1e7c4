// What the command line does in a real terminal.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { test } from "../helpers/processes.js";
import { Way } from "../helpers/way.js";
import { home, PROGRAM, shoreline } from "./program.js";
import { Terminal } from "./screen.js";

before(async () => {
  await shoreline("create", "term");
});

/** A command that only SIGKILL ends. */
const STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.1; done";

/** The end of a screen after Ctrl-C. The terminal echoes ^C once it has sent the signal: the shell may be faster. */
const INTERRUPTED = /(?:\^C\r\nready>|\^Cready>|ready>\^C)$/;

const SHELL = ["-s", "/bin/sh", "-e", "PS1=ready>"];

test("ssh: what is typed, the size, a new size, Ctrl-C, the exit code, and a terminal as it was", async () => {
  const terminal = new Terminal(["ssh", ...SHELL, "term"]);
  await terminal.shows(/ready>/);
  terminal.type("stty size\r");
  await terminal.shows(/30 100/);
  await terminal.resize(90, 20);
  // The size is on its way; it is asked for until it has come.
  terminal.type("until [ \"$(stty size)\" = '20 90' ]; do :; done; echo re''sized\r");
  // What is typed before the prompt is there is echoed before it, too.
  await terminal.shows(/resized\r\nready>/);
  // It runs once it has answered: a shell may lose a Ctrl-C before.
  terminal.type("cat\rthrough\r");
  await terminal.shows(/through\r\n[^]*through\r\n/);
  const before = terminal.screen;
  terminal.screen = "";
  terminal.type("\u0003");
  // What is typed before the prompt is there is dropped with what Ctrl-C drops.
  await terminal.shows(/ready>/);
  terminal.type("echo go''es-on\r");
  await terminal.shows(/goes-on/);
  terminal.type("exit 7\r");
  assert.equal(await terminal.ended, 7);
  assert.match(terminal.screen, /clean/);
  // What the remote terminal sends is not changed on the way.
  const shown = before + terminal.screen;
  assert.ok(!shown.includes("\r\r"), JSON.stringify(shown));
});

test("ssh resumes a suspended sandbox; ~. leaves, and pty attach comes back", async () => {
  assert.equal((await shoreline("suspend", "term")).code, 0);
  const terminal = new Terminal(["ssh", ...SHELL, "term"]);
  await terminal.shows(/Resuming sandbox term\.\.\.[^]*ready>/);
  // At the beginning of a line ~ waits for the next key, and ~~ is one.
  for (const [typed, sent] of [
    ["~x", "~x"],
    ["~~~", "~~"],
  ] as const) {
    terminal.screen = "";
    terminal.type(":\r");
    await terminal.shows(/ready>$/);
    terminal.type(`${typed}\u0015echo after\r`);
    await terminal.shows(new RegExp(`ready>${sent}[^~]*echo after\r\nafter\r\nready>$`));
  }
  // Elsewhere it is a key as any other, though it comes by itself.
  terminal.type(":");
  await terminal.shows(/ready>:$/);
  terminal.type("~.");
  await terminal.shows(/ready>:~\.$/);
  terminal.type("\u0015mark=kept\r");
  await terminal.shows(/mark=kept\r\nready>/);
  // As a person types: the second key comes long after the first one was read.
  terminal.type("\r");
  await terminal.shows(/kept\r\nready>\r\nready>$/);
  terminal.type("~");
  await sleep(300);
  terminal.type(".");
  const [, session = ""] = await terminal.shows(/pty attach (?:-- )?term (\S+)/);
  assert.equal(await terminal.ended, 0);
  assert.match(terminal.screen, /clean/);

  const back = new Terminal(["pty", "attach", "--", "term", session]);
  await back.shows(/mark=kept/);
  back.type("echo [$mark]\r");
  await back.shows(/\[kept\]/);
  // No ~ was left on the line.
  assert.match(back.screen, /ready>echo \[\$mark\]\r\n\[kept\]/);
  assert.match(
    (await shoreline("pty", "ls", "term")).stdout,
    new RegExp(`\n?${session}\t/bin/sh\trunning\t100x30\t.*\tyes\n`),
  );
  assert.equal(
    (await shoreline("pty", "rm", "--", "term", session)).stdout,
    `Removed PTY session ${session} from sandbox term.\n`,
  );
  assert.notEqual(await back.ended, 0);
  assert.match(back.screen, /clean/);
});

test("ssh: a paste arrives byte for byte, with and without ~", async () => {
  const terminal = new Terminal(["ssh", ...SHELL, "term"]);
  await terminal.shows(/ready>/);
  const lines = Array.from(
    { length: 20_000 },
    (_, i) => `${i % 7 === 0 ? "~x" : ""}line ${i} \u00e9${i % 5 === 0 ? " ~." : ""}\r`,
  );
  const paste = Buffer.from(lines.join(""));
  terminal.type(`stty raw -echo; echo rea''dy; head -c ${paste.length} | sha256sum; stty sane\r`);
  await terminal.shows(/ready\n/);
  terminal.child.stdin?.write(paste);
  const [, sum] = await terminal.shows(/([0-9a-f]{64}) /);
  assert.equal(sum, createHash("sha256").update(paste).digest("hex"));
  await terminal.shows(/ready>$/);
  terminal.type("exit\r");
  assert.equal(await terminal.ended, 0);
});

test("ssh: a size that changes while the terminal is opened", async (t) => {
  const server = await startLocal();
  t.after(() => server.close());
  const way = await Way.to(server.url);
  t.after(() => way.close());
  await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, name: "sized" });
  const env = { TENSORLAKE_API_URL: way.url, TENSORLAKE_API_KEY: server.apiKey };
  const terminal = new Terminal(["ssh", ...SHELL, "sized"], env);
  let changed: Promise<void> | undefined;
  // While the size is changed, this process passes on no answer.
  way.onSent = (chunk) => {
    if (/^POST \S*\/api\/v1\/pty /.test(chunk.toString("latin1"))) changed = terminal.resize(90, 20);
  };
  await terminal.shows(/ready>/);
  assert.ok(changed);
  await changed;
  terminal.type("stty size; exit\r");
  const [, size] = await terminal.shows(/\n(\d+ \d+)\r\n/);
  assert.equal(size, "20 90");
  assert.equal(await terminal.ended, 0);
});

test("ssh: Ctrl-C ends a flood at once on a slow terminal, which loses nothing", async () => {
  const terminal = new Terminal(["ssh", ...SHELL, "term"]);
  await terminal.shows(/ready>/);
  const { stdout } = terminal.child;
  let shown = 0;
  let reached = (): void => undefined;
  // 20 ms for 64 KB.
  stdout?.on("data", (text: string) => {
    shown += text.length;
    if (shown > 2_000_000) reached();
    stdout.pause();
    setTimeout(() => stdout.resume(), (text.length / 65_536) * 20);
  });
  terminal.screen = "";
  terminal.type("yes\r");
  await new Promise<void>((resolve) => (reached = resolve));
  const before = shown;
  terminal.type("\u0003");
  await terminal.shows(INTERRUPTED);
  // What is under way is shown first, and no more than that.
  assert.ok(shown - before < 1_500_000, `${shown - before} bytes were still to come`);
  assert.match(terminal.screen.replace(INTERRUPTED, ""), /^yes\r\n(y\r\n)+[y\r\n]*$/);
  terminal.type("exit 3\r");
  assert.equal(await terminal.ended, 3);
});

test("a kill from outside leaves the terminal as it was", async () => {
  const terminal = new Terminal(["ssh", ...SHELL, "-e", "MARK=killed", "term"]);
  await terminal.shows(/ready>/);
  const [pid = ""] = execFileSync("pgrep", ["-f", `${PROGRAM} ssh .*MARK=killed term$`], {
    encoding: "utf8",
  }).split("\n");
  process.kill(Number(pid), "SIGTERM");
  assert.equal(await terminal.ended, 143);
  assert.match(terminal.screen, /clean/);
});

test("Ctrl-C: the first ends the remote command, the second leaves at once", async () => {
  const first = new Terminal([
    "exec",
    "term",
    "sh",
    "-c",
    "trap 'echo ended; exit 3' TERM; echo up; while :; do sleep 0.1; done",
  ]);
  await first.shows(/up/);
  first.type("\u0003");
  assert.equal(await first.ended, 130);
  assert.match(first.screen, /ended/);

  const stubborn = new Terminal(["exec", "term", "sh", "-c", STUBBORN]);
  await stubborn.shows(/up/);
  stubborn.type("\u0003");
  await stubborn.shows(/Ctrl-C again leaves at once/);
  stubborn.type("\u0003");
  assert.equal(await stubborn.ended, 130);
  // Had the program waited for SIGKILL, the command would have ended.
  const listed = (await shoreline("ps", "term", "--json")).stdout;
  const { processes } = JSON.parse(listed) as { processes: { status: string; args: string[] }[] };
  const left = processes.filter(({ status, args }) => status === "running" && args.includes(STUBBORN));
  assert.equal(left.length, 1, listed);
});

test("-it opens a terminal for a command: exec and run, with its exit code", async () => {
  const exec = new Terminal(["exec", "-it", "-e", "PS1=ready>", "term", "/bin/sh"]);
  await exec.shows(/ready>/);
  exec.type("stty size; exit 7\r");
  await exec.shows(/30 100/);
  assert.equal(await exec.ended, 7);
  assert.match(exec.screen, /clean/);

  const run = new Terminal(["run", "-ti", "-e", "PS1=ready>", "/bin/sh"]);
  await run.shows(/ready>/);
  const during = (await shoreline("ls", "-q")).stdout.split("\n").length;
  // Leaving it ends it, since nobody could come back.
  run.type("\r~.");
  assert.equal(await run.ended, 0);
  assert.match(run.screen, /clean/);
  assert.equal((await shoreline("ls", "-q")).stdout.split("\n").length, during - 1);
  assert.equal(await new Terminal(["exec", "--tty", "term", "no-such-command"]).ended, 127);
});

test("exec from a terminal: a command that got no input says how to get it; -i passes it, -n is silent", async () => {
  const silent = new Terminal(["exec", "term", "cat"]);
  await silent.shows(/got no input\. In a terminal: shoreline exec -it term cat\./);
  assert.equal(await silent.ended, 0);
  const none = new Terminal(["exec", "-n", "term", "cat"]);
  assert.equal(await none.ended, 0);
  assert.ok(!none.screen.includes("input"), none.screen);
  const typed = new Terminal(["exec", "--interactive", "term", "sed", "s/^/read /"]);
  typed.type("a line\r\u0004");
  await typed.shows(/read a line/);
  assert.equal(await typed.ended, 0);
});

test("a table on a terminal has columns, colours only where they are wanted", async () => {
  const plain = new Terminal(["ls"], { NO_COLOR: "1" });
  assert.equal(await plain.ended, 0);
  assert.match(plain.screen, /\r?\nID {20,}Name /);
  const coloured = new Terminal(["ls"]);
  assert.equal(await coloured.ended, 0);
  assert.ok(coloured.screen.includes("\u001b[1mID "));
});

test("lines on a terminal are those of the official program", async () => {
  const made = new Terminal(["create", "lines"]);
  await made.shows(/Sandbox lines is ready\.\r\nID: [0-9a-z]{21}\r\n\r\nGet started:/);
  assert.equal(await made.ended, 0);
  const suspended = new Terminal(["suspend", "lines"]);
  await suspended.shows(/Suspending sandbox lines\.\.\.\r\nSandbox lines suspended\.\r\n/);
  const resumed = new Terminal(["resume", "lines"]);
  await resumed.shows(/Resuming sandbox lines\.\.\.\r\nSandbox lines is running\.\r\nURL: {13}http:/);
  await Promise.all([suspended.ended, resumed.ended]);
  await shoreline("exec", "lines", "sh", "-c", "exit 3");
  await shoreline("exec", "lines", "sh", "-c", "kill -9 $$");
  const ps = new Terminal(["ps", "lines"]);
  await ps.shows(/ exited \(3\) [^]* signaled \(9\) | signaled \(9\) [^]* exited \(3\) /);
  assert.equal(await ps.ended, 0);
  await shoreline("terminate", "lines");
});

test("a terminal whose program a signal ended has that signal's exit code", async () => {
  const terminal = new Terminal(["exec", "-it", "term", "sh", "-c", "kill -9 $$"]);
  assert.equal(await terminal.ended, 137);
});

test("cp shows how far it is on a terminal", async () => {
  const file = join(home, "big.bin");
  writeFileSync(file, Buffer.alloc(300_000_000));
  const terminal = new Terminal(["cp", file, "term:/tmp/big.bin"]);
  assert.equal(await terminal.ended, 0);
  assert.match(terminal.screen, /\rbig\.bin +\d+ % 0 files, [\d.]+ [kM]B/);
  assert.match(terminal.screen, /big\.bin -> term:\/tmp\/big\.bin \(300000000 bytes\)/);
});
