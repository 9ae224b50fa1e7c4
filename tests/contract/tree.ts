import { readTree, type TreeEntry, writeTree } from "shoreline/tree";
import type { Sandbox } from "shoreline";
import { equal, ok, rejects, sha256, test } from "./harness.js";

const directory = () => `tree-${crypto.randomUUID()}`;

const LARGE = new Uint8Array(700_000).map((_, i) => (i * 7) % 251);

const streamed = () =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(LARGE.subarray(0, 300_000));
      controller.enqueue(LARGE.subarray(300_000));
      controller.close();
    },
  });

const mtime = new Date("2020-02-20T20:20:20Z");

const entries = (): TreeEntry[] => [
  { path: "-dash", type: "file", mode: 0o600, mtime, content: "text\n" },
  { path: "a b\nc 🏝", type: "directory", mode: 0o750 },
  { path: "a b\nc 🏝/large", type: "file", mode: 0o755, mtime, size: LARGE.length, content: streamed() },
  { path: "a b\nc 🏝/again", type: "link", target: "-dash" },
  { path: "empty", type: "directory" },
  { path: "symlink", type: "symlink", target: "nowhere/at all" },
];

async function manifest(sandbox: Sandbox, path: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const { path: name, type, mode, size, target, content, ...entry } of readTree(sandbox, path)) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of content) parts.push(part);
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    const file = type === "file" && { size, time: entry.mtime.getTime(), hash: await sha256(bytes) };
    found[name] = { type, target, ...(type === "symlink" ? {} : { mode }), ...file };
  }
  return found;
}

test("a tree that is written is the tree that is read", async ({ sandbox }) => {
  const path = directory();
  await writeTree(sandbox, path, entries());
  const time = mtime.getTime();
  const found = await manifest(sandbox, path);
  // Which of two names is the file, and which is the link to it, is the reading side's order.
  const names = ["-dash", "a b\nc 🏝/again"];
  const text = { type: "file", mode: 0o600, size: 5, time, hash: await sha256("text\n") };
  const isFile = (name: string) => (found[name] as { type: string }).type === "file";
  const [file = "", link = ""] = isFile("-dash") ? names : names.toReversed();
  equal(found, {
    ".": { type: "directory", mode: 0o755 },
    [file]: text,
    [link]: { type: "link", target: file, mode: 0o600 },
    "a b\nc 🏝": { type: "directory", mode: 0o750 },
    "a b\nc 🏝/large": { type: "file", mode: 0o755, size: LARGE.length, time, hash: await sha256(LARGE) },
    empty: { type: "directory", mode: 0o755 },
    symlink: { type: "symlink", target: "nowhere/at all" },
  });
});

test("a tree with an entry that leads out of it is refused, and nothing is there", async ({ sandbox }) => {
  const path = directory();
  const inside: TreeEntry = { path: "a", type: "file" };
  await rejects(writeTree(sandbox, path, [inside, { ...inside, path: "../b" }]), "invalid_argument");
  await rejects(sandbox.listDirectory(path), "not_found");
  await rejects(manifest(sandbox, path), "not_found");
});

test("a tree whose writing is aborted is not there, and its source is released", async ({ sandbox }) => {
  const path = directory();
  const controller = new AbortController();
  let released = false;
  const endless = async function* (): AsyncGenerator<TreeEntry> {
    try {
      for (let i = 0; ; i++) {
        yield { path: `file-${i}`, type: "file", content: LARGE };
        if (i === 5) controller.abort();
      }
    } finally {
      released = true;
    }
  };
  await rejects(writeTree(sandbox, path, endless(), { signal: controller.signal }), "aborted");
  ok(released, "the source is released");
  await rejects(sandbox.listDirectory(path), "not_found");
});

test("who leaves a tree early ends its reading", async ({ sandbox }) => {
  const path = directory();
  await writeTree(sandbox, path, entries());
  for await (const { path: first } of readTree(sandbox, path)) {
    equal(first, ".");
    break;
  }
  const processes = await sandbox.listProcesses();
  ok(!processes.some(({ args, status }) => args.includes(path) && status === "running"), "tar has ended");
});
