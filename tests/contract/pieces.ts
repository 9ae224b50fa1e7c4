import { type OutputEvent, type Process, type ProcessJSON, Sandbox } from "shoreline";
import { equal, ok, rejects, sandboxOf, test, within } from "./harness.js";

/** A command that asks, and waits for the answer. */
const ASKING =
  "printf 'Name: '; read name; printf 'Password: ' >&2; read word; printf '10%%\\r'; read on; printf '100%%\\n'; echo \"hello $name\"";

function asking(sandbox: Sandbox): Promise<Process> {
  return sandbox.startProcess("sh", { args: ["-c", ASKING], stdinMode: "pipe" });
}

/** Reads until the text is there. */
async function until(reader: ReadableStreamDefaultReader<Uint8Array>, text: string): Promise<void> {
  const decoder = new TextDecoder();
  for (let seen = ""; !seen.endsWith(text);) {
    const { value, done } = await reader.read();
    ok(!done, `it ended after ${JSON.stringify(seen)}`);
    seen += decoder.decode(value, { stream: true });
  }
}

test("a prompt is waited for and answered, as by expect", async ({ sandbox }) => {
  const process = await asking(sandbox);
  // This pattern has the end of a line in it.
  const finished = process.waitForLine(/^Name: [^\n]*\n/);
  // Where its cache may store the first stream, Firefox lets a second one of the same address wait for a minute.
  const prompt = await within(30_000, process.waitForLine("Name: "));
  equal([prompt.line, prompt.text, prompt.stream, prompt.partial], ["Name: ", "Name: ", "stdout", true]);
  await sandbox.writeStdin(process.pid, "you\n");
  equal((await process.waitForLine(/word: $/)).stream, "stderr");
  await sandbox.writeStdin(process.pid, "secret\n");
  // It is the line so far, from its beginning.
  equal((await process.waitForLine("10%\r")).line, "Name: 10%\r");
  await sandbox.writeStdin(process.pid, "\n");
  const last = await process.waitForLine("hello");
  equal([last.line, last.partial], ["hello you", false]);
  equal((await process.waitForLine("100%")).text, "Name: 10%\r100%\n");
  equal([(await finished).line, (await finished).partial], ["Name: 10%\r100%", false]);
});

test("a process's streams have bytes before their line ends", async ({ sandbox }) => {
  const process = await asking(sandbox);
  const [out, err] = [process.stdout.getReader(), process.stderr.getReader()];
  for (const [reader, text] of [
    [out, "Name: "],
    [err, "Password: "],
    [out, "10%\r"],
  ] as const) {
    await until(reader, text);
    await sandbox.writeStdin(process.pid, "go\n");
  }
  await until(out, "100%\nhello go\n");
  equal([(await out.read()).done, (await err.read()).done], [true, true]);
});

test("an iteration gives whole lines, and with pieces what they gain", async ({ sandbox }) => {
  const process = await asking(sandbox);
  const pieces: OutputEvent[] = [];
  for await (const event of process.output({ pieces: true })) {
    pieces.push(event);
    if (event.partial) await sandbox.writeStdin(process.pid, "x\n");
  }
  const texts = (stream: string) =>
    pieces.filter((event) => event.stream === stream).map(({ text, partial }) => [text, partial]);
  equal(texts("stdout"), [
    ["Name: ", true],
    ["10%\r", true],
    ["100%\n", false],
    ["hello x\n", false],
  ]);
  // A line that ends without a line end has nothing left to give but its end.
  equal(texts("stderr"), [
    ["Password: ", true],
    ["", false],
  ]);
  equal(Object.keys(pieces[0]?.toJSON() ?? {}), ["line", "text", "stream", "partial"]);
  const lines: [string, boolean][] = [];
  for await (const { text, partial } of sandbox.followStdout(process.pid)) lines.push([text, partial]);
  equal(lines, [
    ["Name: 10%\r100%\n", false],
    ["hello x\n", false],
  ]);
});

