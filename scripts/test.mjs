// `npm test` runs every step, `npm test -- NAME…` some. A step is a gate, or a set of tests that are counted
// one by one. With CI set, a step that cannot run has failed. `npm test -- --help` lists the options and the steps.
import { join } from "node:path";
import { checkTypes, installFrameworks, linkFrameworks, NODE as ADAPTERS_NODE } from "./adapters.mjs";
import { confirm, filters, testArguments } from "./arguments.mjs";
import { conformance } from "./conformance.mjs";
import { checkDependencies } from "./dependencies.mjs";
import {
  bubblewrap,
  busybox,
  chromium,
  curl,
  decline,
  firefox,
  plan,
  python,
  ripgrep,
  shells,
  webkit,
  webkitWindow,
} from "./debian.mjs";
import { compileTests, lintPackage, pack, unpackTo } from "./package.mjs";
import { checkOfficial } from "./official.mjs";
import { checkReference } from "./reference.mjs";
import { forget, note, table } from "./runtime-table.mjs";
import { install, NODE, runtimes } from "./runtimes.mjs";
import { setup, trappingCore, WASM, wasmCompiler } from "./setup.mjs";
import { buildSite, install as vitepress } from "./site.mjs";
import { size, startUp } from "./size.mjs";
import { checkWords } from "./words.mjs";
import { checkWorkflows } from "./workflows.mjs";
import { bin, run, say, seconds, sideBySide, StepError, together, watch } from "./steps.mjs";

/** What a step gives that could not run; `why` says what is missing. */
class Skip {
  constructor(why) {
    this.why = why;
  }
}

const node = (...args) => run(process.execPath, args);
const tsc = (project) => node(bin("typescript", "bin", "tsc"), "-p", project);
const cargo = (...args) => run("cargo", args);
/** The types of a platform that a compiler is given, beside the plain DOM. */
const SETTINGS = ["bare", "both", "node", "workers"];
const DENY = ["--", "-D", "warnings"];
/** A workspace of its own. */
const FUZZ = join("fuzz", "Cargo.toml");

