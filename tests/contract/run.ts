import { type AbortError, CommandError, type OutputEvent, ProcessStatus, Sandbox } from "shoreline";
import { ended, equal, ok, recorded, rejects, sandboxOf, sha256, test } from "./harness.js";

test("hello: stdout and exit code", async ({ sandbox }) => {
  const result = await sandbox.run("echo", { args: ["Hello from sandbox!"] });
  equal(result.stdout, "Hello from sandbox!");
  equal(result.stderr, "");
  equal(result.exitCode, 0);
  equal(result.signal, null);
  equal(result.timedOut, false);
  equal(result.oomKilled, false);
  equal(result.outputOpen, false);
  equal(result.truncated, undefined);
  ok(Number.isInteger(result.pid), "there is a pid");
  ok(result.durationMs > 0 && result.durationMs < 60_000, "the duration is the run's");
});

test("a working directory", async ({ sandbox }) => {
  equal((await sandbox.run("pwd", { workingDir: "/usr" })).stdout, "/usr");
});

test("environment variables: MODE=prod DEBUG=0 print prod 0", async ({ sandbox }) => {
  const result = await sandbox.run("sh", {
    args: ["-c", 'printf "%s %s\\n" "$MODE" "$DEBUG"'],
    env: { MODE: "prod", DEBUG: "0" },
  });
  equal(result.stdout, "prod 0");
});

test("names of environment variables are never rewritten", async ({ sandbox }) => {
  const env = { camelCase: "1", snake_case: "2", UPPER: "3" };
  const result = await sandbox.run("sh", { args: ["-c", 'echo "$camelCase$snake_case$UPPER"'], env });
  equal(result.stdout, "123");
});

test("a command over its time limit is killed and says so", async ({ sandbox }) => {
  const result = await sandbox.run("sh", { args: ["-c", "echo begun; exec sleep 1000"], timeout: 2 });
  equal(result.timedOut, true);
  equal(result.exitCode, null);
  equal(result.signal, 9);
  equal(result.stdout, "begun");
});

test("pipes, through a shell", async ({ sandbox }) => {
  const result = await sandbox.run("sh", { args: ["-c", "printf 'b\\na\\n' | sort | tr a-z A-Z"] });
  equal(result.stdout, "A\nB");
});

test("arguments arrive as they are, no shell looks at them", async ({ sandbox }) => {
  const args = ["", " ", "$HOME", "*", "a\nb", "é✓😀", "'\"\\", "-n"];
  const result = await sandbox.run("sh", { args: ["-c", 'printf "<%s>" "$@"', "sh", ...args] });
  equal(result.stdout, args.map((arg) => `<${arg}>`).join(""));
});

test("a failing command is a result, with its stderr", async ({ sandbox }) => {
  const result = await sandbox.run("sh", { args: ["-c", "echo out; echo wrong >&2; exit 3"] });
  equal(result.exitCode, 3);
  equal(result.stdout, "out");
  equal(result.stderr, "wrong");
});

test("a command that a signal ends says which", async ({ sandbox }) => {
  const result = await sandbox.run("sh", { args: ["-c", "kill -TERM $$"] });
  equal(result.exitCode, null);
  equal(result.signal, 15);
  equal(result.timedOut, false);
});

test("check makes an error of a failing command, with the result in it", async ({ sandbox }) => {
  const running = sandbox.run("sh", { args: ["-c", "echo out; echo wrong >&2; exit 3"], check: true });
  const error = await rejects<CommandError>(running, "command_failed");
  ok(error instanceof CommandError, "it is a CommandError");
  equal(error.exitCode, 3);
  equal(error.signal, null);
  equal(error.stdout, "out");
  equal(error.stderr, "wrong");
  equal(error.stderrBytes.length, 6);
  equal(error.timedOut, false);
  ok(error.message.includes("exited with 3") && error.message.includes("wrong"), error.message);
  equal((await sandbox.run("true", { check: true })).exitCode, 0);
});

test("a command that cannot be started rejects and says why", async ({ sandbox }) => {
  const error = await rejects(sandbox.run("no-such-program"), "not_found");
  ok(error.message.includes("no-such-program"), error.message);
  equal(error.retryable, false);
  ok(!error.message.includes("`args`"), error.message);
  for (const call of [() => sandbox.run("ls -l"), () => sandbox.startProcess("ls -l")]) {
    const { message } = await rejects(call(), "not_found");
    ok(message.includes("`args`") && message.includes("`sandbox.sh`"), message);
  }
});

