// Third-party notices: the license texts of everything that is compiled or bundled into what npm's users install.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { read, root, StepError } from "./steps.mjs";

const LICENSE_FILE = /^(licen[cs]es?|copying|copyright|notice|unlicense)\b/i;
const RULE = `\n${"-".repeat(100)}\n\n`;

/** The notices of the npm packages that these files, relative to the root, belong to. */
export function packageNotices(files) {
  const folders = files.map((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const packages = [...new Set(folders)].filter(Boolean).map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const texts = licenseTexts(join(root, folder));
    if (texts.length === 0)
      throw new StepError(`${folder} contains no license file, so it cannot be bundled`);
    return { name, version, license, texts };
  });
  return notices(packages);
}

/** The MIT license, for crates that leave the file out. */
function mit(holder) {
  return `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;
}

const textAt = (path) => (existsSync(path) ? [readFileSync(path, "utf8")] : []);

const RUST = {
  name: "The Rust standard library",
  license: "MIT OR Apache-2.0",
  texts: [mit("The Rust Project Developers (see https://thanks.rust-lang.org)")],
};
const GLIBC = {
  name: "The GNU C Library, linked statically",
  license: "LGPL-2.1-or-later",
  // The Debian package of libc.a has the notices, and Debian the text of the license.
  texts: ["/usr/share/doc/libc6-dev/copyright", "/usr/share/common-licenses/LGPL-2.1"].flatMap(textAt),
};

/** The crates that are compiled into an artifact, and what else is linked into it. */
export const ARTIFACTS = {
  core: { crate: "shoreline", target: "wasm32-unknown-unknown", also: [RUST] },
  server: { crate: "shoreline-local", also: process.platform === "linux" ? [RUST, GLIBC] : [RUST] },
};

/** `name version` of each crate of others that is compiled into an artifact, sorted. */
export async function cratesOf({ crate, target }) {
  const kind = ["-e", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
  const list = await read("cargo", [
    "tree",
    "--locked",
    "-p",
    crate,
    ...(target ? ["--target", target] : []),
    ...kind,
  ]);
  // The workspace's own crates have a path.
  const lines = list.split("\n").filter((line) => line !== "" && !line.includes(`(${root}`));
  return [...new Set(lines.map((line) => line.replace(/ \(\*\)$/, "").replace(" v", " ")))].sort();
}

/** The notices of everything that is linked into an artifact. */
export async function crateNotices(artifact) {
  const { packages } = JSON.parse(await read("cargo", ["metadata", "--locked", "--format-version", "1"]));
  const named = new Map(packages.map((one) => [`${one.name} ${one.version}`, one]));
  const crates = (await cratesOf(artifact)).map((id) => crateNotice(named.get(id), packages));
  return notices([...crates, ...artifact.also]);
}

function crateNotice(crate, packages) {
  const { name, version, license, repository, authors } = crate;
  const folder = (one) => dirname(one.manifest_path);
  let texts = licenseTexts(folder(crate));
  // Some crates leave the file out that another crate of the same repository has.
  const sibling = packages.find(
    (one) => one.source && one.repository === repository && licenseTexts(folder(one)).length,
  );
  if (texts.length === 0 && sibling) texts = licenseTexts(folder(sibling));
  if (texts.length === 0 && /\bMIT\b/.test(license))
    texts = [mit(authors.join(", ") || `The ${name} developers`)];
  if (texts.length === 0)
    throw new StepError(`the crate ${name} contains no license file, so it cannot be shipped`);
  return { name, version, license, texts };
}

/** Every license text once, below the names of all that it applies to. */
function notices(components) {
  const named = new Map();
  for (const { name, version, license, texts } of components) {
    const line = `${[name, version].filter(Boolean).join(" ")} (${license})`;
    for (const text of texts) named.set(text, [...(named.get(text) ?? []), line]);
  }
  return [...named].map(([text, lines]) => `${lines.join("\n")}\n\n${text}`).join(RULE);
}

/** Fails unless these notices name exactly the crates that are compiled into an artifact now. */
export async function checkNotices(artifact, text) {
  const wanted = await cratesOf(artifact);
  const found = new Set(Array.from(text.matchAll(/^(\S+ \d\S+) \(/gm), ([, id]) => id));
  const differing = [
    ...wanted.filter((id) => !found.has(id)),
    ...[...found].filter((id) => !wanted.includes(id)),
  ];
  if (differing.length > 0)
    throw new StepError(
      `the notices of ${artifact.crate} and Cargo.lock differ in ${differing.join(", ")}: build again`,
    );
  for (const { name } of artifact.also)
    if (!text.includes(name))
      throw new StepError(`the notices of ${artifact.crate} lack ${name}: build again`);
}

function licenseTexts(folder) {
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    (one) => one.isFile() && LICENSE_FILE.test(one.name),
  );
  return [...new Set(names.map(({ name }) => readFileSync(join(folder, name), "utf8").trim() + "\n"))].sort();
}