/** Name and work. A step may give `{ passed, failed }` of its tests, or a `Skip`. */
const steps = {
  format: async () => {
    await cargo("fmt", "--all", "--check");
    await cargo("fmt", "--manifest-path", FUZZ, "--check");
    await node(bin("prettier", "bin", "prettier.cjs"), "--check", "--log-level=warn", ".");
  },
  lint: async () => {
    await checkWorkflows();
    await checkWords();
    await node(bin("eslint", "bin", "eslint.js"), ".", "--max-warnings=0");
  },
  clippy: () =>
    cargo("clippy", "--locked", "--workspace", "--exclude", "shoreline", "--all-targets", ...DENY),
  "clippy-core": async () => {
    const compiler = await wasmCompiler();
    if (compiler) say(`${compiler} has no clippy: the core is linted as code for this machine, not for wasm`);
    const target = compiler ? [] : ["--target", WASM];
    await cargo("clippy", "--locked", "-p", "shoreline", "--lib", ...target, ...DENY);
  },
  types: () => cargo("run", "--locked", "-q", "-p", "xtask", "--", "types", "--check"),
  unit: () => counted("cargo", ["test", "--locked", "--no-fail-fast", ...filters.cargo(filter)], CARGO_TESTS),
  fuzz: async () => {
    const manifest = ["--locked", "--manifest-path", FUZZ];
    // As cargo-fuzz does, but nothing is linked, for which libFuzzer would have to be compiled (C++).
    const env = { RUSTFLAGS: "--cfg fuzzing", CUSTOM_LIBFUZZER_PATH: "none/libfuzzer.a" };
    await run("cargo", ["clippy", ...manifest, ...DENY], { env });
    return counted("cargo", ["test", "--no-fail-fast", ...manifest, ...filters.cargo(filter)], CARGO_TESTS);
  },
  escape: async () => {
    const args = ["test", "--locked", "-p", "shoreline-local", "--test", "escape", "--", "--nocapture"];
    const { ok, output } = await watch("cargo", args);
    const attempts = [
      ...output.matchAll(/^escape: .*: (\d+) held, \d+ not held as documented, (\d+) wrong$/gm),
    ];
    const sum = (group) => attempts.reduce((total, found) => total + Number(found[group]), 0);
    // A level that does not work here has no line.
    if (ok && attempts.length === 0) return new Skip("neither bubblewrap nor Landlock works here");
    return { passed: sum(1), failed: Math.max(sum(2), ok ? 0 : 1) };
  },
  rustdoc: () =>
    run("cargo", ["doc", "--locked", "--workspace", "--no-deps"], { env: { RUSTDOCFLAGS: "-D warnings" } }),
  package: lintPackage,
  dependencies: checkDependencies,
  size,
  "start-up": startUp,
  "typed-tests": async () => {
    for (const project of [
      "tests/contract",
      "tests",
      "tests/types",
      ...SETTINGS.map((name) => `tests/types/${name}`),
    ])
      await tsc(project);
  },
  reference: checkReference,
  official: checkOfficial,
  shim: () => tests("shim/"),
  conformance: async () => {
    const { node, python, env } = await conformance();
    const inNode = await counted(node[0], [...filters.node(filter), ...node[1]], NODE_TESTS, env);
    const inPython = await counted(python[0], [...python[1], ...filters.pytest(filter)], PYTHON_TESTS, env);
    return { passed: inNode.passed + inPython.passed, failed: inNode.failed + inPython.failed };
  },
  faults: () => tests("faults/"),
  console: () => tests("console/chromium"),
  "console-firefox": () => tests("console/firefox", { command: NODE }),
  "console-webkit": () => tests("console/webkit", { command: NODE }),
  cli: () => tests("cli/"),
  readme: () => tests("readme/"),
  site: async () => {
    await buildSite();
    return tests("site/");
  },
  local: () => tests("local/"),
  trees: () => tests("trees/"),
  agents: () => tests("agents/"),
  adapters: async () => {
    await checkTypes();
    await compileTests("adapters/");
    linkFrameworks();
    return tests("adapters/", { command: ADAPTERS_NODE });
  },
  relay: () => tests("relay/"),
  opentelemetry: () => tests("opentelemetry/"),
  examples: () => tests("examples/here/"),
  "examples-runtimes": () => tests("examples/runtimes/", { command: NODE }),
  ...Object.fromEntries(Object.keys(runtimes).map((name) => [name, () => inRuntime(name)])),
  bundlers: () => tests("bundlers/"),
  relaying: () => tests("relaying/", { command: NODE }),
  commands: () => tests("commands/"),
  traps: async () => {
    await trappingCore(unpackTo("trapped"));
    return tests("traps/");
  },
  "runtime-table": () => {
    const missing = table();
    return missing && new Skip(missing);
  },
};

/** Steps that have no tests with names. */
const GATES = [
  ...[
    "format",
    "lint",
    "clippy",
    "clippy-core",
    "types",
    "rustdoc",
    "package",
    "dependencies",
    "size",
    "start-up",
  ],
  ...["typed-tests", "reference", "official", "escape", "runtime-table"],
];

const options = testArguments(Object.keys(steps), [...Object.keys(runtimes), "runtime-table"], GATES);
const { named, name: filter } = options;

/** What steps cannot do without, each of which gives what is missing. */
const needs = {
  cli: [isolation, shells],
  conformance: [isolation, clients],
  console: [chromium],
  "console-firefox": [firefox, install],
  "console-webkit": [webkitWindow, install],
  examples: [chromium],
  "examples-runtimes": [chromium, install],
  ...Object.fromEntries(
    Object.entries(runtimes).map(([name, { here, needs }]) => [
      name,
      [needs, !here && install].filter(Boolean),
    ]),
  ),
  bundlers: [chromium, install],
  relaying: [chromium, install],
  site: [chromium, vitepress],
  escape: [isolation],
  local: [isolation],
  trees: [isolation, busybox, ripgrep],
  agents: [isolation],
  adapters: [installFrameworks],
  unit: [isolation],
};

