// Trees into a sandbox and out of it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import type { TreeProgress } from "shoreline";
import { readTree, type TreeEntry, writeTree } from "shoreline/tree";
import { Random } from "../faults/random.js";
import { test } from "../helpers/processes.js";
import { box, bytesOf, EMPTY, fresh, here, leftovers, names, refused, shell } from "./boxes.js";
import { plainFetch } from "./plain.js";
import { FIND, found, makeTree, manifest } from "./tree.js";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
/** The bytes of the largest file of each round. */
const LARGEST = [0, 100_000, 3_000_000, 20_000_000, ...(process.env.SHORELINE_SOAK ? [100_000_000] : [])];

/** A manifest without what `find` does not tell. */
function outline(entries: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entries).map(([path, entry]) => {
      const rest = Object.entries(entry as object).filter(([name]) => name !== "sha" && name !== "first");
      return [path, Object.fromEntries(rest)];
    }),
  );
}

/** The sandbox with BusyBox's programs. */
const busybox = () =>
  withPath("for each in sh tar mv dd sed rm mkdir chmod; do ln -s /bin/busybox $each; done");

/**
 * What BusyBox keeps where root does not run it. It makes links at the end, without their times, after the times of
 * directories are set, and leaves directories as they are made, which their owner can use.
 */
function asBusybox(entries: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(entries as Record<string, { directory?: string; target?: string }>).map(
    ([path, entry]) => {
      const mode = entry.directory && { directory: (parseInt(entry.directory, 8) | 0o700).toString(8) };
      return [
        path,
        { ...entry, ...mode, ...((entry.directory ?? entry.target) !== undefined && { mtime: 0 }) },
      ];
    },
  );
  return Object.fromEntries(kept) as Record<string, unknown>;
}
const as = (entries: Record<string, unknown>) => entries;

for (const [kind, reached, kept] of [
  ["the local server", () => box(), as],
  ["a server without extensions", () => box({ fetch: plainFetch }), as],
  ["BusyBox's tar", busybox, asBusybox],
] as const)
  test(`random trees are the same after a copy in and out: ${kind} (SEED=${SEED})`, async () => {
    const sandbox = await reached();
    for (const [round, largest] of LARGEST.entries()) {
      const { local, remote } = fresh();
      makeTree(local, new Random(SEED + round), 120, largest);
      const before = manifest(local);
      const up = await sandbox.upload(local, remote);
      const inside = await bytesOf('find "$@"', remote, ...FIND);
      assert.deepEqual(kept(found(inside)), kept(outline(before)));
      const back = fresh().local;
      const down = await sandbox.download(remote, back);
      assert.deepEqual(kept(manifest(back)), kept(before));
      assert.deepEqual(up, down);
      assert.equal(up.files + up.directories + up.links, Object.keys(before).length);
    }
    assert.equal(await leftovers(), "0");
  });

test("a tree is written from entries and read as entries", async () => {
  const sandbox = await box();
  const { remote } = fresh();
  const mtime = new Date(1_600_000_000_000);
  const entries: TreeEntry[] = [
    { path: ".", type: "directory", mode: 0o700, mtime },
    { path: "./a//", type: "directory", mode: 0o555, mtime },
    { path: "a/empty", type: "file", mtime },
    { path: "a/text", type: "file", content: "näh", mode: 0o600, mtime },
    { path: "a/blob", type: "file", content: new Blob(["x".repeat(1000)]), mtime },
    { path: "a/again", type: "link", target: "a/text", mtime },
    { path: "link", type: "symlink", target: "../elsewhere", mtime },
  ];
  const bytes = new Uint8Array(100_000).fill(7);
  const stream = async function* () {
    yield bytes.subarray(0, 50_000);
    yield bytes.subarray(50_000);
  };
  const streamed: TreeEntry = { path: "stream", type: "file", size: bytes.length, content: stream(), mtime };
  await writeTree(sandbox, remote, [...entries, streamed]);
  const read: Record<string, unknown> = {};
  for await (const { path, type, mode, mtime: when, size, target, content } of readTree(sandbox, remote)) {
    let length = 0;
    // Content that is not asked for is passed over.
    if (path !== "a/blob") for await (const piece of content) length += piece.length;
    read[path] = [type, type === "symlink" || type === "link" ? 0 : mode, Number(when), size, target, length];
  }
  const at = Number(mtime);
  const [first, second] =
    "a/again" in read && (read["a/again"] as unknown[])[0] === "file"
      ? ["a/again", "a/text"]
      : ["a/text", "a/again"];
  assert.deepEqual(read, {
    ".": ["directory", 0o700, at, 0, undefined, 0],
    a: ["directory", 0o555, at, 0, undefined, 0],
    "a/empty": ["file", 0o644, at, 0, undefined, 0],
    [first]: ["file", 0o600, at, 4, undefined, 4],
    "a/blob": ["file", 0o644, at, 1000, undefined, 0],
    [second]: ["link", 0, at, 0, first, 0],
    link: ["symlink", 0, at, 0, "../elsewhere", 0],
    stream: ["file", 0o644, at, 100_000, undefined, 100_000],
  });
  // What is read can be written.
  const copy = fresh().remote;
  await writeTree(sandbox, copy, readTree(sandbox, remote));
  assert.equal(
    await shell('diff -r --no-dereference "$1" "$2" && stat -c %h "$2/a/text"', remote, copy),
    "2\n",
  );
});