test("output is kept byte for byte", async ({ sandbox }) => {
  const of = async (format: string) => {
    const { stdout, stdoutBytes } = await sandbox.run("printf", { args: [format] });
    return [stdout, Array.from(stdoutBytes)];
  };
  equal(await of("a\\n"), ["a", [97, 10]]);
  equal(await of("a"), ["a", [97]]);
  equal(await of("\\n"), ["", [10]]);
  equal(await of("\\n\\n"), ["\n", [10, 10]]);
  equal(await of("a\\r\\nb"), ["a\r\nb", [97, 13, 10, 98]]);
  equal(await of("a\\000b\\n"), ["a\0b", [97, 0, 98, 10]]);
  equal(await of("\\377\\n\\303\\251\\n\\376"), ["\ufffd\né\n\ufffd", [255, 10, 195, 169, 10, 254]]);
  const none = await sandbox.run("true");
  equal([none.stdout, none.stdoutBytes.length], ["", 0]);
});

test("maxOutputBytes keeps the beginning and the end, and says what is missing", async ({ sandbox }) => {
  const result = await sandbox.run("seq", { args: ["1000"], maxOutputBytes: 20 });
  ok(result.stdout.startsWith("1\n2\n3\n"), result.stdout);
  ok(result.stdout.endsWith("\n1000"), result.stdout);
  const missing = result.truncated?.stdout;
  ok(missing !== undefined, "it says that something is missing");
  equal(missing.droppedBytes, 3893 - 20);
  equal(result.truncated?.stderr, undefined);
  const nothing = await sandbox.run("seq", { args: ["3"], maxOutputBytes: 0 });
  equal([nothing.stdout, nothing.truncated?.stdout?.droppedLines], ["", 3]);
});

test("onStdout and onStderr get the output as it comes", async ({ sandbox }) => {
  const [out, err]: [string[], string[]] = [[], []];
  const result = await sandbox.run("sh", {
    args: ["-c", "echo a; echo b >&2; echo c"],
    onStdout: (event) => out.push(event.text),
    onStderr: (event) => err.push(event.text),
  });
  equal(out, ["a\n", "c\n"]);
  equal(err, ["b\n"]);
  equal(result.stdout, "a\nc");
  equal(result.stderr, "b");
});

test("an error that a handler throws is the run's, and ends the command", async ({ sandbox }) => {
  let pid = NaN;
  const running = sandbox.run("sh", {
    args: ["-c", "echo $$; exec sleep 1000"],
    onStdout: (event) => {
      pid = Number(event.line);
      throw new RangeError("mine");
    },
  });
  let error: unknown;
  await running.catch((thrown: unknown) => (error = thrown));
  ok(error instanceof RangeError, String(error));
  await killed(sandbox, pid);
});

test("iterated, a run is its output; then it is its result", async ({ sandbox }) => {
  const running = sandbox.run("sh", { args: ["-c", "echo a; echo b >&2; printf c; exit 4"] });
  const events: (string | undefined)[][] = [];
  for await (const event of running) events.push([event.stream, event.text]);
  equal(events.sort(), [
    ["stderr", "b\n"],
    ["stdout", "a\n"],
    ["stdout", "c"],
  ]);
  const result = await running;
  equal(result.exitCode, 4);
  equal(result.stdout, "a\nc");
  equal(result.stderr, "b");
  equal(await running.result(), result);
});

test("a loop over a run with check ends with the command's error", async ({ sandbox }) => {
  const running = sandbox.run("sh", { args: ["-c", "echo a; exit 5"], check: true });
  const lines: string[] = [];
  const loop = async () => {
    for await (const event of running) lines.push(event.line);
  };
  const error = await rejects<CommandError>(loop(), "command_failed");
  equal([error.exitCode, lines], [5, ["a"]]);
});

test("leaving a run's loop ends the command and keeps what it wrote", async ({ sandbox }) => {
  const running = sandbox.run("sh", { args: ["-c", "echo $$; exec sleep 1000"] });
  let pid = NaN;
  for await (const event of running) {
    pid = Number(event.line);
    break;
  }
  await killed(sandbox, pid);
  const error = await rejects<AbortError>(running, "aborted");
  equal([error.partial?.stdout, error.partial?.pid], [String(pid), pid]);
});

