// The gate for dependencies: licenses, duplicate versions and sources of crates, as deny.toml allows them, and the
// licenses of the npm packages that are installed with ours or bundled into it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { INSTALLED } from "./package.mjs";
import { read, root, StepError } from "./steps.mjs";

const MANIFESTS = ["Cargo.toml", join("fuzz", "Cargo.toml")];

export async function checkDependencies() {
  // Packages are installed by the setup, after this file was loaded.
  const { parse } = await import("smol-toml");
  const rules = parse(readFileSync(join(root, "deny.toml"), "utf8"));
  const isAllowed = await licenseCheck(rules.licenses.allow);
  const problems = [];
  const unused = new Set(rules.bans.skip.map(({ crate }) => crate));
  for (const manifest of MANIFESTS)
    problems.push(...(await crateProblems(manifest, rules.bans, unused, isAllowed)));
  for (const crate of unused) problems.push(`deny.toml skips ${crate}, which is no longer a duplicate`);
  problems.push(...npmProblems(isAllowed));
  if (problems.length > 0) throw new StepError(`dependencies:\n${problems.join("\n")}`);
}

async function crateProblems(manifest, bans, unused, isAllowed) {
  const args = [
    "metadata",
    "--locked",
    "--all-features",
    "--format-version",
    "1",
    "--manifest-path",
    manifest,
  ];
  const { packages, resolve } = JSON.parse(await read("cargo", args));
  const used = new Set(resolve.nodes.map(({ id }) => id));
  // Crates without a source are the workspaces' own.
  const crates = packages.filter(({ id, source }) => used.has(id) && source !== null);
  const skipped = bans.skip.map(({ crate }) => crate);
  const problems = [];
  const first = new Map();
  for (const { name, version, license, source } of crates) {
    const crate = `${name}@${version}`;
    if (!source.startsWith("registry+"))
      problems.push(`${crate} is from ${source}: only crates.io is allowed`);
    // Some manifests separate alternatives with a slash, which SPDX does not.
    if (!isAllowed(license?.replaceAll("/", " OR ")))
      problems.push(`${crate} has the license ${license}: if that is acceptable, add it to deny.toml`);
    if (skipped.includes(crate)) {
      if (crates.some((other) => other.name === name && other.version !== version)) unused.delete(crate);
    } else if (first.has(name)) {
      const versions = `${first.get(name)} and ${version}`;
      problems.push(
        `${name} is there as ${versions}: update what needs the older one, or skip it in deny.toml`,
      );
    } else first.set(name, version);
  }
  return problems;
}

/** The npm packages that users install with ours, and those that are bundled into it. Tools are not distributed. */
function npmProblems(isAllowed) {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const installed = Object.entries(packages)
    .filter(([path, { dev, link }]) => path.startsWith("node_modules/") && !dev && !link)
    .map(([path, { license }]) => [path.slice("node_modules/".length), license]);
  const bundled = ["cli", "console", "relay"].flatMap((part) =>
    Array.from(
      readFileSync(join(INSTALLED, "pkg", part, "LICENSES"), "utf8").matchAll(/^(\S+ \d\S*) \((.*)\)$/gm),
      ([, name, license]) => [name, license],
    ),
  );
  if (bundled.length === 0) throw new StepError("the packed notices name no bundled package");
  return [...installed, ...bundled]
    .filter(([, license]) => !isAllowed(license))
    .map(
      ([name, license]) =>
        `the npm package ${name} has the license ${license}, which deny.toml does not allow`,
    );
}

/** A function that says whether one of the alternatives of an SPDX expression is allowed. */
async function licenseCheck(allowed) {
  const { default: satisfies } = await import("spdx-satisfies");
  return (expression) => {
    try {
      return satisfies(expression, allowed);
    } catch {
      return false;
    }
  };
}
