// `sandbox.fs` beside Node's `fs/promises`: the same calls on this machine and in a sandbox.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { join } from "node:path";
import { FileSystemError, type FileSystem, type Sandbox, ShorelineError } from "shoreline";
import { Random } from "../faults/random.js";
import { test } from "../helpers/processes.js";
import { box, fresh, refused, shell } from "./boxes.js";
import { type Call, CALLS } from "./calls.js";
import { plainFetch } from "./plain.js";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

interface Typed {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function typeOf(it: Typed): string {
  return it.isFile() ? "file" : it.isDirectory() ? "directory" : it.isSymbolicLink() ? "link" : "other";
}

/** What a call gave, as far as it has to be the same. */
function shown(name: string, value: unknown, root: string): unknown {
  if (name === "mkdir") return undefined;
  if (name === "realpath") return (value as string).replace(root, "@");
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value))
    return (value as (string | (Typed & { name: string; parentPath: string }))[])
      .map((entry) =>
        typeof entry === "string"
          ? entry
          : `${join(entry.parentPath.replace(root, "@"), entry.name)} ${typeOf(entry)}`,
      )
      .sort();
  if (typeof value !== "object" || value === null) return value;
  const { mode, size, nlink, mtimeMs, mtime } = value as Awaited<ReturnType<FileSystem["stat"]>>;
  const type = typeOf(value as Typed);
  // Of a directory, size and links are the file system's affair; most times are now.
  const plain = type === "directory" ? {} : { size, nlink };
  const old = mtimeMs < 1_750_000_000_000 ? [mtimeMs, Number(mtime)] : [];
  return { type, mode: type === "link" ? undefined : mode, ...plain, old };
}

/** The result of a call, or the code of its error. */
async function outcome(calls: object, root: string, [name, ...args]: Call): Promise<unknown> {
  const real = args.map((arg) =>
    typeof arg === "string" && arg.startsWith("@") ? root + arg.slice(1) : arg,
  );
  try {
    const method = (calls as Record<string, (...args: unknown[]) => Promise<unknown>>)[name];
    return { value: shown(name, await method?.apply(calls, real), root) };
  } catch (error) {
    const { code, info } = error as { code?: string; info?: { code?: string } };
    if (calls !== fs) assert.ok(FileSystemError.is(error), `${name}: ${String(error)}`);
    // Node has codes of its own for what it finds out itself.
    return { code: info?.code ?? code };
  }
}

/** The sandbox reached as a server without the routes, with commands of BusyBox. */
async function busybox(): Promise<Sandbox> {
  const folder = fresh().remote;
  await shell(
    'mkdir "$1"; cd "$1"; for each in sh stat find readlink realpath test mkdir mv cp rm chmod ln touch cat; do ln -s /bin/busybox $each; done',
    folder,
  );
  return box({
    fetch: (input, init) => {
      if (init?.method !== "POST" || !input.endsWith("/processes")) return plainFetch(input, init);
      const body = JSON.parse(init.body as string) as { env?: object };
      const env = { ...body.env, PATH: `${folder}:/usr/local/bin:/usr/bin:/bin` };
      return plainFetch(input, { ...init, body: JSON.stringify({ ...body, env }) });
    },
  });
}

const SANDBOXES = [
  ["the local server", () => box()],
  ["commands", () => box({ fetch: plainFetch })],
  ["BusyBox's commands", busybox],
] as const;

for (const [kind, reached] of SANDBOXES) {
  test(`every call does what Node's does: ${kind}`, async () => {
    const { fs: inside } = await reached();
    const { local, remote } = fresh();
    await fs.mkdir(local);
    await inside.mkdir(remote);
    for (const call of CALLS) {
      const [expected, actual] = [await outcome(fs, local, call), await outcome(inside, remote, call)];
      assert.deepEqual(actual, expected, JSON.stringify(call));
    }
  });
}