test("wrong entries are refused, and nothing of the tree stays", async () => {
  const sandbox = await box();
  const { remote } = fresh();
  const file = { type: "file" } as const;
  const short = async function* () {
    yield new Uint8Array(10);
  };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ ...file, path: "/absolute" }, /path below the root/],
    [{ ...file, path: "a/../../b" }, /path below the root/],
    [{ ...file, path: "" }, /path below the root/],
    [{ ...file, path: "a\0b" }, /path below the root/],
    [{ ...file, path: "\ud800" }, /not valid Unicode/],
    [{ ...file }, /needs a path/],
    [{ path: "a", type: "fifo" }, /needs a type/],
    [{ ...file, path: "a", mode: -1 }, /mode/],
    [{ ...file, path: "a", mtime: new Date(NaN) }, /mtime/],
    [{ path: "a", type: "symlink" }, /needs a target/],
    [{ path: "a", type: "link", target: "../b" }, /outside of the tree/],
    [{ ...file, path: "a", content: short() }, /size/],
    [{ ...file, path: "a", size: 11, content: short() }, /1 bytes shorter/],
    [{ ...file, path: "a", size: 9, content: short() }, /longer than its size/],
  ];
  for (const [entry, words] of cases)
    await refused(
      writeTree(sandbox, remote, [{ path: "before", ...file }, entry as unknown as TreeEntry]),
      "invalid_argument",
      words,
    );
  await refused(writeTree(sandbox, remote, 7 as never), "invalid_argument", /iterable/);
  for (const path of ["", "a\0b", 7])
    await refused(writeTree(sandbox, path as string, []), "invalid_argument", /path in the sandbox/);
  assert.ok(!(await names("/tmp")).includes(remote.slice(5)));
  assert.equal(await leftovers(), "0");
  // What the caller's entries throw is the call's.
  const failing = (async function* (): AsyncGenerator<TreeEntry> {
    yield { path: "a", type: "file" };
    throw new RangeError("mine");
  })();
  await assert.rejects(writeTree(sandbox, remote, failing), new RangeError("mine"));
});

test("a file, a link and a directory by each form of its path", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(join(local, "folder"), { recursive: true });
  writeFileSync(join(local, "folder", "file"), "text", { mode: 0o751 });
  symlinkSync("folder", join(local, "link"));
  assert.equal((await sandbox.upload(join(local, "folder", "file"), `${remote}/one/file`)).files, 1);
  assert.equal((await sandbox.upload(join(local, "link"), `${remote}/link`)).links, 1);
  assert.equal((await sandbox.upload(join(local, "link/"), `${remote}//two/`)).directories, 1);
  assert.equal(
    (await sandbox.upload(join(local, "link"), `${remote}/three`, { followLinks: true })).files,
    1,
  );
  assert.equal(
    await shell('cd "$1"; find . -type f -printf "%p %m %s\\n" | sort; readlink link', remote),
    "./one/file 751 4\n./three/file 751 4\n./two/file 751 4\nfolder\n",
  );
  await refused(
    sandbox.upload(join(local, "folder", "file"), `${remote}/one`),
    "invalid_argument",
    /is a directory/,
  );
  await refused(sandbox.upload(local, `${remote}/one/file`), "invalid_argument", /is not a directory/);
  await refused(sandbox.upload(join(local, "gone"), remote), "invalid_argument", /no such file/);

  const back = fresh().local;
  mkdirSync(back);
  await sandbox.download(`${remote}/one/file`, join(back, "file"));
  await shell('ln -s one "$1/to-one"', remote);
  await sandbox.download(`${remote}/to-one`, join(back, "link"));
  await sandbox.download(`${remote}/to-one/`, join(back, "folder"));
  await sandbox.download(`${remote}/to-one`, join(back, "followed"), { followLinks: true });
  assert.equal(readlinkSync(join(back, "link")), "one");
  for (const name of ["file", "folder/file", "followed/file"])
    assert.equal(statSync(join(back, name)).mode & 0o777, 0o751, name);
  await refused(sandbox.download(`${remote}/one/file`, back), "invalid_argument", /is a directory/);
  await refused(sandbox.download(remote, join(back, "file")), "invalid_argument", /is not a directory/);
  await refused(sandbox.download(`${remote}/gone`, join(back, "x")), "not_found", /there is no .*gone/);
  await refused(sandbox.download(remote, join(back, "no", "x")), "invalid_argument", /make it first/);
  assert.deepEqual(readdirSync(back).sort(), ["file", "folder", "followed", "link"]);
  assert.equal(await leftovers(), "0");
});