/** What measures time runs while nothing else does. */
const ALONE = ["size", "start-up"];
/** Of what compiles Rust, one at a time can work: cargo locks the directory. */
const COMPILERS = ["clippy", "clippy-core", "types", "unit", "fuzz", "escape", "rustdoc", "traps"];
/** Steps that report the results of others. */
const LAST = ["runtime-table"];
const only = (names, kind) => names.filter((name) => kind.includes(name));

/** Of needs that do more than install packages, those that install them. */
const installs = new Map([
  [isolation, [bubblewrap]],
  [clients, [curl, python]],
]);

/** What is missing for a step. */
async function missing(name) {
  for (const need of needs[name] ?? []) {
    const why = await need();
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Clients that are not ours. */
async function clients() {
  return (await conformance()).missing;
}

/** What isolates sandboxes, which only CI cannot do without. */
async function isolation() {
  const why = await bubblewrap();
  if (why === undefined || process.env.CI) return why;
  say(`isolated sandboxes are not tested: ${why}`);
  return undefined;
}

/** What downloads much that is not ours: without CI it is asked for. */
const asked = [
  "conformance",
  "console-firefox",
  "console-webkit",
  "examples-runtimes",
  "relaying",
  "runtime-table",
  ...Object.keys(runtimes).filter((name) => !runtimes[name].here),
];
/** What runs without a name. */
const always = Object.keys(steps).filter((name) => process.env.CI || !asked.includes(name));

const CARGO_TESTS = /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm;
const NODE_TESTS = /^ℹ pass (\d+)\nℹ fail (\d+)\nℹ cancelled (\d+)\nℹ skipped (\d+)\nℹ todo (\d+)/gm;
const PYTHON_TESTS = /^counted: (\d+) passed, (\d+) failed, (\d+) error, (\d+) skipped/gm;

/** The contract suite in a runtime, and what only that runtime shows. */
async function inRuntime(name) {
  const { part, command, env } = runtimes[name];
  const { output, ...counts } = await tests(part, { command, env });
  if (counts.failed === 0 && filter === undefined) note(name, output);
  return counts;
}

/** Runs the test files below `part`. */
async function tests(part, { command = process.execPath, env } = {}) {
  const files = await compileTests(part);
  // Without files, node would look for some itself.
  if (files.length === 0) throw new StepError(`there are no tests below tests/${part}`);
  const args = ["--test", "--test-reporter=spec", ...filters.node(filter), ...files];
  return counted(command, args, NODE_TESTS, env);
}

/** Runs a command that counts its tests: passed, failed, and kinds of not run, which is no better. */
async function counted(command, args, summary, env) {
  const { ok, output } = await watch(command, args, { env });
  let [passed, failed] = [0, 0];
  for (const [, good, failures, ...notRun] of output.matchAll(summary)) {
    passed += Number(good);
    failed += Number(failures);
    // Node counts tests that a filter leaves out as skipped.
    if (filter === undefined) failed += notRun.reduce((sum, count) => sum + Number(count), 0);
  }
  // A run that broke off, or ran nothing, has failed whatever it counted.
  if (!ok || (passed === 0 && filter === undefined)) failed = Math.max(failed, 1);
  return { passed, failed, output };
}

const start = Date.now();
const total = { passed: 0, failed: 0 };
const lines = [];
/** Name and milliseconds of each step. */
const times = [];
/** The last output of each step that failed, which the output of later steps has pushed out of sight. */
const ends = [];
/** How much of it: enough for a test runner's summary of a failure. */
const END_LINES = 50;
/** A failed binary's tests in the output of cargo, after which others run. */
const FAILED_TESTS = /^failures:\n\n---- [^]*?^test result: FAILED.*$/gm;

async function perform(name, work) {
  say(`--- ${name}`);
  const began = Date.now();
  let { passed, failed, note } = { passed: 0, failed: 0, note: "" };
  try {
    const result = await work();
    if (result instanceof Skip) {
      note = `: ${result.why}`;
      if (process.env.CI) failed = 1;
    } else {
      ({ passed, failed } = typeof result === "object" ? result : { passed: 1, failed: 0 });
    }
  } catch (error) {
    failed = 1;
    note = `: ${error instanceof StepError ? error.message : error.stack}`;
  }
  const verdict = failed > 0 ? "FAILED" : passed > 0 ? "ok" : "SKIPPED";
  lines.push(`${name}: ${verdict} (${passed} passed, ${failed} failed, ${seconds(began)})${note}`);
  times.push([name, Date.now() - began]);
  say(lines.at(-1));
  total.passed += passed;
  total.failed += failed;
  return failed === 0;
}

const all = (options.runtimes ? options.known : always).filter(
  (name) => filter === undefined || !GATES.includes(name),
);
const wanted = named.length > 0 ? named : all;

/** Does a step. What it needs is installed by now, unless that failed. */
const step = (name) =>
  perform(name, async () => {
    if (name in runtimes && filter === undefined) forget(name);
    const why = await missing(name);
    return why === undefined ? steps[name]() : new Skip(why);
  });

/** Does the steps of these lists, one after the other. Lists are shared: a step that one lane has taken is gone. */
async function lane(...lists) {
  for (const list of lists)
    for (let name = list.shift(); name; name = list.shift()) {
      const taken = name;
      let passed = false;
      const output = await together(taken, async () => {
        passed = await step(taken);
      });
      if (!passed)
        ends.push(
          ...(output.match(FAILED_TESTS) ?? []),
          output.trimEnd().split("\n").slice(-END_LINES).join("\n"),
        );
    }
}

/** Says what is going to be installed by the system's package manager, and asks on a terminal. */
async function announce() {
  const here = new Set([bubblewrap, busybox, chromium, curl, firefox, python, shells, webkit, webkitWindow]);
  const needed = wanted.flatMap((name) => needs[name] ?? []).flatMap((need) => installs.get(need) ?? [need]);
  const names = await plan(needed.filter((need) => here.has(need)));
  if (names.length === 0) return;
  say(`these Debian packages are missing: ${names.join(", ")}`);
  const asks = process.stdin.isTTY && process.stderr.isTTY && !process.env.CI;
  if (asks && !(await confirm("Install them with apt-get?"))) decline();
}

await announce();
const built = await perform("setup", () =>
  sideBySide(
    async () => {
      await setup();
      await pack();
    },
    // Downloads, beside the compilers. The step that needs a missing one reports it.
    async () => {
      for (const need of wanted.flatMap((name) => needs[name] ?? [])) await need().catch(() => undefined);
    },
  ),
);
if (built) {
  const [alone, compilers] = [only(wanted, ALONE), only(wanted, COMPILERS)];
  const others = wanted.filter((name) => ![...ALONE, ...COMPILERS, ...LAST].includes(name));
  for (const name of alone) await step(name);
  if (compilers.length + others.length === 1) await step(compilers[0] ?? others[0]);
  // Most steps wait for servers and browsers most of the time: more of them than processors are under way.
  else
    await sideBySide(
      () => lane(compilers, others),
      () => lane(others),
      () => lane(others),
    );
  for (const name of only(wanted, LAST)) await step(name);
}
if (ends.length > 0) console.log(`\nThe end of each failed step:\n\n${ends.join("\n\n")}`);
if (filter !== undefined && built && total.passed + total.failed === 1) {
  total.failed++;
  lines.push(`no test of these steps has a name that matches ${filter}`);
}
const slowest = times.sort(([, one], [, other]) => other - one).slice(0, 5);
lines.push(
  "",
  `${seconds(start)}; longest: ${slowest.map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`).join(", ")}`,
);
console.log(`\n${lines.join("\n")}\n\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
