import { Sandbox } from "shoreline";
import { equal, ok, recorded, rejects, sandboxOf, sha256, test } from "./harness.js";

const directory = () => `files-${crypto.randomUUID()}`;

function noise(length: number): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff);
}

function streamOf(parts: unknown[]): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part as Uint8Array);
      controller.close();
    },
  });
}

async function all(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

test("what is written to a file is what is read from it, and what a command sees", async ({ sandbox }) => {
  const path = `${directory()}/deep/bytes`;
  const bytes = noise(3_000_000);
  await sandbox.writeFile(path, bytes);
  const hash = await sha256(bytes);
  equal(await sha256(await sandbox.readFile(path)), hash);
  equal((await sandbox.run("sha256sum", { args: [path] })).stdout.split(" ")[0], hash);
});

test("a file is written from text, from a view of a buffer, from a Blob and from a stream", async ({
  sandbox,
}) => {
  const path = `${directory()}/file`;
  const text = async () => new TextDecoder().decode(await sandbox.readFile(path));
  await sandbox.writeFile(path, "näh\n");
  equal(await text(), "näh\n");
  await sandbox.writeFile(path, new TextEncoder().encode("<view>").subarray(1, 5));
  equal(await text(), "view");
  await sandbox.writeFile(path, new Blob(["a ", "blob"]));
  equal(await text(), "a blob");
  const parts = ["a ", "stream"].map((part) => new TextEncoder().encode(part));
  await sandbox.writeFile(path, streamOf(parts));
  equal(await text(), "a stream");
  const chunks = (async function* () {
    for (const part of ["an ", "async ", "iterable"]) yield new TextEncoder().encode(part);
  })();
  await sandbox.writeFile(path, chunks);
  equal(await text(), "an async iterable");
  await sandbox.writeFile(path, "");
  equal((await sandbox.readFile(path)).length, 0);
});

test("a path means what it says, whatever is in it", async ({ sandbox }) => {
  const path = `${directory()}/ä ?&=%2F#+ b`;
  await sandbox.writeFile(path, "x");
  equal((await sandbox.run("cat", { args: [path] })).stdout, "x");
  await sandbox.deleteFile(path);
  await rejects(sandbox.readFile(path), "not_found");
  await rejects(sandbox.deleteFile(path), "not_found");
});

test("transfers say how far they are", async ({ sandbox }) => {
  const path = `${directory()}/file`;
  const seen: (number | undefined)[][] = [];
  const onProgress = (progress: { transferred: number; total: number | undefined }) => {
    seen.push([progress.transferred, progress.total]);
  };
  await sandbox.writeFile(path, noise(500_000), { onProgress });
  equal(seen, [
    [0, 500_000],
    [500_000, 500_000],
  ]);
  seen.length = 0;
  await sandbox.writeFile(path, streamOf([noise(300_000), noise(100_000)]), { onProgress });
  equal(
    seen.map(([transferred]) => transferred),
    [300_000, 400_000],
  );
  seen.length = 0;
  await sandbox.readFile(path, { onProgress });
  equal(seen.at(-1), [400_000, 400_000]);
  ok(
    seen.every(([transferred], i) => i === 0 || (seen[i - 1]?.[0] ?? 0) < (transferred ?? 0)),
    "it grows",
  );
});

test("a file is read as a stream, and cancelling it closes the connection", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const path = `${directory()}/file`;
  const bytes = noise(8_000_000);
  await sandbox.writeFile(path, bytes);
  equal(await sha256(await all(await sandbox.readFileStream(path))), await sha256(bytes));

  const reader = (await sandbox.readFileStream(path)).getReader();
  ok(!(await reader.read()).done, "there are bytes");
  await reader.cancel();
  equal(sent.at(-1)?.signal.aborted, true);

  const abort = new AbortController();
  const other = (await sandbox.readFileStream(path, { signal: abort.signal })).getReader();
  await other.read();
  abort.abort(new Error("enough"));
  await rejects(
    (async () => {
      while (!(await other.read()).done) continue;
    })(),
    "aborted",
  );
  equal(sent.at(-1)?.signal.aborted, true);
});

test("a file that ends too early is an error, not a shorter file", async () => {
  const { sandbox } = await sandboxOf(() =>
    Promise.resolve(new Response(streamOf([noise(10)]) as BodyInit, { headers: { "content-length": "20" } })),
  );
  await rejects(sandbox.readFile("/x"), "connection_lost");
});

test("a directory is listed with kinds, sizes and times", async ({ sandbox }) => {
  const path = directory();
  await sandbox.writeFile(`${path}/b`, "12345");
  await sandbox.writeFile(`${path}/a/inner`, "");
  const { path: said, entries } = await sandbox.listDirectory(path);
  equal(said, path);
  equal(
    entries.map(({ name, isDir, size }) => [name, isDir, size]),
    [
      ["a", true, undefined],
      ["b", false, 5],
    ],
  );
  ok(Math.abs(Date.now() - (entries[1]?.modifiedAt?.getTime() ?? 0)) < 600_000, "it was changed now");
  await rejects(sandbox.listDirectory(`${path}/b`), "invalid_request");
  await rejects(sandbox.readFile(path), "invalid_request");
});

test("what is no path and what is no content is refused before anything is sent", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const before = sent.length;
  for (const path of ["", "a\0b", 7, undefined]) {
    await rejects(sandbox.readFile(path as string), "invalid_argument");
    await rejects(sandbox.writeFile(path as string, "x"), "invalid_argument");
    await rejects(sandbox.deleteFile(path as string), "invalid_argument");
    await rejects(sandbox.listDirectory(path as string), "invalid_argument");
  }
  for (const content of [undefined, null, 7, {}, ["x"]])
    await rejects(sandbox.writeFile("/tmp/x", content as never), "invalid_argument");
  await rejects(sandbox.readFile("/tmp/x", { onProgress: 1 as never }), "invalid_argument");
  equal(sent.length, before);
  await rejects(sandbox.writeFile(`${directory()}/x`, streamOf(["text"])), "invalid_argument");
  const lines = (async function* () {
    yield "text";
  })();
  await rejects(sandbox.writeFile(`${directory()}/x`, lines as never), "invalid_argument");
});

test("a named sandbox is suspended, resumed and renamed", async ({ url, apiKey }) => {
  const name = `files-${String(Date.now())}`;
  await using sandbox = await Sandbox.create({ apiUrl: url, apiKey, name });
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  await sandbox.suspend();
  equal(await sandbox.status(), "suspended");
  await sandbox.resume();
  equal(await sandbox.status(), "running");
  equal((await sandbox.getProcess(pid)).status, "running");
  const info = await sandbox.update({ name: `${name}-b`, exposedPorts: [8080] });
  equal([info.name, info.exposedPorts], [`${name}-b`, [8080]]);
  equal(sandbox.name, `${name}-b`);
  await rejects(sandbox.update({ exposedPorts: [9501] }), "invalid_argument");
});

test("suspending without waiting returns at once, and an ephemeral sandbox cannot be suspended", async ({
  sandbox,
  url,
  apiKey,
}) => {
  await rejects(sandbox.suspend(), "invalid_request");
  await using named = await Sandbox.create({ apiUrl: url, apiKey, name: `wait-${String(Date.now())}` });
  await named.suspend({ wait: false });
  await named.resume({ timeout: 30 });
  equal(await named.status(), "running");
});
