// The official SDK's names beside ours: docs/official-sdk.md, made of the declarations of both.
//
// `npm test -- official` fails where a name of the pinned version has no entry. After a change of the version in
// tests/conformance/package.json: `npm run test:conformance`, then `node scripts/official.mjs`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ABSENT, MEMBERS, RENAMED, TYPES } from "./official-names.mjs";
import { root, StepError } from "./steps.mjs";

const PAGE = join("docs", "official-sdk.md");
/** What the official declarations have, so that the check needs no download. */
const NAMES = join("tests", "conformance", "names.json");
const PINNED = join("tests", "conformance", "package.json");
const OFFICIAL = join("target", "conformance", "node_modules", "tensorlake");
const OURS = join("pkg", "index.d.ts");

/** Fails where the page is not what the declarations say, or leaves a name out. */
export async function checkOfficial() {
  const names = JSON.parse(text(NAMES));
  const { tensorlake } = JSON.parse(text(PINNED)).dependencies;
  if (names.version !== tensorlake)
    throw new StepError(
      `${NAMES} is of ${names.version}, and ${tensorlake} is pinned: see scripts/official.mjs`,
    );
  // Only where the conformance tests have installed it.
  if (installed() === tensorlake && text(NAMES) !== json(await official()))
    throw new StepError(`${NAMES} is not what the package declares: node scripts/official.mjs`);
  if (text(PAGE) !== page(names, await exportsOf(OURS)))
    throw new StepError(`${PAGE} is not current: node scripts/official.mjs`);
}

function installed() {
  const path = join(root, OFFICIAL, "package.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : undefined;
}

async function official() {
  const version = installed();
  if (version === undefined) throw new StepError("it is installed by `npm run test:conformance`");
  return { version, exports: await exportsOf(join(OFFICIAL, "dist", "index.d.ts")) };
}

/** Each exported name of a declaration file, and the public members of those that have any. */
async function exportsOf(path) {
  const { default: ts } = await import("typescript");
  const file = join(root, path);
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const own = (symbol) =>
    symbol.declarations?.some((node) => !program.isSourceFileDefaultLibrary(node.getSourceFile()));
  const isHidden = (symbol) =>
    /^(_|#|prototype$|constructor$)/.test(symbol.name) ||
    symbol.getJsDocTags().some(({ name }) => name === "internal") ||
    symbol.declarations?.some(
      (node) => ts.getCombinedModifierFlags(node) & ts.ModifierFlags.NonPublicAccessibilityModifier,
    );
  const members = (type) =>
    type
      .getProperties()
      .filter((symbol) => own(symbol) && !isHidden(symbol))
      .map(({ name }) => name);
  const exported = {};
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(source))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const { flags } = target;
    const isEnum = flags & ts.SymbolFlags.Enum;
    const names = new Set();
    if (flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Variable | ts.SymbolFlags.Enum))
      for (const name of members(checker.getTypeOfSymbol(target))) names.add(name);
    const type = checker.getDeclaredTypeOfSymbol(target);
    if (!isEnum && type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))
      for (const name of members(type)) names.add(name);
    exported[symbol.name] = [...names].filter((name) => !name.startsWith("__")).sort();
  }
  return Object.fromEntries(Object.entries(exported).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The page; throws where a name has no entry, and where an entry is of no use. */
function page({ version, exports }, ours) {
  const unused = new Set([
    ...MEMBERS.keys(),
    ...RENAMED.keys(),
    ...TYPES.keys(),
    ...ABSENT.flatMap(([, names]) => names),
  ]);
  const entry = (map, name) => {
    unused.delete(name);
    return map.get(name);
  };
  const reasons = new Map(ABSENT.flatMap(([why, names]) => names.map((name) => [name, why])));
  const missing = [];
  const same = [];
  const [kinds, others] = [[], []];
  const absent = new Map(ABSENT.map(([why]) => [why, []]));
  for (const [name, members] of Object.entries(exports)) {
    const type = entry(TYPES, name) ?? name;
    const why = entry(reasons, name);
    const other = entry(RENAMED, name);
    if (why !== undefined) absent.get(why).push(name);
    else if (other !== undefined) others.push([name, other]);
    else if (!(type in ours)) missing.push(name);
    else {
      if (type === name) same.push(name);
      else others.push([name, `\`${type}\``]);
      const rows = [];
      const kept = [];
      for (const member of members) {
        const is = entry(MEMBERS, `${name}.${member}`);
        if (is !== undefined) rows.push([member, is]);
        else if (ours[type].includes(member)) kept.push(member);
        else missing.push(`${name}.${member}`);
      }
      if (members.length > 0) kinds.push([name, type, kept, rows]);
    }
  }
  if (missing.length > 0)
    throw new StepError(`no entry in scripts/official-names.mjs: ${missing.join(", ")}`);
  if (unused.size > 0)
    throw new StepError(`no such official name: ${[...unused].join(", ")} in scripts/official-names.mjs`);
  const code = (names) => names.map((name) => `\`${name}\``).join(", ");
  const table = (head, rows) => [
    `| ${head.join(" | ")} |`,
    "|---|---|",
    ...rows.map((row) => `| ${row.join(" | ")} |`),
    "",
  ];
  return [
    "# The official SDK's names",
    "",
    `Each name that the npm package \`tensorlake\` ${version} declares, and what Shoreline has for it. This page is made by`,
    "`scripts/official.mjs` from the declarations of both packages.",
    "",
    "## Exported names",
    "",
    `The same: ${code(same)}.`,
    "",
    ...table(
      ["Official", "Here"],
      others.map(([name, is]) => [`\`${name}\``, is]),
    ),
    "Not here, since Shoreline does not cover what they are about:",
    "",
    ...table(
      ["Official", "About"],
      [...absent].map(([why, names]) => [code(names), why]),
    ),
    "## Members",
    "",
    ...kinds.flatMap(([name, type, kept, rows]) => [
      `### ${name}`,
      "",
      ...(type === name ? [] : [`Here: \`${type}\`.`, ""]),
      ...(kept.length > 0 ? [`The same: ${code(kept)}.`, ""] : []),
      ...(rows.length > 0
        ? table(
            ["Official", "Here"],
            rows.map(([member, is]) => [`\`${member}\``, is]),
          )
        : []),
    ]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

const text = (path) => readFileSync(join(root, path), "utf8");
const json = (value) => `${JSON.stringify(value, undefined, 2)}\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (installed()) writeFileSync(join(root, NAMES), json(await official()));
  writeFileSync(join(root, PAGE), page(JSON.parse(text(NAMES)), await exportsOf(OURS)));
}