test(`random calls do what Node's do (SEED=${SEED})`, async () => {
  const { fs: inside } = await box();
  const { local, remote } = fresh();
  await fs.mkdir(local);
  await inside.mkdir(remote);
  const random = new Random(SEED);
  const path = () =>
    ["@", ...Array.from({ length: random.int(1, 3) }, () => random.pick(["a", "b", "é", "-r", "l"]))].join(
      "/",
    );
  const flip = () => random.chance(0.5);
  const makers: (() => Call)[] = [
    () => ["writeFile", path(), "x".repeat(random.int(0, 9)), { flag: random.pick(["w", "wx", "a"]) }],
    () => ["readFile", path(), "utf8"],
    () => ["mkdir", path(), { recursive: flip() }],
    () => ["rename", path(), path()],
    () => ["copyFile", path(), path(), random.int(0, 1)],
    () => ["symlink", random.pick(["a", "./b", "none"]), path()],
    () => ["rm", path(), { recursive: random.chance(0.3), force: flip() }],
    () => ["stat", path()],
    () => ["lstat", path()],
    () => ["readdir", path(), { recursive: flip(), withFileTypes: true }],
    () => ["realpath", path()],
    () => ["access", path()],
    () => ["chmod", path(), random.pick([0o755, 0o700, 0o777])],
  ];
  for (let i = 0; i < 400; i++) {
    const call = random.pick(makers)();
    const [name, from] = call as [string, string];
    // Node opens the target all the same, and removes it afterwards.
    if (name === "copyFile" && (await isDirectory(local + from.slice(1)))) continue;
    // Where a link in the path leads nowhere, Node 20 has one of several codes.
    const plain = (it: unknown) => (name === "mkdir" && (it as { code?: string }).code ? "an error" : it);
    const expected = plain(await outcome(fs, local, call));
    const actual = plain(await outcome(inside, remote, call));
    assert.deepEqual(actual, expected, `${i}: ${JSON.stringify(call)}`);
  }
});

for (const [kind, reached] of SANDBOXES)
  test(`writing keeps what a write keeps: ${kind}`, async () => {
    const { fs: inside } = await reached();
    const { remote } = fresh();
    await shell(
      'mkdir "$1"; cd "$1"; echo old > file; chmod 641 file; ln file hard; mkfifo fifo; ln -s fifo to-fifo; echo no > closed; chmod 444 closed',
      remote,
    );
    const before = await inside.stat(`${remote}/file`);
    await inside.writeFile(`${remote}/file`, "new");
    const after = await inside.stat(`${remote}/hard`);
    assert.deepEqual([after.mode, after.ino, after.nlink, after.size], [before.mode, before.ino, 2, 3]);
    for (const name of ["fifo", "to-fifo"])
      for (const flag of ["w", "a"] as const) {
        const error = await failed(inside.writeFile(`${remote}/${name}`, "x", { flag }));
        assert.equal(error.code, "ENXIO");
      }
    assert.equal((await failed(inside.readFile(`${remote}/fifo`))).code, "ENXIO");
    assert.ok((await inside.lstat(`${remote}/fifo`)).isFIFO());
    assert.equal((await failed(inside.writeFile(`${remote}/closed`, "x"))).code, "EACCES");
    assert.deepEqual((await inside.readdir(remote)).sort(), ["closed", "fifo", "file", "hard", "to-fifo"]);
  });

for (const [kind, reached] of SANDBOXES)
  test(`a name that is not UTF-8 is refused by name: ${kind}`, async () => {
    const { fs: inside } = await reached();
    const { remote } = fresh();
    await shell(`mkdir "$1"; cd "$1"; : > "$(printf 'caf\\351')"; : > plain`, remote);
    const error = await failed(inside.readdir(remote));
    assert.equal(error.code, "EILSEQ");
    assert.match((error.cause as Error).message, /caf/);
    await inside.rm(remote, { recursive: true });
    assert.equal(await inside.exists(remote), false);
  });

test("an error says what failed, as Node's does", async () => {
  const { fs: inside } = await box();
  const error = await failed(inside.rename("/tmp/none", "/tmp/other"));
  const { name, code, syscall, path, dest, status, message } = error;
  assert.deepEqual(
    { name, code, syscall, path, dest, status, message },
    {
      name: "FileSystemError",
      code: "ENOENT",
      syscall: "rename",
      path: "/tmp/none",
      dest: "/tmp/other",
      status: 404,
      message: "ENOENT: no such file or directory, rename '/tmp/none' -> '/tmp/other'",
    },
  );
  assert.ok(ShorelineError.is(error) && error.code === "ENOENT");
});

