import type { Pty } from "shoreline";
import { equal, ok, recorded, rejects, test } from "./harness.js";

const decoder = new TextDecoder();

/** A screen that can be waited for. */
class Screen {
  text = "";
  #wanted: [string, () => void][] = [];

  readonly onData = (data: Uint8Array): void => {
    this.text += decoder.decode(data);
    this.#wanted = this.#wanted.filter(([text, found]) => {
      if (this.text.includes(text)) found();
      return !this.text.includes(text);
    });
  };

  shows(text: string): Promise<void> {
    if (this.text.includes(text)) return Promise.resolve();
    return new Promise((found) => this.#wanted.push([text, found]));
  }
}

const quiet = { args: ["-c", "stty -echo; echo ready; exec sh"], env: { PS1: "" } };

test("a terminal runs a shell: what is typed has an answer, and its exit code is told", async ({
  sandbox,
}) => {
  const screen = new Screen();
  const codes: (number | null)[] = [];
  const pty = await sandbox.createPty({
    command: "sh",
    ...quiet,
    onData: screen.onData,
    onExit: (code) => codes.push(code),
  });
  await screen.shows("ready");
  await pty.sendInput("echo $((40 + 2))\n");
  await screen.shows("42");
  await pty.sendInput(new TextEncoder().encode("exit 7\n"));
  equal(pty.exit, undefined);
  equal(await pty.wait(), 7);
  equal([codes, pty.exit], [[7], { exitCode: 7, signal: null }]);
  await rejects(pty.sendInput("x"), "session_closed");
  await rejects(pty.connect(), "session_closed");
});

test("a terminal has the size that it is given", async ({ sandbox }) => {
  const screen = new Screen();
  await using pty = await sandbox.createPty({
    command: "sh",
    ...quiet,
    rows: 30,
    cols: 100,
    onData: screen.onData,
  });
  await screen.shows("ready");
  await pty.sendInput("stty size\n");
  await screen.shows("30 100");
  await pty.resize(132, 43);
  await pty.sendInput("stty size\n");
  await screen.shows("43 132");
  const [info] = (await sandbox.listPtys()).filter(({ sessionId }) => sessionId === pty.sessionId);
  equal([info?.rows, info?.cols, info?.isAlive, info?.command], [43, 132, true, "sh"]);
  ok(info?.createdAt instanceof Date, "createdAt is a Date");
  for (const [cols, rows] of [
    [0, 24],
    [80, 501],
    [80.5, 24],
    [NaN, 24],
  ] as const)
    await rejects(pty.resize(cols, rows), "invalid_argument");
});

test("two who attach see the same, and one who comes late what was before", async ({ sandbox }) => {
  const [first, second] = [new Screen(), new Screen()];
  await using pty = await sandbox.createPty({ command: "sh", ...quiet, onData: first.onData });
  await pty.sendInput("echo be''fore\n");
  await first.shows("before");
  const other = await sandbox.connectPty(pty.sessionId, pty.token, { onData: second.onData });
  await second.shows("before");
  await other.sendInput("echo af''ter\n");
  await Promise.all([first.shows("after"), second.shows("after")]);
  other.disconnect();
});

test("who leaves a terminal and comes back sees everything once", async ({ sandbox }) => {
  const screen = new Screen();
  await using pty = await sandbox.createPty({ command: "sh", ...quiet, onData: screen.onData });
  await screen.shows("ready");
  for (let i = 0; i < 5; i++) {
    await pty.sendInput(`echo line-''${String(i)}.\n`);
    await screen.shows(`line-${String(i)}.`);
    if (i === 3) await pty.sendInput("sleep 0.3; echo mean''while\n");
    pty.disconnect();
    await rejects(pty.sendInput("x"), "session_closed");
    await pty.connect();
  }
  await screen.shows("meanwhile");
  await pty.sendInput("exit\n");
  await pty.wait();
  equal(
    screen.text.split("\r\n").filter((line) => line !== ""),
    ["ready", "line-0.", "line-1.", "line-2.", "line-3.", "meanwhile", "line-4."],
  );
});

test("a terminal as streams", async ({ sandbox }) => {
  const pty = await sandbox.createPty({ command: "sh", ...quiet });
  const [reader, writer] = [pty.readable.getReader(), pty.writable.getWriter()];
  let text = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const before = text;
    text += decoder.decode(next.value);
    // What is typed before the echo is off is shown.
    if (before.includes("ready") || !text.includes("ready")) continue;
    await writer.write("echo o''ne; echo t''wo\n");
    await writer.write("exit 3\n");
  }
  equal(text.split("\r\n"), ["ready", "one", "two", ""]);
  equal(await pty.wait(), 3);
});

test("much that is typed arrives whole", async ({ sandbox }) => {
  const screen = new Screen();
  const length = 300_000;
  const pty = await sandbox.createPty({
    command: "sh",
    args: ["-c", `stty raw -echo; echo ready; head -c ${String(length)} | sha256sum`],
    onData: screen.onData,
  });
  await screen.shows("ready");
  const input = Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);
  await Promise.all([
    pty.sendInput(input.subarray(0, 100_000)),
    pty.sendInput(input.subarray(100_000, 100_001)),
    pty.sendInput(input.subarray(100_001)),
  ]);
  equal(await pty.wait(), 0);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", input));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  ok(screen.text.includes(hex), "the hash is that of what was typed");
});

