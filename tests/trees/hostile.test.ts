// Archives from a sandbox that wants to write elsewhere on this machine, or to use it up.
import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readTree } from "shoreline/tree";
import { test } from "../helpers/processes.js";
import { box, EMPTY, fresh, here, leftovers, refused } from "./boxes.js";

interface Raw {
  name?: string;
  flag?: string;
  target?: string;
  mode?: number;
  content?: string | Uint8Array;
  size?: number | Uint8Array;
  prefix?: string;
}

const BLOCK = 512;
const zeros = (length: number) => new Uint8Array(length);
const padding = (length: number) => zeros((BLOCK - (length % BLOCK)) % BLOCK);

/** A header and content, as they are asked for. */
function entry({
  name = "",
  flag = "0",
  target = "",
  mode = 0o644,
  content = "",
  size,
  prefix,
}: Raw): Buffer {
  const header = Buffer.alloc(BLOCK);
  const body = Buffer.from(content);
  header.write(name, 0);
  header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  if (size instanceof Uint8Array) header.set(size, 124);
  else header.write(`${(size ?? body.length).toString(8).padStart(11, "0")}\0`, 124);
  header.write(`${(1e9).toString(8)}\0`, 136);
  header.write(flag, 156);
  header.write(target, 157);
  header.write(prefix === undefined ? "ustar  \0" : "ustar\0" + "00", 257);
  if (prefix !== undefined) header.write(prefix, 345);
  header.fill(" ", 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0`,
    148,
  );
  return Buffer.concat([header, body, padding(body.length)]);
}

const END = zeros(2 * BLOCK);
const ROOT = { name: "./", flag: "5", mode: 0o755 };
const record = (text: string) => {
  for (let length = text.length + 2; ; length++) {
    const whole = `${length} ${text}\n`;
    if (Buffer.byteLength(whole) === length) return whole;
  }
};

/** A sandbox whose archives are these bytes, whatever is in it. */
async function sending(archive: Uint8Array<ArrayBuffer> | (() => ReadableStream<Uint8Array>)) {
  return box({
    fetch: (input, init) => {
      const path = new URL(input).searchParams.get("path") ?? "";
      if (!/^\/tmp\/\.shoreline-.*\/0$/.test(path)) return fetch(input, init);
      return Promise.resolve(new Response(typeof archive === "function" ? archive() : archive));
    },
  });
}

const archiveOf = (...entries: Raw[]) => Uint8Array.from(Buffer.concat([...entries.map(entry), END]));

/** Everything below the directory of the tests, to see that nothing was added to it. */
const around = () => readdirSync(here, { recursive: true }).map(String).sort();

test("nothing is written outside of the target", async () => {
  const outside = join(here, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "untouched");
  const file = { content: "evil" };
  const longName = "a/".repeat(60) + "../".repeat(62) + "evil";
  const cases: [string, Raw[], RegExp][] = [
    ["an absolute name", [{ name: `${outside}/evil`, ...file }], /leads out/],
    ["a name with ..", [{ name: "../outside/evil", ...file }], /leads out/],
    ["a name with .. inside", [{ name: "./a/../../outside/evil", ...file }], /leads out/],
    ["a name that is ..", [{ name: "..", flag: "5" }], /leads out/],
    ["a prefix with ..", [{ name: "evil", prefix: "../outside", ...file }], /leads out/],
    ["no name", [{ name: "", ...file }], /leads out/],
    [
      "a long name with ..",
      [
        { name: "././@LongLink", flag: "L", content: `${longName}\0` },
        { name: "x", ...file },
      ],
      /leads out/,
    ],
    [
      "a record with an absolute path",
      [
        { flag: "x", content: record(`path=${outside}/evil`) },
        { name: "x", ...file },
      ],
      /leads out/,
    ],
    [
      "a link that is written through",
      [
        { name: "l", flag: "2", target: outside },
        { name: "l/evil", ...file },
      ],
      /twice/,
    ],
    [
      "a link that is written over",
      [
        { name: "l", flag: "2", target: join(outside, "file") },
        { name: "l", ...file },
      ],
      /twice/,
    ],
    [
      "a relative link that is written through",
      [
        { name: "a/", flag: "5" },
        { name: "a/l", flag: "2", target: "../../outside" },
        { name: "a/l/evil", ...file },
      ],
      /twice/,
    ],
    [
      "a directory that becomes a link",
      [
        { name: "d/", flag: "5" },
        { name: "d", flag: "2", target: outside },
        { name: "d/evil", ...file },
      ],
      /twice/,
    ],
    [
      "a link that becomes a directory",
      [
        { name: "d", flag: "2", target: outside },
        { name: "d/", flag: "5", mode: 0o777 },
      ],
      /twice/,
    ],
    [
      "a root that is a link",
      [
        { name: "./", flag: "2", target: outside },
        { name: "evil", ...file },
      ],
      /root/,
    ],
    ["a root that is a file", [{ name: ".", ...file }], /root/],
    [
      "a hard link to outside",
      [{ name: "h", flag: "1", target: join(outside, "file") }],
      /links to a file outside/,
    ],
    ["a hard link with ..", [{ name: "h", flag: "1", target: "../outside/file" }], /links to a file outside/],
    [
      "a hard link through a link",
      [
        { name: "l", flag: "2", target: outside },
        { name: "h", flag: "1", target: "l/file" },
      ],
      /not a file before it/,
    ],
    ["a hard link to nothing", [{ name: "h", flag: "1", target: "gone" }], /not a file before it/],
    [
      "a hard link to a directory",
      [
        { name: "d/", flag: "5" },
        { name: "h", flag: "1", target: "d" },
      ],
      /not a file before it/,
    ],
    ["a link to nothing", [{ name: "l", flag: "2", target: "" }], /links to a file outside/],
    [
      "a file twice",
      [
        { name: "f", ...file },
        { name: "./f", ...file },
      ],
      /f is there twice/,
    ],
    [
      "a file below a file",
      [
        { name: "f", ...file },
        { name: "f/g", ...file },
      ],
      /twice/,
    ],
    ["a device", [{ name: "sda", flag: "4" }], /sda is a block device/],
    ["a FIFO", [{ name: "pipe", flag: "6" }], /pipe is a FIFO/],
    ["an unknown kind", [{ name: "s", flag: "S" }], /s is of a kind/],
  ];
  const before = around();
  for (const [what, entries, words] of cases) {
    const sandbox = await sending(archiveOf(ROOT, ...entries));
    for (const target of ["new", "there"]) {
      const local = join(here, target);
      if (target === "there") mkdirSync(local, { recursive: true });
      const error = await refused(sandbox.download(EMPTY, local), "tree_refused", words);
      assert.ok(error.message.startsWith("the tree was refused: "), what);
    }
    assert.deepEqual(around(), target(before), what);
  }
  assert.equal(readFileSync(join(outside, "file"), "utf8"), "untouched");
  assert.equal(await leftovers(), "0");

  function target(names: string[]): string[] {
    return [...names, "there"].sort();
  }
});

test("a link that an earlier download has made is not written through by the next one", async () => {
  const { local } = fresh();
  const outside = join(here, "elsewhere");
  mkdirSync(outside);
  mkdirSync(local);
  const first = await sending(archiveOf(ROOT, { name: "l", flag: "2", target: outside }));
  await first.download(EMPTY, local);
  assert.equal(readlinkSync(join(local, "l")), outside);
  const second = await sending(archiveOf(ROOT, { name: "l/", flag: "5" }, { name: "l/evil", content: "x" }));
  await refused(second.download(EMPTY, local), "invalid_argument", /l is not a directory here/);
  assert.deepEqual(readdirSync(outside), []);
  // A file replaces the link itself.
  const third = await sending(archiveOf(ROOT, { name: "l", content: "x" }));
  await third.download(EMPTY, local);
  assert.ok(lstatSync(join(local, "l")).isFile());
});

test("set-user-ID, set-group-ID and sticky bits are dropped", async () => {
  const { local } = fresh();
  const sandbox = await sending(
    archiveOf(
      { ...ROOT, mode: 0o7777 },
      { name: "f", mode: 0o6755, content: "x" },
      { name: "d/", flag: "5", mode: 0o3777 },
    ),
  );
  await sandbox.download(EMPTY, local);
  for (const [path, mode] of [
    ["", 0o777],
    ["f", 0o755],
    ["d", 0o777],
  ] as const)
    assert.equal(statSync(join(local, path)).mode & 0o7777, mode, path);
});

test("a file beside the target that is a link is not written through", async () => {
  const { local } = fresh();
  mkdirSync(local);
  writeFileSync(join(local, "precious"), "untouched");
  symlinkSync("precious", join(local, "link"));
  await (await box()).download("/etc/passwd", join(local, "link"));
  assert.equal(readFileSync(join(local, "precious"), "utf8"), "untouched");
});

test("archives that are damaged, or would use up memory or the disk, are refused", async () => {
  const huge = Uint8Array.of(0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  const negative = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe);
  const wrong = entry({ name: "f", content: "x" });
  wrong[0] = 0x67;
  const cases: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
    ["a huge size", archiveOf(ROOT, { name: "f", size: huge }), /number that is too large/],
    [
      "a negative size",
      Uint8Array.from(
        Buffer.concat([entry(ROOT), entry({ name: "f", size: negative }), entry({ name: "g" })]),
      ),
      /ends too early/,
    ],
    ["a size that does not come", archiveOf(ROOT, { name: "f", size: 0o77777777777 }), /ends too early/],
    ["a wrong checksum", Uint8Array.from(wrong), /damaged/],
    ["half a header", Uint8Array.from(entry(ROOT).subarray(0, 100)), /ends too early/],
    ["no end", Uint8Array.from(entry(ROOT)), /ends too early/],
    ["nothing", new Uint8Array(), /ends too early/],
    ["the end alone", END, /empty/],
    ["a long name", archiveOf({ flag: "L", content: "a".repeat(70_000) }), /too long/],
    ["a huge long name", archiveOf({ flag: "L", size: 0o7777777777 }), /too long/],
    ["a long record", archiveOf({ flag: "x", size: 0o7777777777 }), /too long/],
    [
      "many records",
      archiveOf(...Array.from({ length: 20 }, () => ({ flag: "x", content: record("a=b") })), { name: "f" }),
      /too many headers/,
    ],
    ["a record without end", archiveOf({ flag: "x", content: "99 path=x\n" }), /damaged/],
    ["a record without length", archiveOf({ flag: "x", content: "path=x\n" }), /damaged/],
    ["a record of length 0", archiveOf({ flag: "x", content: "0 path=x\n" }), /damaged/],
    [
      "a sparse file",
      archiveOf({ flag: "x", content: record("GNU.sparse.major=1") }, { name: "f" }),
      /sparse/,
    ],
    ["text", Uint8Array.from(Buffer.alloc(2000, "text ")), /damaged/],
  ];
  const before = around();
  for (const [what, archive, words] of cases) {
    const local = join(here, "never");
    const error = await refused((await sending(archive)).download(EMPTY, local), "tree_refused", words);
    assert.ok(error.message.length < 500, what);
    assert.deepEqual(around(), before, what);
  }
  assert.equal(await leftovers(), "0");
});

test("an archive without end stops at the limit, and a reader that leaves stops it", async () => {
  const { local } = fresh();
  let taken = 0;
  const endless = () => {
    let first = true;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        const bytes = first ? entry(ROOT) : entry({ name: `f${taken}`, content: "x".repeat(60_000) });
        first = false;
        taken += bytes.length;
        controller.enqueue(new Uint8Array(bytes));
      },
    });
  };
  await refused(
    (await sending(endless)).download(EMPTY, local, { maxBytes: 1_000_000 }),
    "tree_refused",
    /larger than `maxBytes`/,
  );
  assert.ok(taken < 3_000_000, `${taken} bytes were taken`);
  let entries = 0;
  for await (const entry of readTree(await sending(endless), EMPTY)) {
    assert.ok(entry.path !== "");
    if (++entries === 10) break;
  }
  assert.ok(taken < 8_000_000, `${taken} bytes were taken`);
  for (const maxBytes of [0, -1, NaN])
    await refused((await box()).download(EMPTY, local, { maxBytes }), "invalid_argument", /maxBytes/);
  assert.equal(await leftovers(), "0");
});

test("archives of other programs are read: POSIX records, prefixes, and names by themselves", async () => {
  const { local } = fresh();
  const name = `${"n".repeat(150)}/ü`;
  const sandbox = await sending(
    archiveOf(
      { flag: "g", content: record("comment=x") },
      { flag: "x", content: record(`path=${name}`) + record("mtime=1500000000.75") },
      { name: "short", content: "pax" },
      { name: "file", prefix: "some/where", content: "prefix" },
      { name: "old/", content: "" },
      { name: "old/seven", flag: "7", content: "seven" },
    ),
  );
  await sandbox.download(EMPTY, local);
  assert.equal(readFileSync(join(local, name), "utf8"), "pax");
  assert.equal(statSync(join(local, name)).mtimeMs, 1_500_000_000_000);
  assert.equal(readFileSync(join(local, "some/where/file"), "utf8"), "prefix");
  assert.equal(readFileSync(join(local, "old/seven"), "utf8"), "seven");
});