test("the handlers of a run see a line before it ends, and its result is the same", async ({ sandbox }) => {
  const go = `go-${Math.random()}`;
  const script = `printf 'a\\377'; until [ -e ${go} ]; do sleep 0.05; done; printf '\\303\\251b\\nend'`;
  const seen: [string, boolean][] = [];
  const handled = sandbox.run("sh", {
    args: ["-c", script],
    onStdout: ({ text, partial }) => {
      seen.push([text, partial]);
      if (seen.length === 1) void sandbox.writeFile(go, "");
    },
  });
  const result = await handled;
  equal(seen[0], ["a\ufffd", true]);
  ok(!seen.some(([text]) => text === ""), "no handler is called with nothing");
  equal(seen.map(([text]) => text).join(""), "a\ufffdéb\nend");
  equal(Array.from(result.stdoutBytes), [97, 255, 0xc3, 0xa9, 98, 10, 101, 110, 100]);
  const plain = await sandbox.run("sh", { args: ["-c", script], maxOutputBytes: 4 });
  const pieces = await sandbox.run("sh", { args: ["-c", script], maxOutputBytes: 4, pieces: true });
  equal([pieces.stdout, pieces.truncated], [plain.stdout, plain.truncated]);
  equal(Array.from(pieces.stdoutBytes), Array.from(plain.stdoutBytes));
  const whole: string[] = [];
  const onStdout = ({ text }: OutputEvent) => whole.push(text);
  await sandbox.run("sh", { args: ["-c", "printf a; sleep 0.1; echo b"], onStdout, pieces: false });
  equal(whole, ["ab\n"]);
});

test("output goes on in another isolate in the middle of a line", async ({ sandbox, url, apiKey }) => {
  const process = await asking(sandbox);
  const events = process.output({ pieces: true });
  const first = await events.next();
  equal([first.value?.text, events.cursor()], ["Name: ", { counts: [0, 0], unfinished: [6, 0] }]);
  await events.return();
  const json = JSON.parse(JSON.stringify(process)) as ProcessJSON;
  const elsewhere = (await Sandbox.connect(json.sandboxId, { apiUrl: url, apiKey })).process(json);
  await sandbox.writeStdin(process.pid, "you\n\n\n");
  const rest: string[] = [];
  for await (const { text, stream } of elsewhere.output()) if (stream === "stdout") rest.push(text);
  equal(rest, ["10%\r100%\n", "hello you\n"]);
});

test("a server without unfinished lines is asked in a way that it can ignore", async () => {
  const output = `id: 1\nevent: output\ndata: {"line":"a","stream":"stdout"}\n\nevent: eof\ndata: {}\n\n`;
  const headers = { "Content-Type": "text/event-stream" };
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(new Response(output, { headers })));
  for (const pieces of [true, false]) {
    const texts: string[] = [];
    for await (const { text } of sandbox.followOutput(1, { pieces })) texts.push(text);
    equal(texts, ["a\n"]);
  }
  equal(
    sent.map(({ url }) => url.replace(/.*\/follow/, "")),
    ["?unfinished=true", ""],
  );
  const run = sandbox.run("ls", { onStdout: () => undefined, reconnect: { maxAttempts: 0 } });
  await rejects(run, "stream_ended_without_exit");
  ok(sent.at(-1)?.url.endsWith("/run?unfinished=true") === true, String(sent.at(-1)?.url));
});

test("an unfinished line that the server takes back is an error", async () => {
  const piece = 'event: unfinished\ndata: {"line":"abc","offset":0}\n\n';
  const headers = { "Content-Type": "text/event-stream" };
  for (const rest of ['data: {"line":"ab"}\n\n', "event: eof\ndata: {}\n\n"]) {
    const { sandbox } = await sandboxOf(() => Promise.resolve(new Response(piece + rest, { headers })));
    const events = sandbox.followStdout(1, { pieces: true });
    equal((await events.next()).value?.text, "abc");
    await rejects(events.next(), "output_gap");
  }
});