test("a run's output can be iterated late, again, and beside its result and its handlers", async ({
  sandbox,
}) => {
  const args = ["-c", "for i in 1 2 3; do echo $i; echo e$i >&2; done"];
  const all = ["1", "2", "3", "e1", "e2", "e3"];
  const sorted = async (running: AsyncIterable<OutputEvent>) => (await linesOf(running)).sort();
  const iterated = sandbox.run("sh", { args });
  equal([await sorted(iterated), await sorted(iterated)], [all, all]);
  await iterated;
  equal(await sorted(iterated), all);
  const told: string[] = [];
  const handled = sandbox.run("sh", { args, onStdout: ({ line }) => told.push(line) });
  equal(await sorted(handled), all);
  await handled;
  equal(
    told.filter((line) => line !== ""),
    ["1", "2", "3"],
  );
  // What the result leaves out is there.
  const short = sandbox.run("seq", { args: ["1000"], maxOutputBytes: 20 });
  ok((await short).truncated?.stdout !== undefined, "the result is short");
  equal((await linesOf(short)).length, 1000);
  const failing = sandbox.run("sh", { args: ["-c", "echo a; exit 5"], check: true });
  await rejects(failing, "command_failed");
  await rejects(linesOf(failing), "command_failed");
});

test("leaving a late loop ends the command too", async ({ sandbox }) => {
  const running = sandbox.run("sh", { args: ["-c", "echo $$; exec sleep 1000"] });
  const { line } = await running.waitForLine(/^\d+\n/);
  const aborted = rejects(running, "aborted");
  for await (const event of running) {
    equal(event.line, line);
    break;
  }
  await aborted;
  await killed(sandbox, Number(line));
});

test("a run begins when it is called, and needs no await to end", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const running = sandbox.run("echo", { args: ["a"] });
  await sandbox.health();
  equal(sent.map((request) => request.method).sort(), ["GET", "POST"]);
  equal((await running).stdout, "a");
  equal(sent.length, 2, "it was sent once");
  const iterator = sandbox.run("echo", { args: ["b"] })[Symbol.asyncIterator]();
  await sandbox.health();
  equal(sent.filter((request) => request.method === "POST").length, 2);
  equal((await iterator.next()).value?.line, "b");
  await iterator.return();
});

test("an abort ends the command, and the error has what it wrote", async ({ sandbox }) => {
  const controller = new AbortController();
  let pid = NaN;
  const running = sandbox.run("sh", {
    args: ["-c", "echo $$; exec sleep 1000"],
    signal: controller.signal,
    onStdout: (event) => {
      pid = Number(event.line);
      controller.abort(new Error("enough"));
    },
  });
  const error = await rejects<AbortError>(running, "aborted");
  equal((error.reason as Error).message, "enough");
  equal(error.partial?.stdout, String(pid));
  await killed(sandbox, pid);
});

test("an abort between the answer and its first event kills the command all the same", async () => {
  let events!: ReadableStreamDefaultController<Uint8Array>;
  let wanted!: () => void;
  const read = new Promise<void>((resolve) => (wanted = resolve));
  let told!: (request: string) => void;
  const request = new Promise<string>((resolve) => (told = resolve));
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        events = controller;
      },
      pull: () => {
        wanted();
      },
    },
    { highWaterMark: 0 },
  );
  const { sandbox } = await sandboxOf((url, init) => {
    if (init?.method === "POST") {
      return Promise.resolve(new Response(stream, { headers: { "content-type": "text/event-stream" } }));
    }
    told(`${init?.method} ${url as string}`);
    return Promise.resolve(new Response(null, { status: 204 }));
  });
  const controller = new AbortController();
  const running = rejects<AbortError>(sandbox.run("sleep", { signal: controller.signal }), "aborted");
  await read;
  controller.abort();
  await running;
  events.enqueue(new TextEncoder().encode('data: {"pid":7,"started_at":1}\n\n'));
  equal(await request, "DELETE http://peer.invalid/api/v1/processes/7");
});

test("an abort ends an iterated command at once, not when the next event is asked for", async ({
  sandbox,
}) => {
  const controller = new AbortController();
  const running = sandbox.run("sh", {
    args: ["-c", "echo $$; exec sleep 1000"],
    signal: controller.signal,
  });
  const events = running[Symbol.asyncIterator]();
  const pid = Number((await events.next()).value?.line);
  controller.abort(new Error("enough"));
  await killed(sandbox, pid);
  await rejects(events.next(), "aborted");
  const error = await rejects<AbortError>(running, "aborted");
  equal([(error.reason as Error).message, error.partial?.stdout], ["enough", String(pid)]);
});

test("an abort with onAbort: detach leaves the command running", async ({ sandbox }) => {
  const controller = new AbortController();
  let pid = NaN;
  const running = sandbox.run("sh", {
    args: ["-c", "echo $$; exec sleep 1000"],
    signal: controller.signal,
    onAbort: "detach",
    onStdout: (event) => {
      pid = Number(event.line);
      controller.abort();
    },
  });
  await rejects(running, "aborted");
  equal((await sandbox.getProcess(pid)).status, "running");
  await sandbox.killProcess(pid);
  await killed(sandbox, pid);
});