test("content of every kind is written, and a temporary directory is made", async () => {
  for (const [, reached] of SANDBOXES) {
    const { fs: inside } = await reached();
    const folder = await inside.mkdtemp("/tmp/fs test-");
    assert.match(folder, /^\/tmp\/fs test-[A-Za-z0-9]{6}$/);
    assert.equal((await inside.stat(folder)).mode, 0o40700);
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const stream = async function* () {
      yield bytes.subarray(0, 1_000_000);
      yield await Promise.resolve(bytes.subarray(1_000_000));
    };
    for (const data of [bytes, new Blob([bytes]), stream()]) {
      await inside.writeFile(`${folder}/file`, data);
      assert.deepEqual(await inside.readFile(`${folder}/file`), bytes);
    }
    await inside.rm(folder, { recursive: true });
  }
});

test("what only reads is repeated after a broken connection, and what changes something is not", async () => {
  let [breaks, sent] = [0, 0];
  const { fs: inside } = await box({
    fetch: async (input, init) => {
      sent++;
      const answer = await fetch(input, init);
      if (breaks-- <= 0) return answer;
      throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
    },
  });
  const { remote } = fresh();
  await inside.mkdir(remote);
  [breaks, sent] = [2, 0];
  assert.ok((await inside.stat(remote)).isDirectory());
  assert.equal(sent, 3);
  [breaks, sent] = [1, 0];
  const error = await refused(inside.mkdir(`${remote}/once`), "connection_lost", /./);
  assert.deepEqual([sent, error.retryable], [1, false]);
  assert.ok(await inside.exists(`${remote}/once`));
});

test("a server without the routes is asked for them once", async () => {
  const asked: string[] = [];
  const { fs: inside } = await box({
    fetch: (input, init) => {
      asked.push(new URL(input).pathname.replace(/^.*\/api\/v1/, ""));
      return plainFetch(input, init);
    },
  });
  const { remote } = fresh();
  await inside.mkdir(remote);
  await inside.writeFile(`${remote}/file`, "x", { flag: "wx" });
  await inside.appendFile(`${remote}/file`, "y");
  assert.equal(await inside.readFile(`${remote}/file`, "utf8"), "xy");
  assert.equal(asked.filter((path) => path === "/fs").length, 1);
});

test("what is not an argument is refused before anything is sent", async () => {
  let sent = 0;
  const { fs: inside } = await box({
    fetch: (input, init) => {
      sent++;
      return fetch(input, init);
    },
  });
  for (const call of [
    () => inside.stat(""),
    () => inside.stat("a\0b"),
    () => inside.stat("\ud800"),
    () => inside.stat(7 as never),
    () => inside.rename("a", undefined as never),
    () => inside.writeFile("a", "x", { flag: "r+" as never }),
    () => inside.writeFile("a", "x", { mode: "rwx" }),
    () => inside.readFile("a", "latin1" as never),
    () => inside.chmod("a", 2 ** 32),
    () => inside.copyFile("a", "b", 4),
    () => inside.access("a", 8),
    () => inside.utimes("a", NaN, 0),
    () => inside.rm("a", { recursiv: true } as never),
  ])
    await refused(call(), "invalid_argument", /./);
  assert.equal(sent, 0);
});

test("a call that is aborted rejects, also where commands do the work", async () => {
  for (const [, reached] of SANDBOXES) {
    const { fs: inside } = await reached();
    await inside.exists("/");
    const signal = AbortSignal.abort(new Error("enough"));
    await refused(inside.stat("/", { signal }), "aborted", /./);
    await refused(inside.writeFile("/tmp/aborted", "x", { signal }), "aborted", /./);
    assert.equal(await inside.exists("/tmp/aborted"), false);
  }
});

async function isDirectory(path: string): Promise<boolean> {
  return fs.stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** The error in the file system that a call rejects with. */
async function failed(call: Promise<unknown>): Promise<FileSystemError> {
  const error: unknown = await call.then(
    () => assert.fail("it succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(FileSystemError.is(error), String(error));
  return error as FileSystemError;
}
