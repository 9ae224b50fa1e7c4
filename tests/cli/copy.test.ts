// cp, beside the `cp` of this machine.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before } from "node:test";
import { setImmediate } from "node:timers/promises";
import { manifest } from "../trees/tree.js";
import { test } from "../helpers/processes.js";
import { type Ended, ended, environment, home, LOCAL, PROGRAM, shoreline, start } from "./program.js";

before(async () => {
  assert.equal((await shoreline("create", "box")).code, 0);
});

/** Standard error without the line about the local server. */
const said = ({ stderr }: Ended) => stderr.replace(LOCAL, "");
const fresh = () => mkdtempSync(join(home, "cp-"));
/** Runs a line of shell in the sandbox. */
const inside = async (line: string, ...args: string[]) =>
  (await shoreline("exec", "box", "sh", "-ec", line, "sh", ...args)).stdout;

/** What is below a directory, as one text. */
const LIST = 'cd "$1"; find . -printf "%p %y %m %l\\n" | sort; find . -type f -exec cat {} +';

test("files and directories both ways, with modes, links, times and empty directories", async () => {
  const here = fresh();
  const bytes = randomBytes(2_000_000);
  mkdirSync(join(here, "tree", "deep", "empty"), { recursive: true });
  writeFileSync(join(here, "tree", "a.bin"), bytes, { mode: 0o751 });
  writeFileSync(join(here, "tree", "deep", "b c.txt"), "text");
  symlinkSync("deep", join(here, "tree", "link"));
  const up = await shoreline("cp", "-a", join(here, "tree"), "box:/tmp/");
  assert.match(up.stdout, / -> box:\/tmp\/ \(2000004 bytes in 2 files\)\n$/);
  const one = await shoreline("cp", "box:/tmp/tree/a.bin", here);
  assert.deepEqual([one.stdout, said(one)], [`box:/tmp/tree/a.bin -> ${here} (2000000 bytes)\n`, ""]);
  assert.deepEqual(readFileSync(join(here, "a.bin")), bytes);
  assert.equal((await shoreline("cp", "-a", "box:/tmp/tree", join(here, "back"))).code, 0);
  assert.deepEqual(manifest(join(here, "back")), manifest(join(here, "tree")));
  assert.equal((await shoreline("cp", "-rL", "box:/tmp/tree", join(here, "followed"))).code, 0);
  assert.equal(readFileSync(join(here, "followed", "link", "b c.txt"), "utf8"), "text");
  const some = await shoreline(
    "cp",
    "-r",
    "--exclude",
    "*.bin",
    "--exclude",
    "deep/empty",
    "box:/tmp/tree",
    join(here, "some"),
  );
  assert.match(some.stdout, /\(4 bytes\)\n$/);
  assert.deepEqual(readdirSync(join(here, "some")).sort(), ["deep", "link"]);
  assert.deepEqual(readdirSync(join(here, "some", "deep")), ["b c.txt"]);
});

test("what cannot be copied is told in a sentence, and nothing is written", async () => {
  const here = fresh();
  mkdirSync(join(here, "tree"));
  writeFileSync(join(here, "tree", "file"), "x");
  execFileSync("mkfifo", [join(here, "tree", "pipe")]);
  const cases: [string[], number, RegExp][] = [
    [
      [join(here, "no"), "box:/tmp/x"],
      125,
      /^Error: no file or directory .*\/no on this machine \(in .*\)\n$/,
    ],
    [["box:/no/such/file", here], 122, /^Error: no file or directory \/no\/such\/file in sandbox box: .*\n$/],
    [[join(here, "tree"), "box:/tmp/x"], 2, /^Error: .*\/tree is a directory: copy it with -r\n$/],
    [["box:/etc", here], 2, /^Error: \/etc is a directory: copy it with -r\n$/],
    [
      ["-r", join(here, "tree"), "box:/tmp/x"],
      125,
      /^Error: .*: pipe is a FIFO, which cannot be copied: set skipSpecial/,
    ],
    [
      ["box:/etc/passwd", join(here, "no", "file")],
      125,
      /^Error: there is no directory .*\/no: make it first\n/,
    ],
    [["box:/etc/passwd", `${here}/no/`], 2, /^Error: .*\/no\/ is not a directory\n$/],
    [
      ["-r", "box:/etc", join(here, "tree", "file")],
      2,
      /^Error: .*\/file is not a directory, and \/etc is one\n$/,
    ],
  ];
  for (const [args, code, words] of cases) {
    const result = await shoreline("cp", ...args);
    assert.match(said(result), words, args.join(" "));
    assert.deepEqual([result.code, result.stdout], [code, ""], args.join(" "));
  }
  assert.equal(await inside("ls -A /tmp | grep -c '^x$' || :"), "0\n");
  const rest = await shoreline("cp", "-r", "--skip-special", join(here, "tree"), "box:/tmp/rest");
  assert.match(rest.stdout, /\(1 bytes, 1 skipped\)\n$/);
  assert.equal(said(rest), "Skipped pipe\n");
});

