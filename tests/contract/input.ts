// The input of a command that is run: from every kind of source, to its end or as far as the command takes it.
import type { AbortError, CommandInput } from "shoreline";
import { equal, ok, recorded, rejects, sandboxOf, sha256, test } from "./harness.js";

const mine = new RangeError("mine");

/** A source that never ends, and what tells that it was released. */
function endless(part: string | Uint8Array<ArrayBuffer> = "y\n".repeat(5000)): {
  input: AsyncIterable<string | Uint8Array<ArrayBuffer>>;
  released: Promise<void>;
} {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const input = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        await Promise.resolve();
        return { done: false as const, value: part };
      },
      return: () => {
        release();
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  return { input, released };
}

async function* parts(...all: (string | Uint8Array<ArrayBuffer>)[]) {
  for (const part of all) yield await Promise.resolve(part);
}

test("a command reads its input, from every kind of source, and then its end", async ({ sandbox }) => {
  const bytes = new TextEncoder().encode("näh\nb\n");
  const inputs: [CommandInput, string][] = [
    ["näh\nb\n", "näh\nb\n"],
    [bytes, "näh\nb\n"],
    [bytes.buffer, "näh\nb\n"],
    [new Blob(["näh\n", "b\n"]), "näh\nb\n"],
    [new Response("näh\nb\n").body as ReadableStream<Uint8Array<ArrayBuffer>>, "näh\nb\n"],
    [parts("nä", "", new TextEncoder().encode("h\n"), "b\n"), "näh\nb\n"],
    ["", ""],
    [parts(), ""],
  ];
  for (const [input, text] of inputs) {
    const { stdoutBytes, exitCode } = await sandbox.run("cat", { input });
    equal([new TextDecoder().decode(stdoutBytes), exitCode], [text, 0]);
  }
  equal((await sandbox.run("wc", { args: ["-c"] })).stdout.trim(), "0", "without input there is none");
});

test("ten megabytes of input arrive as they were sent", async ({ sandbox }) => {
  const input = new Uint8Array(10_000_000);
  for (let i = 0; i < input.length; i++) input[i] = (i * i) >> 3;
  const { stdout } = await sandbox.run("sha256sum", { input, check: true });
  equal(stdout.slice(0, 64), await sha256(input));
});

test("a command that ends before its input does is no error, and the source is released", async ({
  sandbox,
}) => {
  const first = endless();
  const { stdout, exitCode } = await sandbox.run("head", { args: ["-c", "1"], input: first.input });
  equal([stdout, exitCode], ["y", 0]);
  await first.released;
  const second = endless();
  const closes = await sandbox.run("sh", {
    args: ["-c", "exec 0<&-; sleep 0.5; echo done"],
    input: second.input,
  });
  equal([closes.stdout, closes.exitCode], ["done", 0]);
  await second.released;
  equal((await sandbox.run("true", { input: "x".repeat(1_000_000) })).exitCode, 0);
});

test("a source is read as fast as the command reads", async ({ sandbox }) => {
  let given = 0;
  const input = {
    async *[Symbol.asyncIterator]() {
      for (; given < 100; given++) yield await Promise.resolve(new Uint8Array(100_000));
    },
  };
  const seen: number[] = [];
  const result = await sandbox.run("sh", {
    args: ["-c", "echo before; sleep 0.5; echo later; wc -c"],
    input,
    onStdout: ({ text }) => {
      if (text.endsWith("\n")) seen.push(given);
    },
  });
  equal(result.stdout, "before\nlater\n10000000");
  // A pipe and a request or two.
  ok((seen[1] ?? NaN) < 10, `the command had not read, and ${seen[1]} parts were`);
  equal(seen[2], 100);
});

test("input and handlers, and input of a command that is iterated", async ({ sandbox }) => {
  const lines: string[] = [];
  const result = await sandbox.run("cat", {
    input: parts("a\n", "b\n"),
    onStdout: ({ text }) => lines.push(text),
  });
  equal([lines.join(""), result.stdout], ["a\nb\n", "a\nb"]);
  const running = sandbox.run("cat", { input: parts("a\n", "b\n") });
  const events: string[] = [];
  for await (const { line } of running) events.push(line);
  equal([events, (await running).exitCode], [["a", "b"], 0]);
});

