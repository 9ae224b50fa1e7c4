// Searches by the routes, and by commands of the sandbox: `rg`, GNU's tools and BusyBox's. All find the same in random
// trees, and what ripgrep finds itself.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { type GlobOptions, type GrepOptions, type Sandbox, type Search } from "shoreline";
import { Random } from "../faults/random.js";
import { test } from "../helpers/processes.js";
import { box, fresh, refused, shell } from "./boxes.js";
import { plainFetch } from "./plain.js";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

/** Trees that are searched in every kind of sandbox, each four times. */
const TREES = process.env.SHORELINE_SOAK ? 12 : 3;
const TOOLS = "sh stat find grep xargs tr head wc dirname seq sleep";

/** The sandbox reached as a server without the routes, where commands see these tools only. */
async function toolbox(link: string): Promise<Sandbox> {
  const folder = fresh().remote;
  await shell(`mkdir "$1"; for each in ${TOOLS}; do ln -s ${link} "$1/$each"; done`, folder);
  return box({
    fetch: (input, init) => {
      if (init?.method !== "POST" || !input.endsWith("/processes")) return plainFetch(input, init);
      const body = JSON.parse(init.body as string) as { env?: object };
      return plainFetch(input, {
        ...init,
        body: JSON.stringify({ ...body, env: { ...body.env, PATH: folder } }),
      });
    },
  });
}

const SANDBOXES = {
  routes: () => box(),
  ripgrep: () => box({ fetch: plainFetch }),
  "GNU's tools": () => toolbox('"$(command -v $each)"'),
  "BusyBox's tools": () => toolbox("/bin/busybox"),
};

async function all<T>(search: Search<T>): Promise<T[]> {
  const results: T[] = [];
  for await (const result of search) results.push(result);
  return results;
}

const NAMES = [
  "a",
  "b.ts",
  "c.js",
  ".d",
  "é.ts",
  "-n",
  "new\nline",
  "x y",
  "[z]",
  "target",
  "{e}",
  "~",
  "#f",
  "!g",
];
const LINES = [
  "let a = 1;",
  "Target",
  "größer",
  "  call(a, b)",
  "x".repeat(300),
  "",
  "tab\there",
  "-e",
  "[z]",
  "aa\\b",
];
const RULES = [
  ...[
    "target",
    "*.js",
    "/a",
    "a/",
    "!b.ts",
    "**/é.ts",
    "a/b.ts",
    "x\\ y",
    "\\#f",
    "\\!g",
    "# no",
    "",
    "new*",
  ],
  ...["[a-c].*", "!target/", "*/.d", "a/**", "**/a/**/c.js", "{a,-n}", "  ", "!*/", "*", "c.js  "],
];
const GLOBS = [
  ...[
    "**",
    "*",
    "**/*.ts",
    "*.{ts,js}",
    "a/**",
    "**/a/*",
    "**/[a-c]*",
    "**/.d",
    ".d/**",
    "?",
    "**/?.ts",
    "**/-*",
  ],
  ...[
    "./a",
    "**/target/**/*.ts",
    "{a,target}/{*,**/*.js}",
    "**/new\nline",
    "[!a]*",
    "**/\\[z\\]",
    "é*",
    "**/\\{e\\}",
  ],
];
const PATTERNS = [
  ...[
    "a",
    "Target",
    "ö",
    "^$",
    "^\\s+call\\(",
    "=\\s*\\d+;",
    "\\bb\\b",
    "(let|call)",
    "x{200}",
    "a|b",
    "[^a-z ]",
    "\\t",
  ],
  ...[
    "[\\w-]+\\\\",
    "-e",
    "\\[z]",
    "t.*?r",
    "(?:aa)+",
    "[]z]",
    "gr.*er$",
    "[a\\-]",
    "\\.",
    "e{1,2}",
    "[[:upper:]]",
  ],
];

/** Makes a tree below a directory, and files as its paths. */
async function tree(random: Random, root: string, depth = 2): Promise<void> {
  await fs.mkdir(root, { recursive: true });
  if (random.chance(0.15)) await fs.mkdir(join(root, ".git"), { recursive: true });
  for (const name of [".gitignore", ".ignore", ".rgignore"])
    if (random.chance(name === ".gitignore" ? 0.5 : 0.15)) {
      const rules = Array.from({ length: random.int(1, 4) }, () => random.pick(RULES));
      await fs.writeFile(join(root, name), rules.join("\n"));
    }
  for (const name of NAMES) {
    const path = join(root, name);
    // In ignore files of ripgrep 13, `**` matches no directory with a newline in its name.
    if (random.chance(0.3) && depth > 0 && !name.includes("\n")) await tree(random, path, depth - 1);
    else if (random.chance(0.1)) await fs.symlink(random.pick([".", "a", "none", "/etc"]), path);
    else if (random.chance(0.5)) {
      const lines = Array.from({ length: random.int(0, 5) }, () => random.pick(LINES));
      // A binary file has no line before its NUL: how many are found there depends on the tool.
      const binary = random.chance(0.1) ? "\0" : "";
      await fs.writeFile(path, binary + lines.join("\n") + (random.chance(0.5) ? "\n" : ""));
    }
  }
}