test("runs go on side by side", async ({ sandbox }) => {
  const numbers = Array.from({ length: 20 }, (_, i) => String(i));
  const results = await Promise.all(
    numbers.map((n) => sandbox.run("sh", { args: ["-c", `sleep 0.1; echo ${n}`] })),
  );
  equal(
    results.map((result) => result.stdout),
    numbers,
  );
});

test("a run is a promise", async ({ sandbox }) => {
  const running: Promise<{ exitCode: number | null }> = sandbox.run("true");
  let settled = false;
  equal((await running.finally(() => (settled = true))).exitCode, 0);
  ok(settled, "finally was called");
  equal(await sandbox.run("").catch(() => "caught"), "caught");
});

test("a run returns with its command; what that left behind writes on", async ({ sandbox }) => {
  const script = "mkfifo left-by-run; (read line < left-by-run; echo $line) & echo first; exit 3";
  const result = await sandbox.run("sh", { args: ["-c", script] });
  equal([result.stdout, result.exitCode, result.outputOpen], ["first", 3, true]);
  const pid = result.pid ?? NaN;
  const { status, exitCode, outputOpen } = await sandbox.getProcess(pid);
  equal([status, exitCode, outputOpen], [ProcessStatus.EXITED, 3, true]);
  const followed = linesOf(sandbox.followOutput(pid));
  await sandbox.run("sh", { args: ["-c", "echo late > left-by-run"], check: true });
  equal(await followed, ["first", "late"]);
  equal((await sandbox.getOutput(pid)).lines, ["first", "late"]);
  equal((await sandbox.getProcess(pid)).outputOpen, undefined);
});

test("a program in the background outlives its run and is killed by that one's pid", async ({ sandbox }) => {
  const script = "nohup sleep 1000 > /dev/null 2>&1 & echo $!";
  const { stdout, pid = NaN, outputOpen } = await sandbox.run("sh", { args: ["-c", script], timeout: 60 });
  equal(outputOpen, false);
  const isAlive = async () => (await sandbox.run("kill", { args: ["-0", stdout] })).exitCode === 0;
  ok(await isAlive(), "it lives on");
  await sandbox.killProcess(pid);
  while (await isAlive());
});

test("text that is no Unicode is sent as U+FFFD, wherever it stands", async ({ sandbox }) => {
  const lone = "a\ud800b\udfff";
  const sent = "a\ufffdb\ufffd";
  const env = { A: lone, B: "\ud83d\ude00" };
  const args = ["-c", 'printf %s "$A $B $1 $2"', "sh", lone, "\\ud800"];
  const { stdout } = await sandbox.run("sh", { args, env });
  equal(stdout, `${sent} \u{1f600} ${sent} \\ud800`);
  const { pid } = await sandbox.startProcess("cat", { stdinMode: "pipe", name: `cat ${lone}` });
  await sandbox.writeStdin(`cat ${lone}`, lone);
  await sandbox.closeStdin(pid);
  equal(await linesOf(sandbox.followOutput(`cat ${sent}`)), [sent]);
  await sandbox.writeFile(`lone ${lone}`, lone);
  equal(await new Response((await sandbox.readFile(`lone ${sent}`)).slice()).text(), sent);
});

test("200,000 lines through run have the SHA-256 of what was written", async ({ sandbox }) => {
  const written = await sandbox.run("sh", { args: ["-c", `${MANY_LINES} | sha256sum`], check: true });
  const result = await sandbox.run("sh", { args: ["-c", MANY_LINES], check: true });
  const bytes = new Uint8Array(result.stdoutBytes);
  equal(
    bytes.reduce((count, byte) => count + (byte === 10 ? 1 : 0), 0),
    200_000,
  );
  equal(await sha256(bytes), written.stdout.slice(0, 64));
});

/** Writes 200,000 lines of 8 to 107 characters, some of them not ASCII. */
export const MANY_LINES = `awk 'BEGIN {
  for (i = 0; i < 10; i++) text = text "é123456789";
  for (i = 1; i <= 200000; i++) printf "%06d %s\\n", i, (i % 7 ? substr("${"x".repeat(100)}", 1, i * 37 % 100) : text)
}'`;

async function linesOf(output: AsyncIterable<OutputEvent>): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of output) lines.push(event.line);
  return lines;
}

/** Waits for the end of a process, which must be by SIGKILL. */
async function killed(sandbox: Sandbox, pid: number): Promise<void> {
  await ended(sandbox.followOutput(pid));
  equal((await sandbox.getProcess(pid)).signal, 9, `how ${pid} ended`);
}