/** What is at both sides before each copy. */
const SOURCE =
  "mkdir -p src/sub other; echo f > src/f; echo s > src/sub/s; chmod 700 src/sub; ln -s sub src/link; echo one > one; ln -s src to-src; ln -s one to-one";
const TARGET =
  "mkdir -p there/src/sub; echo old > there/src/old; echo old > there/src/f; echo file > file; ln -s there to-there";
const FORMS: [string, string, string][] = [
  // A directory.
  ...[
    "new",
    "new/",
    "there",
    "there/",
    "there/.",
    "./there",
    ".//there//",
    "to-there",
    "file",
    "there/new",
    "there/src",
    ".",
  ].map((to): [string, string, string] => ["-r", "src", to]),
  ...[
    "src/",
    "src//",
    "./src",
    "src/.",
    "src/sub/..",
    ".",
    "other/..",
    "src//sub",
    "src/sub/../sub",
    "to-src",
    "to-src/",
    "to-src/.",
  ].map((from): [string, string, string] => ["-r", from, "there"]),
  ...["src/.", ".", "to-src", "to-src/"].map((from): [string, string, string] => ["-r", from, "new"]),
  ["-rL", "src", "new"],
  ["-rL", "to-src", "there"],
  ["-r", "..", "there"],
  // A file.
  ...["new", "there", "there/", "file", "there/new", "new/", "file/", "to-there", "."].map(
    (to): [string, string, string] => ["", "one", to],
  ),
  ["", "to-one", "new"],
  ["-r", "to-one", "new"],
  ["-r", "one", "there"],
  ["", "one/", "new"],
  ["", "src//f", "there"],
  ["", "no", "new"],
];

/** A copy with one of the forms, by this program and by `cp`. */
interface Form {
  direction: "in" | "out";
  words: string[];
  /** What this program copies from or to, and the directory in the sandbox. */
  near: string;
  far: string;
  result?: Ended;
  expected: { ok: boolean; files: string; why: string };
}

const listOf = (folder: string) => execFileSync("sh", ["-ec", LIST, "sh", folder], { encoding: "utf8" });
const fill = (folder: string, script: string) => {
  mkdirSync(folder, { recursive: true });
  execFileSync("sh", ["-ec", script], { cwd: folder });
};

test("sources and destinations mean what they mean to cp", async () => {
  const root = fresh();
  const forms = (["in", "out"] as const).flatMap((direction) =>
    FORMS.map(([option, from, to], at): Form => {
      const name = `form-${direction}-${at}`;
      const [oracle, near, far] = [
        join(root, name, "oracle"),
        join(root, name, "mine", "in"),
        `/tmp/${name}/in`,
      ];
      fill(join(oracle, "from", "in"), SOURCE);
      fill(join(oracle, "to"), TARGET);
      fill(near, direction === "in" ? SOURCE : TARGET);
      const options = option === "" ? [] : [option];
      const cp = spawnSync("cp", [...options, from, `${oracle}/to/${to}`], {
        cwd: join(oracle, "from", "in"),
      });
      const expected = { ok: cp.status === 0, files: listOf(join(oracle, "to")), why: String(cp.stderr) };
      const place = (path: string) => `box:${far}/${path}`;
      const words = [...options, ...(direction === "in" ? [from, place(to)] : [place(from), to])];
      return { direction, words, near, far, expected };
    }),
  );
  const far = forms.map((form) => form.far);
  const prepare = (script: string, direction: string) =>
    inside(
      `for at in "$@"; do mkdir -p "$at"; cd "$at"; ${script}; done`,
      ...far.filter((path) => path.includes(`-${direction}-`)),
    );
  await prepare(TARGET, "in");
  await prepare(SOURCE, "out");
  const left = [...forms];
  const lane = async () => {
    for (let form = left.pop(); form; form = left.pop())
      form.result = await ended(
        spawn(process.execPath, [PROGRAM, "cp", ...form.words], { env: environment, cwd: form.near }),
      );
  };
  await Promise.all([lane(), lane(), lane()]);
  const lists = (await inside(`for at in "$@"; do (set -- "$at"; ${LIST}); echo ----; done`, ...far)).split(
    "----\n",
  );
  const wrong = forms.flatMap(({ direction, words, near, expected, result }, at) => {
    const files = direction === "in" ? lists[at] : listOf(near);
    const isSame = (result?.code === 0) === expected.ok && (!expected.ok || files === expected.files);
    return isSame
      ? []
      : [`cp ${words.join(" ")}: ${result?.stderr}\n${files}\nand not: ${expected.why}\n${expected.files}`];
  });
  assert.deepEqual(wrong, []);
});

