// Changes of files, in every runtime; what a server can do wrong about them is played by `fetch`.
import type { FileChange } from "shoreline";
import { answer, events } from "./peer.js";
import { equal, ok, rejects, sandboxOf, test } from "./harness.js";

/** Service workers load no code on first use. */
const lacksCode = () => "ServiceWorkerGlobalScope" in globalThis;

const shown = ({ type, path, isDirectory }: FileChange) => `${type} ${path}${isDirectory ? "/" : ""}`;

async function until(changes: AsyncIterable<FileChange>, last: string): Promise<string[]> {
  const all: string[] = [];
  for await (const change of changes) {
    all.push(shown(change));
    if (all.at(-1) === last) return all;
  }
  throw new Error(`the changes ended: ${all.join(", ")}`);
}

test("changes of files are seen as they happen, from when the watch is awaited", async ({ sandbox }) => {
  if (lacksCode()) return;
  const { fs } = sandbox;
  const path = `watch-${crypto.randomUUID()}`;
  // What is made and removed in a new directory before that is watched is not seen.
  await fs.mkdir(`${path}/a/b`, { recursive: true });
  const watcher = await fs.watch(path, { recursive: true });
  await fs.writeFile(`${path}/a/b/ä`, "1");
  await fs.rm(`${path}/a`, { recursive: true });
  const changes = await until(watcher, "removed a/");
  ok(changes.includes("created a/b/ä") && changes.includes("removed a/b/ä"), changes.join(", "));
  equal(await watcher.next(), { done: true, value: undefined }, "a loop that is left ends the watch");
  await fs.rm(path, { recursive: true });
});

test("a watch is iterated without being awaited, and ends with what it watches", async ({ sandbox }) => {
  if (lacksCode()) return;
  const { fs } = sandbox;
  const path = `watch-${crypto.randomUUID()}`;
  await fs.mkdir(path);
  // Whether the directory is gone before the watch begins, or later.
  const ended = rejects(until(fs.watch(path), ""), "ENOENT");
  await fs.rm(path, { recursive: true });
  const error = await ended;
  ok(error.message.endsWith(`, watch '${path}'`), error.message);
  await rejects(fs.watch(path), "ENOENT");
  await rejects(fs.watch("", {}), "invalid_argument");
  await rejects(fs.watch(path, { persistent: true } as never), "invalid_argument");
});

test("`return` and an abort end a watch that waits", async ({ sandbox }) => {
  if (lacksCode()) return;
  const watcher = await sandbox.fs.watch(".");
  const waiting = watcher.next();
  await watcher.return();
  equal(await waiting, { done: true, value: undefined });
  const controller = new AbortController();
  const aborted = await sandbox.fs.watch(".", { signal: controller.signal });
  const next = aborted.next();
  controller.abort();
  await rejects(next, "aborted");
  equal(await aborted.next(), { done: true, value: undefined });
});

/** A server with watches. Its answers to follows are these, one after the other. */
async function watching(...follows: (() => Response)[]) {
  let watches = 0;
  return sandboxOf((input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (url.endsWith("/follow")) return Promise.resolve(follows.shift()?.() ?? answer(null, undefined, 404));
    if (init?.method === "DELETE") return Promise.resolve(answer(null, undefined, 204));
    const body = JSON.stringify({ watch_id: String(++watches) });
    return Promise.resolve(answer(body, "application/json", 201));
  });
}

const change = (id: number, line: unknown) =>
  `id: ${id}\ndata: ${JSON.stringify({ line: JSON.stringify(line), timestamp: 1 })}\n\n`;
const created = (id: number, path: string) => change(id, { type: "created", path, directory: false });

test("a watch that the server lost begins anew, and says that changes may be missing", async () => {
  if (lacksCode()) return;
  const { sandbox, sent } = await watching(
    () => events([created(1, "a")], { cut: true }),
    () => answer("{}", "application/json", 404),
    () => events([created(1, "b"), `event: gap\ndata: {"gap":{"from":2,"to":9}}\n\n`]),
    () => events([created(1, "c")]),
  );
  const changes = await until(sandbox.fs.watch("."), "created c");
  equal(changes, ["created a", "overflow /", "created b", "overflow /", "created c"]);
  const ids = sent
    .filter(({ url }) => url.includes("/watches/"))
    .map(({ url }) => /\d+/.exec(url.split("watches")[1] ?? "")?.[0]);
  equal(ids.slice(0, 4), ["1", "1", "2", "3"]);
});

test("a line that is no change of a file is an error, and so is a server without watches", async () => {
  if (lacksCode()) return;
  for (const line of [1, null, { type: "created" }, { type: "ended", code: 1 }, { type: "new", path: "a" }]) {
    const { sandbox } = await watching(() => events([change(1, line)]));
    await rejects(until(sandbox.fs.watch("."), ""), "invalid_response");
  }
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer("{}", "application/json", 404)));
  await rejects(sandbox.fs.watch("."), "missing_capability");
});