async function uploaded(random: Random): Promise<string> {
  const { local, remote } = fresh();
  await tree(random, local);
  await (await box()).upload(local, remote);
  await fs.rm(local, { recursive: true });
  return remote;
}

/** Fails unless both have the same values; says which only one of them has. */
function same(actual: string[], expected: string[], what: string): void {
  const only = (these: string[], those: string[]) => these.filter((it) => !those.includes(it)).slice(0, 5);
  const message = `${what}: missing ${only(expected, actual).join()}, too many ${only(actual, expected).join()}`;
  assert.ok(actual.join() === expected.join(), message);
}

const sorted = (values: unknown[]) => values.map((value) => JSON.stringify(value)).sort();

test(`names are found the same by routes and commands (SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const reached = await Promise.all(
    Object.entries(SANDBOXES).map(async ([kind, open]) => [kind, await open()] as const),
  );
  for (let i = 0; i < TREES; i++) {
    const root = await uploaded(random);
    for (let j = 0; j < 4; j++) {
      const patterns = Array.from({ length: random.int(1, 2) }, () => random.pick(GLOBS));
      const options: GlobOptions = {
        cwd: random.chance(0.8) ? root : dirname(root),
        exclude: random.chance(0.4) ? [random.pick(GLOBS)] : [],
        hidden: random.chance(0.3),
        ignoreFiles: random.chance(0.7),
      };
      if (options.cwd !== root)
        patterns.splice(0, 2, `${root.split("/").at(-1)}/**/${random.pick(["*.ts", "a"])}`);
      let expected: string[] | undefined;
      for (const [kind, { fs }] of reached) {
        const search = fs.glob(patterns, { ...options, withFileTypes: true });
        const found = sorted(
          (await all(search)).map((it) => [it.parentPath, it.name, it.isDirectory(), it.isSymbolicLink()]),
        );
        assert.deepEqual(search.summary, { truncated: false, binary: 0, skipped: 0 });
        expected ??= found;
        same(found, expected, `${kind}: ${JSON.stringify({ patterns, options })}`);
      }
    }
  }
});

test(`lines are found the same by routes and commands (SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const reached = await Promise.all(
    Object.entries(SANDBOXES).map(async ([kind, open]) => [kind, await open()] as const),
  );
  for (let i = 0; i < TREES; i++) {
    const root = await uploaded(random);
    for (let j = 0; j < 4; j++) {
      const pattern = random.pick(PATTERNS);
      const options: GrepOptions = {
        cwd: root,
        ...(random.chance(0.4) && { glob: random.pick(GLOBS) }),
        ...(random.chance(0.3) && { exclude: random.pick(GLOBS) }),
        hidden: random.chance(0.3),
        ignoreFiles: random.chance(0.7),
        ignoreCase: random.chance(0.3),
        fixedStrings: random.chance(0.3),
        maxLineBytes: random.pick([1, 7, 299, 2000]),
      };
      let expected: string[] | undefined;
      for (const [kind, { fs }] of reached) {
        const hasColumns = kind === "routes" || kind === "ripgrep";
        const search = fs.grep(pattern, options);
        const results = await all(search);
        const { truncated, skipped } = search.summary ?? {};
        assert.deepEqual([truncated, skipped], [false, 0], kind);
        if (!hasColumns) assert.ok(results.every(({ column }) => column === undefined));
        const found = sorted(results.map((it) => [it.path, it.line, it.text, it.cut]));
        expected ??= found;
        same(found, expected, `${kind}: ${JSON.stringify({ pattern, options })}`);
        const columns = (it: typeof results) =>
          sorted(it.map(({ path, line, column }) => [path, line, column]));
        if (kind === "ripgrep")
          assert.deepEqual(columns(results), columns(await all((await box()).fs.grep(pattern, options))));
      }
    }
  }
});