test("a directory that is there is added to, and keeps its mode and what else is in it", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(join(local, "sub"), { recursive: true });
  writeFileSync(join(local, "sub", "new"), "new");
  writeFileSync(join(local, "both"), "of the copy");
  await shell('mkdir -p "$1/sub"; chmod 1777 "$1"; echo old > "$1/sub/old"; echo old > "$1/both"', remote);
  await sandbox.upload(local, remote);
  assert.equal(
    await shell('cd "$1"; stat -c %a .; cat both sub/old sub/new', remote),
    "1777\nof the copyold\nnew",
  );
  const back = fresh().local;
  mkdirSync(join(back, "sub"), { recursive: true });
  chmodSync(back, 0o711);
  chmodSync(join(back, "sub"), 0o750);
  writeFileSync(join(back, "sub", "mine"), "mine");
  writeFileSync(join(back, "both"), "mine");
  await sandbox.download(remote, back);
  assert.equal(readFileSync(join(back, "both"), "utf8"), "of the copy");
  assert.deepEqual(readdirSync(join(back, "sub")).sort(), ["mine", "new", "old"]);
  assert.deepEqual(
    [back, join(back, "sub")].map((path) => (statSync(path).mode & 0o777).toString(8)),
    ["711", "750"],
  );
  assert.deepEqual(readdirSync(back).sort(), ["both", "sub"]);

  // What cannot be put in its place changes nothing.
  await shell('rm "$1/both"; mkdir "$1/both"; touch "$1/both/x"; echo newer > "$1/sub/old"', remote);
  await refused(sandbox.download(remote, back), "invalid_argument", /both is not a directory here/);
  assert.equal(readFileSync(join(back, "sub", "old"), "utf8"), "old\n");
  assert.deepEqual(readdirSync(back).sort(), ["both", "sub"]);
  const error = await refused(
    sandbox.upload(local, remote),
    "command_failed",
    /was there before, and has what was copied/,
  );
  assert.match((error as unknown as { stderr: string }).stderr, /both/);
});

test("patterns leave out the same in both directions", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  for (const path of [
    "node_modules/x",
    "src/node_modules/y",
    "src/a.o",
    "src/a.ob",
    "build/out/z",
    "src/build/out",
    "[a]",
    "a",
    "?",
    "é",
  ]) {
    mkdirSync(join(local, path, ".."), { recursive: true });
    writeFileSync(join(local, path), path);
  }
  const exclude = ["node_modules/", "*.o", "./build/out", "[a]", "?"];
  const left = [".", "a", "build", "src", "src/a.ob", "src/build", "src/build/out", "é"];
  await sandbox.upload(local, remote, { exclude });
  assert.equal(
    await shell('cd "$1"; LC_ALL=C; export LC_ALL; find . -mindepth 1 | cut -c3- | sort', remote),
    `${left.slice(1).join("\n")}\n`,
  );
  await sandbox.upload(local, `${remote}-all`);
  // BusyBox's tar knows no such patterns.
  for (const other of [sandbox, await busybox()]) {
    const seen: string[] = [];
    for await (const { path } of readTree(other, `${remote}-all`, { exclude })) seen.push(path);
    assert.deepEqual(seen.sort(), [...left].sort());
  }
  await refused(sandbox.upload(local, remote, { exclude: [""] }), "invalid_argument", /exclude/);
  await refused(sandbox.upload(local, remote, { exclude: "a" as never }), "invalid_argument", /exclude/);
});

