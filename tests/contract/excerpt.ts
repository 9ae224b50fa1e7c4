// Output as text for a language model.
import { equal, ok, recorded, rejects, sandboxOf, test } from "./harness.js";
import { answer, events, line } from "./peer.js";

const sh = (script: string) => ({ args: ["-c", script], stdinMode: "pipe" }) as const;

test("an excerpt is the output as a terminal shows it, with the exit", async ({ sandbox }) => {
  const script = String.raw`printf '10%%\r\033[32m100%%\033[m\n'; printf 'abd\bc\n\033]0;title\007' >&2; printf '\344\270\226\347\225\214\n'; exit 3`;
  const process = await sandbox.startProcess("sh", sh(script));
  const { text, cursor, ...rest } = await process.excerpt();
  const lines = text.trimEnd().split("\n");
  equal(lines.filter((each) => !each.startsWith("[stderr] ")).join(), "100%,世界");
  ok(lines.includes("[stderr] abc"), text);
  equal(rest, { running: false, exitCode: 3, signal: null });
  equal((await process.excerpt({ after: cursor })).text, "");
});

test("an excerpt within a budget says what it leaves out, and its cursor gives that", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("seq", { args: ["1", "3000"] });
  const { text, omitted } = await sandbox.excerpt(pid, { maxBytes: 2000 });
  ok(omitted !== undefined && text.length <= 2000, text);
  const mark = `[${omitted.lines} lines (${omitted.bytes} bytes) omitted; cursor to read them: ${omitted.after}]`;
  const lines = text.trimEnd().split("\n");
  const at = lines.indexOf(mark);
  ok(at > 10 && lines.length - at > 10, "head and tail are there");
  equal(lines[at + 1], String(at + 1 + omitted.lines));
  // Page after page is all of the output.
  let whole = "";
  for (let after: string | undefined = ""; after !== undefined;) {
    const page = await sandbox.excerpt(pid, { maxTokens: 1000, ...(after !== "" && { after }) });
    whole += page.omitted ? page.text.slice(0, page.text.indexOf("[")) : page.text;
    after = page.omitted?.after;
  }
  equal(whole, Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join(""));
});

test("an excerpt yields after a time, and the next one continues within the line", async ({ sandbox }) => {
  const process = await sandbox.startProcess(
    "sh",
    sh("echo start; printf 'Name: '; read name; echo $name; kill -9 $$"),
  );
  // The prompt is there after a while.
  let first = await process.excerpt({ yieldAfter: 0.05 });
  while (!first.text.endsWith("Name: ")) first = await process.excerpt({ yieldAfter: 0.05 });
  equal([first.text, first.running, first.exitCode, first.signal], ["start\nName: ", true, null, null]);
  equal(first.omitted, undefined);
  await sandbox.writeStdin(process.pid, "you\n");
  const { cursor, ...last } = await process.excerpt({ after: first.cursor });
  equal(last, { text: "you\n", running: false, exitCode: null, signal: 9 });
  ok(cursor !== first.cursor, "the cursor moves");
});

test("a command that is run has excerpts too", async ({ sandbox }) => {
  const command = sandbox.run("sh", { args: ["-c", "echo out; exit 7"] });
  const { text, exitCode } = await command.excerpt();
  equal([text, exitCode, (await command).stdout], ["out\n", 7, "out"]);
});

test("wrong options of an excerpt are refused before anything is sent", async (context) => {
  const { sandbox, sent } = await recorded(context);
  for (const options of [
    { maxBytes: 1023 },
    { maxBytes: 16_777_217 },
    { maxTokens: 1 },
    { maxBytes: 2 ** 32 + 2000 },
    { maxTokens: NaN },
    { maxBytes: -2000 },
    { maxBytes: 2000, maxTokens: 500 },
    { yieldAfter: -1 },
    { yieldAfter: NaN },
    { after: "" },
    { after: "7" },
    { after: "1.2.3.4" },
    { maxbytes: 2000 },
  ])
    await rejects(sandbox.excerpt(1, options), "invalid_argument");
  equal(sent.length, 0);
  await rejects(sandbox.excerpt(2 ** 31 - 1), "not_found");
});

test("an excerpt that fails has the text so far, and an abort is an abort", async () => {
  let follows = 0;
  const { sandbox } = await sandboxOf((request) => {
    const isFollow = (request as string).includes("/follow");
    const isFirst = isFollow && ++follows === 1;
    return Promise.resolve(
      isFirst ? events([line("a"), line("b")], { cut: true }) : answer(null, undefined, 403),
    );
  });
  equal((await rejects(sandbox.excerpt(1), "permission")).partial?.text, "a\nb\n");
  const waiting = await sandboxOf((_, init) => {
    const { signal } = init ?? {};
    return new Promise((_, reject) =>
      signal?.addEventListener("abort", () => {
        reject(new DOMException("aborted", "AbortError"));
      }),
    );
  });
  const abort = new AbortController();
  const excerpt = waiting.sandbox.excerpt(1, { signal: abort.signal, yieldAfter: 1000 });
  abort.abort();
  await rejects(excerpt, "aborted");
  const { text, running, cursor } = await waiting.sandbox.excerpt(1, { yieldAfter: 0, after: "7.5.2" });
  equal([text, running, cursor], ["", true, "7.5.2"]);
});
