// A release. `npm version minor` writes the version everywhere, commits and tags; the workflow of the tag runs `npm run
// release`, which publishes both packages.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lintPackage, pack } from "./package.mjs";
import { setup } from "./setup.mjs";
import { read, root, run, say, StepError } from "./steps.mjs";

const manifests = () => ["package.json", ...packages().map((folder) => join(folder, "package.json"))];
const packages = () => readdirSync(join(root, "packages")).map((name) => join("packages", name));

function edit(path, change) {
  const before = readFileSync(join(root, path), "utf8");
  const after = change(before);
  if (after === before) throw new StepError(`${path} has no place to write to`);
  writeFileSync(join(root, path), after);
}

const editJson = (path, change) =>
  edit(path, (text) => {
    const value = JSON.parse(text);
    change(value);
    return `${JSON.stringify(value, undefined, 2)}\n`;
  });

/** Writes the version of package.json to every other place that has it. npm calls it before it commits and tags. */
async function version() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const depend = (manifest) => {
    for (const name of Object.keys(manifest.optionalDependencies))
      if (name.startsWith("@shoreline/")) manifest.optionalDependencies[name] = version;
  };
  for (const path of manifests())
    editJson(path, (manifest) => {
      if (path === "package.json") depend(manifest);
      else manifest.version = version;
    });
  editJson("package-lock.json", (lock) => {
    for (const [path, entry] of Object.entries(lock.packages)) {
      if (path === "") depend(entry);
      else if (!path.includes("node_modules/")) entry.version = version;
    }
  });
  edit("Cargo.toml", (text) => text.replace(/^version = ".*"$/m, `version = "${version}"`));
  edit("README.md", (text) =>
    text.replace(/(?<=shoreline-(?:local-linux-x64-)?)\d+\.\d+\.\d+\S*(?=\.tgz)/g, version),
  );
  const day = new Date().toISOString().slice(0, 10);
  edit("CHANGELOG.md", (text) =>
    text.replace("## Unreleased\n", `## Unreleased\n\n## ${version} - ${day}\n`),
  );
  await run("cargo", ["update", "--workspace", "--offline"]);
  await run("cargo", [
    "update",
    "--offline",
    "--manifest-path",
    join("fuzz", "Cargo.toml"),
    "shoreline-protocol",
  ]);
  await run("cargo", ["run", "--locked", "-q", "-p", "xtask", "--", "types"]);
  await run("git", ["add", "--update"]);
}

/** Publishes what the tag names. With `--dry-run`, everything but the upload. */
async function publish() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { GITHUB_REF_NAME: tag, GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (!server || !repository) throw new StepError("a release is published by the workflow of its tag");
  if (tag !== `v${version}`)
    throw new StepError(`the tag ${tag} is not v${version}, the version of package.json`);
  // Provenance binds the package to this address, and npm's page finds the README's links and picture by it.
  const address = `${server}/${repository}`;
  for (const path of manifests())
    editJson(path, (manifest) => {
      const directory = path === "package.json" ? {} : { directory: join(path, "..") };
      manifest.repository = { type: "git", url: `git+${address}.git`, ...directory };
      manifest.homepage = `${address}#readme`;
      manifest.bugs = `${address}/issues`;
    });
  await setup();
  await pack();
  await lintPackage();
  const tagged = version.includes("-") ? ["--tag", "next"] : [];
  const how = ["--access", "public", "--provenance", ...tagged, ...process.argv.slice(3)];
  // The server first: a client must never name one that cannot be installed.
  for (const folder of [...packages(), "."]) {
    const { name } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    if (await isPublished(name, version)) say(`${name}@${version} is published already`);
    else await run("npm", ["publish", `./${folder}`, ...how]);
  }
}

/** So that a release that broke off in the middle can be run again. */
async function isPublished(name, version) {
  try {
    return (await read("npm", ["view", `${name}@${version}`, "version"])).trim() === version;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return false;
  }
}

const commands = { version, publish };
const command = commands[process.argv[2]];
try {
  if (!command) throw new StepError(`usage: release.mjs ${Object.keys(commands).join("|")}`);
  await command();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