test("what is special, and names that are not UTF-8, are refused by name or left out and counted", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(join(local, "in"), { recursive: true });
  writeFileSync(join(local, "in", "file"), "x");
  const upload = () => sandbox.upload(local, remote);
  const spoil: [string, RegExp, () => unknown][] = [
    ["in/pipe", /in\/pipe is a FIFO/, () => execFileSync("mkfifo", [join(local, "in", "pipe")])],
    [
      "in/sock",
      /in\/sock is a socket/,
      async () => {
        const server = createServer().listen(join(local, "in", "sock"));
        await once(server, "listening");
        server.unref();
      },
    ],
    [
      "in/\ufffd",
      /in\/\ufffd has a name that is not UTF-8/,
      () => {
        writeFileSync(Buffer.concat([Buffer.from(join(local, "in/")), Buffer.of(0xff)]), "");
      },
    ],
    [
      "to",
      /to is a link to a name that is not UTF-8/,
      () => {
        symlinkSync(Buffer.of(0xfe), join(local, "to"));
      },
    ],
  ];
  for (const [path, words, make] of spoil) {
    await make();
    await refused(upload(), "invalid_argument", words);
    await refused(sandbox.upload(local, remote), "invalid_argument", /set skipSpecial/);
    if (path !== "to")
      assert.deepEqual((await sandbox.upload(local, `${remote}-some`, { skipSpecial: true })).skipped, [
        path,
      ]);
    // One of them at a time is what a message names.
    execFileSync("sh", ["-c", 'find "$1" ! -type d ! -name file -delete', "sh", local]);
  }
  assert.ok(!(await names("/tmp")).includes(remote.slice(5)));
  for (const [, , make] of spoil) await make();
  const { skipped, files } = await sandbox.upload(local, remote, { skipSpecial: true });
  assert.deepEqual([skipped.sort(), files], [spoil.map(([path]) => path).sort(), 1]);

  const odd = `${remote}-odd`;
  const make =
    'mkdir "$1"; cd "$1"; echo x > file; mkfifo pipe; touch "$(printf \'\\377\')"; ln -s "$(printf \'\\376\')" to; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'sock\')"';
  await shell(make, odd);
  const back = fresh().local;
  await refused(sandbox.download(odd, back), "tree_refused", /is a FIFO|not UTF-8/);
  assert.ok(!existsSync(back));
  const down = await sandbox.download(odd, back, { skipSpecial: true });
  assert.deepEqual([down.skipped.sort(), down.files], [["pipe", "sock", "to", "\ufffd"].sort(), 1]);
  await shell('cd "$1"; rm pipe to; rm "$(printf \'\\377\')"', odd);
  await refused(sandbox.download(odd, `${back}-2`), "tree_refused", /sock is a socket/);
  assert.ok(!existsSync(`${back}-2`));
});

test("modes that shut their owner out are kept on the way in, and are an error on the way out", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(join(local, "shut"), { recursive: true });
  writeFileSync(join(local, "shut", "file"), "x");
  writeFileSync(join(local, "secret"), "x", { mode: 0o000 });
  const entries: TreeEntry[] = [
    { path: "shut", type: "directory", mode: 0o000 },
    { path: "shut/file", type: "file", content: "x" },
    { path: "secret", type: "file", mode: 0o000 },
  ];
  await writeTree(sandbox, remote, entries);
  assert.equal(await shell('cd "$1"; stat -c "%a %n" shut secret', remote), "0 shut\n0 secret\n");
  // Replaced, it is removed in spite of that.
  const isRoot = (await shell("id -u")) === "0\n";
  if (isRoot) return;
  const back = fresh().local;
  const error = await refused(
    sandbox.download(remote, back),
    "command_failed",
    /tar in the sandbox exited with 2: tar: .*Permission denied/,
  );
  assert.equal((error as unknown as { exitCode: number }).exitCode, 2);
  assert.ok(!existsSync(back));
});

test("progress grows to the whole, and an error of its handler is the call's", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(local);
  writeFileSync(join(local, "a"), Buffer.alloc(3_000_000));
  writeFileSync(join(local, "b"), Buffer.alloc(1000));
  for (const copy of [
    (onProgress: (progress: TreeProgress) => unknown) => sandbox.upload(local, remote, { onProgress }),
    (onProgress: (progress: TreeProgress) => unknown) =>
      sandbox.download(remote, `${local}-back`, { onProgress }),
  ]) {
    const seen: TreeProgress[] = [];
    await copy(async (progress) => {
      await Promise.resolve();
      seen.push(progress);
    });
    assert.deepEqual(seen.at(-1), { files: 2, bytes: 3_001_000, share: 1 });
    assert.ok(seen.length > 3);
    seen.reduce((before, now) => {
      assert.ok(
        before.bytes <= now.bytes && (before.share ?? 0) <= (now.share ?? 0) && before.files <= now.files,
      );
      return now;
    });
    const failing = copy(() => {
      throw new RangeError("mine");
    });
    await assert.rejects(failing, new RangeError("mine"));
  }
  assert.equal(await leftovers(), "0");
});