for (const [how, input] of [
  ["throws", () => parts("a\n") as AsyncIterable<string>],
  ["gives what is no data", () => parts("a\n", 7 as never)],
] as [string, () => AsyncIterable<string>][])
  test(`a source that ${how} ends the command, and is the call's error`, async (context) => {
    const { sandbox, sent } = await recorded(context);
    const failing = {
      async *[Symbol.asyncIterator]() {
        yield* input();
        if (how === "throws") throw mine;
      },
    };
    let error: unknown;
    let pid = NaN;
    await sandbox
      .run("sh", {
        args: ["-c", "echo $$; cat > /dev/null; echo end >> ended-input; exec sleep 1000"],
        input: failing,
        onStdout: ({ line }) => (pid = Number(line)),
      })
      .catch((thrown: unknown) => (error = thrown));
    if (how === "throws") ok(error === mine, String(error));
    else equal((error as { code?: string }).code, "invalid_argument");
    ok(
      !sent.some(({ url }) => url.endsWith("/stdin/close")),
      "a part of the input does not look like all of it",
    );
    // The failure may come before the output.
    if (!Number.isNaN(pid))
      equal((await sandbox.process({ pid, sandboxId: sandbox.sandboxId }).wait()).signal, 9);
  });

test("an abort while a source is waited for ends the command and releases the source", async ({
  sandbox,
}) => {
  const controller = new AbortController();
  let release!: (reason: unknown) => void;
  const released = new Promise<unknown>((resolve) => (release = resolve));
  const input = new ReadableStream<string>({
    pull: () => new Promise(() => undefined),
    cancel: (reason) => {
      release(reason);
    },
  });
  const running = sandbox.run("sh", {
    args: ["-c", "echo $$; cat"],
    input,
    signal: controller.signal,
    onStdout: () => {
      controller.abort(mine);
    },
  });
  const error = await rejects<AbortError>(running, "aborted");
  ok(error.reason === mine, "the reason is the signal's");
  await released;
  const pid = error.partial?.pid ?? NaN;
  equal((await sandbox.process({ pid, sandboxId: sandbox.sandboxId }).wait()).signal, 9);
});

test("input of a command that is not found is released", async ({ sandbox }) => {
  const { input, released } = endless();
  await rejects(sandbox.run("no-such-program", { input }), "not_found");
  await released;
});

test("input that is none is refused before anything is sent", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const locked = new ReadableStream<string>();
  locked.getReader();
  for (const input of [7, null, {}, ["a"], locked])
    await rejects(sandbox.run("cat", { input: input as never }), "invalid_argument");
  const { input, released } = endless();
  await rejects(sandbox.run("cat", { input, args: "x" as never }), "invalid_argument");
  await released;
  equal(
    sent.filter(({ method }) => method === "POST"),
    [],
  );
});

test("a command with input has its time limit, its variables and its directory", async ({ sandbox }) => {
  const limited = await sandbox.run("sleep", { args: ["1000"], input: endless().input, timeout: 2 });
  equal([limited.timedOut, limited.exitCode], [true, null]);
  const { stdout } = await sandbox.run("sh", {
    args: ["-c", 'echo "$(cat) $MODE $(pwd)"'],
    input: "in",
    env: { MODE: "prod" },
    workingDir: "/usr",
  });
  equal(stdout, "in prod /usr");
});

test("a hundred commands with input at once", async ({ sandbox }) => {
  const numbers = Array.from({ length: 100 }, (_, i) => `${i}\n`.repeat(1000));
  const results = await Promise.all(numbers.map((input) => sandbox.run("cat", { input, check: true })));
  for (const [i, { stdout }] of results.entries()) equal(`${stdout}\n`, numbers[i]);
});

test("a part of the input whose outcome is unknown is not sent again, and is the call's error", async () => {
  let writes = 0;
  const { sandbox, sent } = await sandboxOf((url, init) => {
    const path = (url as string).replace("http://peer.invalid/api/v1", "");
    if (init?.method === "DELETE") return Promise.resolve(new Response(null, { status: 204 }));
    if (path === "/processes/run") return Promise.resolve(new Response(null, { status: 400 }));
    if (path === "/processes")
      return Promise.resolve(
        Response.json({ pid: 7, status: "running", command: "cat", args: [], started_at: 1 }),
      );
    if (path.endsWith("/stdin"))
      return ++writes === 2
        ? Promise.reject(new TypeError("terminated"))
        : Promise.resolve(new Response(null, { status: 204 }));
    const body = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) });
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  });
  await rejects(sandbox.run("cat", { input: parts("a", "b", "c") }), "connection_lost");
  equal(writes, 2);
  equal(sent.filter(({ method, url }) => method === "POST" && url.endsWith("/processes")).length, 1);
});
