import { type Match, type Sandbox, type Search, ShorelineError } from "shoreline";
import { equal, ok, recorded, rejects, sandboxOf, test } from "./harness.js";

/** Whether this runtime can load the code. Otherwise the error says so. */
async function loads(sandbox: Sandbox): Promise<boolean> {
  try {
    await sandbox.fs.glob("*").next();
  } catch (error) {
    if (!ShorelineError.is(error) || error.code !== "missing_capability") return true;
    ok("ServiceWorkerGlobalScope" in globalThis, "only service workers forbid `import()`");
    return false;
  }
  return true;
}

async function all<T>(search: Search<T>): Promise<T[]> {
  const results: T[] = [];
  for await (const result of search) results.push(result);
  return results;
}

const json = (value: unknown) => `${JSON.stringify(value)}\n`;
const END = json({ end: { truncated: false, binary: 1, skipped: 2 } });
const line = (path: string): Match => ({
  path,
  line: 1,
  column: undefined,
  text: "nä\ud83d\ude00h",
  cut: true,
});

/** A peer that answers a search with these chunks. */
function peer(...chunks: (Uint8Array<ArrayBuffer> | string)[]) {
  const encoder = new TextEncoder();
  return sandboxOf(() => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        for (const chunk of chunks)
          controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
        controller.close();
      },
    });
    return Promise.resolve(new Response(body, { headers: { "content-type": "application/x-ndjson" } }));
  });
}

test("names and lines are searched for in one request each, and a loop that is left ends its search", async (context) => {
  const { sandbox, sent } = await recorded(context);
  if (!(await loads(sandbox))) return;
  const cwd = `/tmp/search-${crypto.randomUUID()}`;
  await sandbox.run("sh", {
    args: ["-c", 'mkdir -p "$1/d" && cd "$1" && seq 9999 > d/a.txt && echo "é 7" > b.txt', "sh", cwd],
    check: true,
  });
  const before = sent.length;
  const paths = sandbox.fs.glob("{.,d}/*.txt", { cwd });
  equal((await all(paths)).sort(), ["b.txt", "d/a.txt"]);
  equal(paths.summary, { truncated: false, binary: 0, skipped: 0 });
  const [entry] = await all(sandbox.fs.glob("d", { cwd, withFileTypes: true }));
  equal([entry?.name, entry?.parentPath, entry?.isDirectory()], ["d", cwd, true]);
  const search = sandbox.fs.grep("[é] \\d", { cwd, glob: "*.txt", limit: 1 });
  equal(await all(search), [{ path: "b.txt", line: 1, column: 1, text: "é 7", cut: false }]);
  equal(search.summary, { truncated: false, binary: 0, skipped: 0 });
  const some = sandbox.fs.grep("9", { cwd, exclude: "b.txt", limit: 1 });
  equal((await all(some)).length, 1);
  equal(some.summary?.truncated, true);
  for await (const { path } of sandbox.fs.grep("9", { cwd })) {
    equal(path, "d/a.txt");
    break;
  }
  equal(
    sent.slice(before).map(({ method }) => method),
    ["GET", "GET", "GET", "GET", "GET"],
  );
  equal(sent.at(-1)?.signal.aborted, true);
  const error: unknown = await all(sandbox.fs.glob("*", { cwd: `${cwd}/none` })).catch((it: unknown) => it);
  ok(ShorelineError.is(error) && error.code === "ENOENT" && error.syscall === "glob", String(error));
  await rejects(all(sandbox.fs.grep("(", { cwd })), "invalid_request");
});

test("results are the same however their bytes are cut", async () => {
  const whole = new TextEncoder().encode(json(line("a")) + "\n" + json(line("b")) + END);
  for (const size of [1, 7, whole.length]) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
      whole.slice(i * size, (i + 1) * size),
    );
    const { sandbox } = await peer(...chunks);
    if (!(await loads(sandbox))) return;
    const search = sandbox.fs.grep("x");
    equal(await all(search), [line("a"), line("b")]);
    equal(search.summary, { truncated: false, binary: 1, skipped: 2 });
    equal(await search.next(), { done: true, value: undefined });
    equal(search.summary?.skipped, 2);
  }
});

test("a search that breaks off or is not one is an error, and its results before are given", async () => {
  for (const [chunks, code] of [
    [[json(line("a"))], "connection_lost"],
    [[json(line("a")), "{"], "connection_lost"],
    [[json(line("a")), "{\n"], "invalid_response"],
    [[json(line("a")), "7\n"], "invalid_response"],
    [[json(line("a")), "x".repeat(2_000_000)], "invalid_response"],
    [[json(line("a")), new Uint8Array([255, 10])], "invalid_response"],
    [[END + json(line("a"))], "invalid_response"],
  ] as const) {
    const { sandbox } = await peer(...chunks);
    if (!(await loads(sandbox))) return;
    const search = sandbox.fs.grep("x");
    if (!chunks[0].startsWith(END)) equal((await search.next()).value, line("a"));
    await rejects(all(search), code);
    equal(search.summary, undefined);
  }
});

test("a search is ended while a result is awaited, by its signal or by leaving", async () => {
  let asked!: () => void;
  const hanging = async () => {
    const begun = new Promise<void>((resolve) => (asked = resolve));
    const { sandbox, sent } = await sandboxOf(() => {
      asked();
      return Promise.resolve(new Response(new ReadableStream()));
    });
    return { sandbox, sent, begun };
  };
  const refusing = await sandboxOf(() => Promise.reject(new Error("sent")));
  if (!(await loads(refusing.sandbox))) return;

  const first = await hanging();
  const abort = new AbortController();
  const next = first.sandbox.fs.glob("*", { signal: abort.signal }).next();
  await first.begun;
  abort.abort(new Error("enough"));
  equal((await rejects(next, "aborted")).cause, new Error("enough"));
  equal(first.sent[0]?.signal.aborted, true);

  const second = await hanging();
  const left = second.sandbox.fs.glob("*");
  const pending = left.next();
  await second.begun;
  await left.return?.();
  equal(await pending, { done: true, value: undefined });
  equal(second.sent[0]?.signal.aborted, true);
});

test("what is wrong of a search is refused before anything is sent", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.reject(new Error("sent")));
  const { fs } = sandbox;
  const any = (value: unknown): never => value as never;
  if (await loads(sandbox)) sent.length = 0;
  else return;
  for (const search of [
    ...[
      "",
      "/a",
      "a/",
      "../a",
      "a/../b",
      "a\0",
      "[",
      "[z-a]",
      "{a",
      "a}",
      "a\\",
      "!a",
      "@(a|b)",
      "{1..3}",
    ].map((pattern) => fs.glob(pattern)),
    ...[any(7), any(undefined), "{a,b}".repeat(7), Array<string>(65).fill("a"), "a".repeat(4097)].map(
      (pattern) => fs.glob(pattern),
    ),
    fs.glob("*", { exclude: "/a" }),
    fs.glob("*", { limit: 0 }),
    fs.glob("*", { limit: 1_000_001 }),
    fs.glob("*", { cwd: "" }),
    fs.glob("*", any({ ignore: [] })),
    fs.grep(any(/x/)),
    fs.grep(""),
    fs.grep("a\nb"),
    fs.grep("a", { glob: "!*.ts" }),
    fs.grep("a", { maxLineBytes: 65_537 }),
    fs.grep("a", any({ include: "*" })),
  ])
    await rejects(search.next(), "invalid_argument");
  equal(sent, []);
});