// A small disk takes a file system of its own, which is where bubblewrap is.
const BWRAP = "/usr/bin/bwrap";
assert.ok(existsSync(BWRAP) || !process.env.CI, "bubblewrap is not installed");
if (existsSync(BWRAP)) {
  test("a full disk is told, and nothing half written is left", async () => {
    const disk = mkdtempSync(join(home, "disk-"));
    await inside("head -c 1000000 /dev/zero > /tmp/big");
    const script = 'node "$1" cp box:/tmp/big "$0/big"; code=$?; ls -A "$0"; exit $code';
    const small = ["--dev-bind", "/", "/", "--size", "65536", "--tmpfs", disk];
    const child = spawn(BWRAP, [...small, "sh", "-c", script, disk, PROGRAM], { env: environment });
    const { stdout, stderr, code } = await ended(child);
    assert.match(stderr, /Error: cannot write .*big: the disk is full\n/);
    assert.deepEqual([stdout, code], ["", 125]);
  });
}

test("Ctrl-C leaves nothing under the name, nor beside it, on either side", async () => {
  const here = fresh();
  await inside("truncate -s 4G /tmp/large; mkdir /tmp/into");
  const down = start(["cp", "box:/tmp/large", join(here, "large")]);
  const done = ended(down);
  while (!readdirSync(here).some((name) => name.startsWith(".shoreline-"))) await setImmediate();
  down.kill("SIGINT");
  assert.equal((await done).code, 130);
  assert.deepEqual(readdirSync(here), []);

  execFileSync("truncate", ["-s", "4G", join(here, "large")]);
  const up = start(["cp", join(here, "large"), "box:/tmp/into/large"]);
  const over = ended(up);
  while ((await inside("ls -A /tmp/into")) === "");
  up.kill("SIGINT");
  const { code, stdout, ...rest } = await over;
  assert.deepEqual([code, stdout, said({ code, stdout, ...rest })], [130, "", ""]);
  assert.equal(await inside("ls -A /tmp/into /tmp | grep shoreline || :; ls -A /tmp/into"), "");
});

test("a terminal shows files, bytes, rate and time left in one line, whatever NO_COLOR says", async () => {
  const here = fresh();
  execFileSync("truncate", ["-s", "400M", join(here, "big")]);
  const line = `stty cols 100; '${process.execPath}' '${PROGRAM}' cp '${join(here, "big")}' box:/tmp/big`;
  const child = spawn("script", ["-qfec", line, "/dev/null"], { env: { ...environment, NO_COLOR: "1" } });
  const { stdout, code } = await ended(child);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\rbig +\d+ % 0 files, \d+\.\d MB, \d+\.\d MB\/s, \d+:\d\d left\u001b\[K\r/);
  assert.match(stdout, /\r\u001b\[K.* -> box:\/tmp\/big \(419430400 bytes\)\r\n$/);
  assert.equal(
    stdout
      .trimEnd()
      .split("\n")
      .filter((text) => text.includes("big")).length,
    1,
  );
  // Where nobody looks there is none.
  assert.equal(said(await shoreline("cp", join(here, "big"), "box:/tmp/big")), "");
});