test("an abort at any moment ends the copy, and leaves nothing of it", async () => {
  const sandbox = await box();
  const { local, remote } = fresh();
  mkdirSync(local);
  for (let i = 0; i < 20; i++) writeFileSync(join(local, String(i)), Buffer.alloc(300_000));
  await sandbox.upload(local, `${remote}-there`);
  const before = await names("/tmp");
  for (let at = 0; at < 12; at++) {
    for (const copy of [
      (signal: AbortSignal, onProgress: () => void) => sandbox.upload(local, remote, { signal, onProgress }),
      (signal: AbortSignal, onProgress: () => void) =>
        sandbox.download(`${remote}-there`, `${local}-back`, { signal, onProgress }),
    ]) {
      const abort = new AbortController();
      let calls = 0;
      if (at === 0) abort.abort(new Error("enough"));
      const work = copy(abort.signal, () => {
        if (++calls === at * 2 - 1) abort.abort(new Error("enough"));
      });
      const error = await refused(work, "aborted", /aborted/);
      assert.equal((error as { cause?: Error }).cause?.message, "enough");
      assert.deepEqual(await names("/tmp"), before);
      assert.ok(!existsSync(`${local}-back`));
      assert.deepEqual(
        readdirSync(here).filter((name) => name.startsWith(".")),
        [],
      );
    }
  }
  // As does leaving the loop.
  for await (const entry of readTree(sandbox, `${remote}-there`)) if (entry.path !== ".") break;
  assert.equal(await leftovers(), "0");
});

test("a sandbox without tar, and a disk that is full, are told in words", async () => {
  const { remote, local } = fresh();
  mkdirSync(local);
  writeFileSync(join(local, "x"), "x");
  const without = await withPath(
    'ln -s /bin/sh sh; for each in mkdir rm chmod mv dd cat sed; do ln -s "$(command -v $each)"; done',
    true,
  );
  for (const call of [() => without.upload(local, remote), () => without.download(EMPTY, local)]) {
    const error = await refused(
      call(),
      "command_failed",
      /^tar in the sandbox exited with 127: tar is not installed/,
    );
    assert.equal((error as unknown as { exitCode: number }).exitCode, 127);
  }
  const failing = await withPath(
    "printf '#!/bin/sh\\ncat >/dev/null\\necho \"tar: x: Cannot write: No space left on device\" >&2\\nexit 2\\n' > tar; chmod +x tar",
  );
  const error = await refused(
    failing.upload(local, remote),
    "command_failed",
    /exited with 2: tar: x: Cannot write: No space left/,
  );
  assert.equal(
    (error as unknown as { stderr: string }).stderr,
    "tar: x: Cannot write: No space left on device",
  );
  assert.ok(!(await names("/tmp")).includes(remote.slice(5)));
  assert.equal(await leftovers(), "0");
});

test("two copies to one new name at once: one of them is there, whole", async () => {
  const sandbox = await box();
  const { remote } = fresh();
  const tree = (text: string): TreeEntry[] =>
    Array.from({ length: 50 }, (_, i) => ({ path: `${i}`, type: "file", content: text }));
  const results = await Promise.allSettled(["a", "b"].map((text) => writeTree(sandbox, remote, tree(text))));
  assert.ok(results.some(({ status }) => status === "fulfilled"));
  assert.equal((await names(remote)).length, 50);
  assert.equal(await leftovers(), "0");
});

/** The sandbox with a directory for programs, before the others or alone, which a line of shell fills. */
async function withPath(make: string, isAlone = false) {
  const folder = fresh().remote;
  await shell(`mkdir "$1"; cd "$1"; ${make}`, folder);
  return box({
    fetch: (input, init) => {
      if (init?.method !== "POST" || !input.endsWith("/processes")) return fetch(input, init);
      const body = JSON.parse(init.body as string) as Record<string, unknown>;
      const env = { PATH: isAlone ? folder : `${folder}:/usr/local/bin:/usr/bin:/bin` };
      return fetch(input, { ...init, body: JSON.stringify({ ...body, env }) });
    },
  });
}