/** What `seq` writes to a terminal. */
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${String(i + 1)}\r\n`).join("");

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

test("a slow consumer slows a terminal's program down: nothing is lost, and Ctrl-C acts at once", async ({
  sandbox,
}) => {
  let [text, last, bytes, owed, busy] = ["", "", 0, 0, 0];
  const told: unknown[] = [];
  const pty = await sandbox.createPty({
    command: "sh",
    args: ["-c", "stty -echo; exec sh"],
    env: { PS1: "prompt>" },
    reattach: true,
    onReattach: (info) => told.push(info),
    onData: async (data) => {
      ok(busy++ === 0, "the next call waits for the last one");
      // A timer takes a millisecond at least, and four in pages.
      owed += data.length;
      if (owed >= 65_536) {
        await pause((owed / 65_536) * 20);
        owed = 0;
      }
      bytes += data.length;
      text += decoder.decode(data);
      last = (last + decoder.decode(data)).slice(-7);
      busy--;
    },
  });
  const prompted = async () => {
    while (last !== "prompt>") await pause(5);
  };
  await prompted();
  ok(pty.hasFlowControl, "the local server has flow control");
  [text, last] = ["", ""];
  // More than a server keeps.
  await pty.sendInput("seq 300000\n");
  await prompted();
  ok(text === `${numbers(300_000)}prompt>`, "every number has come once");
  for (let i = 0; i < 3; i++) {
    [text, last] = ["", ""];
    const start = bytes;
    await pty.sendInput("yes\n");
    while (bytes < start + 1_500_000) await pause(5);
    const before = bytes;
    await pty.sendInput("\u0003");
    await prompted();
    ok(bytes - before < 1_000_000, `${String(bytes - before)} bytes were still to come`);
    // What the terminal itself has not given out yet, Ctrl-C drops.
    ok(/^(y\r\n)+[y\r\n]*prompt>$/.test(text), "nothing else is missing");
  }
  await pty.sendInput("exit 6\n");
  equal(await pty.wait(), 6);
  equal(told, []);
});

test("a terminal's stream that is not read stops the program, and has everything once it is", async ({
  sandbox,
}) => {
  const script = "seq 300000; echo over > over-$0; exit 4";
  const name = `stream-${String(Date.now())}`;
  const pty = await sandbox.createPty({ command: "sh", args: ["-c", script, name] });
  const reader = pty.readable.getReader();
  const first = await reader.read();
  let text = decoder.decode(first.value);
  // It would be over by now if it were not stopped.
  await sandbox.run("sleep", { args: ["0.3"] });
  const { stdout } = await sandbox.run("sh", { args: ["-c", "ls"] });
  ok(!stdout.includes(`over-${name}`), "the program waits");
  for (let next = await reader.read(); !next.done; next = await reader.read())
    text += decoder.decode(next.value);
  ok(text === numbers(300_000), "all has come");
  equal(await pty.wait(), 4);
});

test("a terminal whose output nobody takes is not stopped by it", async ({ sandbox }) => {
  const pty = await sandbox.createPty({ command: "sh", args: ["-c", "seq 500000; exit 5"] });
  equal(await pty.wait(), 5);
  let text = "";
  pty.onData((data) => (text += decoder.decode(data)));
  ok(text.endsWith("\r\n500000\r\n") && text.length > 500_000, "the last of it is kept");
});

test("who attaches to a terminal is not asked what was asked before", async ({ sandbox }) => {
  const [first, second] = [new Screen(), new Screen()];
  await using pty = await sandbox.createPty({ command: "sh", ...quiet, onData: first.onData });
  await first.shows("ready");
  const ask = (mark: string) => pty.sendInput(`printf '\\033[c\\033[6n\\033]11;?\\007${mark}\\n'\n`);
  const queries = "\u001b[c\u001b[6n\u001b]11;?\u0007";
  await ask("one");
  await first.shows(`${queries}one`);
  const other = await sandbox.connectPty(pty.sessionId, pty.token, { onData: second.onData });
  await second.shows("one");
  ok(!second.text.includes("\u001b"), "what was asked before is not asked again");
  await ask("two");
  await second.shows(`${queries}two`);
  other.disconnect();
});

test("killing a terminal ends its session", async ({ sandbox }) => {
  const pty = await sandbox.createPty({ command: "sleep", args: ["1000"] });
  await pty.kill();
  equal(await pty.wait(), -1);
  equal(pty.exit, { exitCode: null, signal: 1 });
});

test("a terminal that cannot be opened is an error that says why, and leaves nothing", async (context) => {
  const { sandbox, sent } = await recorded(context);
  await rejects(sandbox.createPty({ command: "" }), "invalid_argument");
  await rejects(sandbox.createPty({ command: "sh", rows: -1 }), "invalid_argument");
  await rejects(sandbox.createPty({ command: "sh", onData: 1 as never }), "invalid_argument");
  await rejects(sandbox.createPty({ command: "sh", reattach: { maxAttempts: -1 } }), "invalid_argument");
  await rejects(sandbox.connectPty("", "x"), "invalid_argument");
  await rejects(sandbox.connectPty("x", ""), "invalid_argument");
  equal(sent.length, 0);
  await rejects(sandbox.createPty({ command: "no-such-command" }), "not_found");
  await rejects(sandbox.connectPty("no-such-session", "x"), "not_found");
  await using pty: Pty = await sandbox.createPty({ command: "sh" });
  await rejects(sandbox.connectPty(pty.sessionId, "wrong"), "connect_failed");
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  const before = (await sandbox.listPtys()).length;
  await rejects(sandbox.createPty({ command: "sh", signal: abort.signal }), "aborted");
  equal((await sandbox.listPtys()).length, before);
});