test(`what ripgrep finds is found (SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const { fs: inside } = await box();
  const rg = "rg --no-config --no-require-git --no-ignore-global --no-ignore-exclude";
  for (let i = 0; i < 10; i++) {
    const root = await uploaded(random);
    for (const [flag, hidden] of [
      ["", false],
      ["--hidden", true],
    ] as const) {
      const listed = await shell(`cd "$1"; ${rg} ${flag} --files -0 || :`, root);
      const entries = await all(inside.glob("**", { cwd: root, hidden, withFileTypes: true }));
      const files = entries
        .filter((it) => it.isFile())
        .map((it) => join(it.parentPath, it.name).slice(root.length + 1));
      // Where a rule of an ignore file keeps a hidden name, ripgrep lists it.
      const isSeen = (path: string) => hidden || !/(^|\/)\./.test(path);
      const paths = listed.split("\0").slice(0, -1).filter(isSeen);
      same(files.sort(), paths.sort(), `${root} ${flag}`);
      const pattern = random.pick(PATTERNS);
      const json = await shell(`cd "$1"; ${rg} ${flag} --json -e "$2" || :`, root, pattern);
      interface Message {
        type: string;
        data: { path: { text: string }; line_number: number; lines: { text: string } };
      }
      const expected = json
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Message)
        .filter(({ type, data }) => type === "match" && isSeen(data.path.text))
        .map(({ data }) => [data.path.text, data.line_number, data.lines.text.replace(/\n$/, "")]);
      const found = (await all(inside.grep(pattern, { cwd: root, hidden }))).map((it) => [
        it.path,
        it.line,
        it.text,
      ]);
      same(sorted(found), sorted(expected), pattern);
    }
  }
});

for (const [kind, open] of Object.entries(SANDBOXES)) {
  test(`a limit, odd files and errors: ${kind}`, async () => {
    const { fs } = await open();
    const { remote } = fresh();
    // Ripgrep itself would open it, and wait.
    const odd = kind === "ripgrep" ? "fifo" : "fifo .ignore";
    await shell(
      `mkdir -p "$1/d"; cd "$1"; seq 1000 > numbers; printf 'a\\0\\n7' > binary; mkfifo ${odd}; ln -s / root;
      : > "$(printf 'caf\\351')"; printf '7 \\351\\n' > latin; printf 'x%70000s7\\n' > long; ln -s numbers link`,
      remote,
    );
    const cwd = remote;
    for (const [limit, truncated] of [
      [271, false],
      [270, true],
    ] as const) {
      const search = fs.grep("7", { cwd, glob: "numbers", limit });
      assert.deepEqual([(await all(search)).length, search.summary?.truncated], [limit, truncated]);
    }
    const seven = (await all(fs.grep("7", { cwd, exclude: "numbers" }))).map(({ path, text, cut }) => [
      path,
      text.length,
      cut,
    ]);
    assert.deepEqual(seven.sort(), [
      ["latin", 3, false],
      ["long", 2000, true],
    ]);
    const search = fs.glob("*", { cwd });
    assert.deepEqual((await all(search)).sort(), [
      "binary",
      "d",
      "fifo",
      "latin",
      "link",
      "long",
      "numbers",
      "root",
    ]);
    assert.deepEqual(search.summary, { truncated: false, binary: 0, skipped: 1 });
    for (const [path, code] of [
      ["none", "ENOENT"],
      ["numbers", "ENOTDIR"],
      ["none/x", "ENOENT"],
    ] as const) {
      await refused(
        all(fs.glob("*", { cwd: `${cwd}/${path}` })),
        code,
        new RegExp(`^${code}: .*, glob '${cwd}/`),
      );
      await refused(
        all(fs.grep("x", { cwd: `${cwd}/${path}` })),
        code,
        new RegExp(`^${code}: .*, grep '${cwd}/`),
      );
    }
    if (kind === "routes" || kind === "ripgrep") {
      await refused(all(fs.grep("(", { cwd })), "invalid_request", /not a valid regular expression/);
      assert.equal((await all(fs.grep("\\p{Greek}|(?i)LATIN|\\x37 ", { cwd }))).length, 1);
    } else
      for (const pattern of [
        "\\p{Greek}",
        "(?i)a",
        "(?P<n>a)",
        "[a&&b]",
        "a**",
        "\\x41",
        "a{256}",
        "a||b",
        "(",
        "[[a]]",
        "\\Ba",
        "a{,2}",
      ])
        await refused(all(fs.grep(pattern, { cwd })), "unsupported", /install ripgrep/);
  });

  test(`a loop that is left ends the commands of its search: ${kind}`, async () => {
    const sandbox = await open();
    const { remote } = fresh();
    await shell('mkdir "$1"; cd "$1"; for i in $(seq 30); do seq 100000 > $i; done', remote);
    for await (const { text } of sandbox.fs.grep("1", { cwd: remote })) {
      assert.match(text, /1/);
      break;
    }
    const running = async () => (await sandbox.listProcesses()).filter(({ status }) => status === "running");
    while ((await running()).length > 0);
  });
}
