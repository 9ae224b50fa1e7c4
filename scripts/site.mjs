// `npm run site`: the documentation as web pages, in target/site. `-- --serve` serves them, `-- --base /path/` makes them for
// an address with that path. The pages are README.md and everything that is reached from it by links.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { filesBelow, root, run, say, seconds, step, StepError } from "./steps.mjs";

const SOURCE = "site";
const WORK = join("target", "vitepress");
const PAGES = join(WORK, "pages");
const SETTINGS = join(WORK, ".vitepress");
export const SITE = join("target", "site");
const VITEPRESS = join(WORK, "node_modules", "vitepress", "bin", "vitepress.js");

/** Every page starts here, and the sidebar has the order of the second one. */
const HOME = "README.md";
const GUIDES = join("docs", "README.md");

/** What a link leads to that is downloaded or shown as it is. */
const ASSETS = [".png", ".yaml"];
const isAsset = (path) => ASSETS.includes(extname(path));

/** Code in a page, in which nothing is a link. */
const CODE = /(^```[^]*?^```$|``?[^`\n]*``?)/m;
const LINK = /(?<=\]\()(?![a-z]+:|#)([^)\s#]+)/g;

/** Builds the site. */
export async function buildSite({ base = "/" } = {}) {
  await install();
  rmSync(join(root, PAGES), { recursive: true, force: true });
  mkdirSync(join(root, SETTINGS), { recursive: true });
  copyFileSync(join(root, SOURCE, "config.mjs"), join(root, SETTINGS, "config.mjs"));
  stage();
  writeFileSync(join(root, SETTINGS, "sidebar.json"), JSON.stringify(sidebar()));
  await vitepress("build", base);
}

const vitepress = (command, base, ...options) =>
  run(process.execPath, [VITEPRESS, command, WORK, ...options], { env: { SITE_BASE: base } });

let installing;

/** Installs VitePress, once. */
export function install() {
  return (installing ??= installNow());
}

async function installNow() {
  const names = ["package.json", "package-lock.json"];
  const inputs = names.map((name) => join(SOURCE, name));
  const outputs = [join(WORK, "node_modules", ".package-lock.json")];
  await step("site", { inputs, outputs, title: "installing VitePress" }, () => {
    mkdirSync(join(root, WORK), { recursive: true });
    for (const name of names) copyFileSync(join(root, SOURCE, name), join(root, WORK, name));
    return run("npm", [
      "ci",
      "--prefix",
      WORK,
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
    ]);
  });
}

/** Writes HOME and every file that it leads to where VitePress reads pages. */
function stage() {
  const found = new Set([HOME]);
  // A set yields what is added to it while it is iterated.
  for (const path of found) {
    if (isAsset(path)) {
      // Vite serves what is in this folder as it is.
      const asset = join(root, PAGES, "public", path);
      mkdirSync(dirname(asset), { recursive: true });
      copyFileSync(join(root, path), asset);
      continue;
    }
    const text = extname(path) === ".md" ? read(path) : source(path);
    const staged = links(text, (target) => {
      const linked = normalize(join(dirname(path), target)).replace(/\/$/, "");
      if (!existsSync(join(root, linked)))
        throw new StepError(`${path} links to ${target}, which does not exist`);
      found.add(linked);
      return isAsset(linked) ? `/${linked}` : relative(dirname(path), pageOf(linked));
    });
    const page = join(root, PAGES, pageOf(path));
    mkdirSync(dirname(page), { recursive: true });
    writeFileSync(page, staged);
  }
}

/** The text of a page with other targets of its links to files. */
function links(text, change) {
  return text
    .split(CODE)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(LINK, (_, target) => change(target))))
    .join("");
}

/** Where the page of a file is, below the pages. */
function pageOf(path) {
  return extname(path) === ".md" ? path.replace(/(^|\/)README\.md$/, "$1index.md") : `${path}.md`;
}

/** A page that shows a file, or the files of a directory. */
function source(path) {
  const isDirectory = statSync(join(root, path)).isDirectory();
  const parts = filesBelow(path).map((file) => {
    const code = readFileSync(file, "utf8").trimEnd();
    const block = `\`\`\`\`${extname(file).slice(1)}\n${code}\n\`\`\`\`\n`;
    return isDirectory ? `## ${relative(join(root, path), file)}\n\n${block}` : block;
  });
  return `# ${path}\n\n${parts.join("\n")}`;
}

/** The guides and the reference, in the order in which `GUIDES` names them. */
function sidebar() {
  const [table, reference] = read(GUIDES).split(/^Reference: /m);
  if (reference === undefined) throw new StepError(`${GUIDES} has no line "Reference: …"`);
  const pages = pagesIn(reference, GUIDES);
  const guides = pagesIn(table, GUIDES).filter((path) => !pages.includes(path));
  return [
    { text: "Guides", items: guides.map(entry) },
    {
      text: "Reference",
      items: pages.map((path) => (path.endsWith("/README.md") ? modules(path) : entry(path))),
    },
  ];
}

/** The reference's modules, each with its sections: classes, functions and so on. */
function modules(path) {
  const items = pagesIn(read(path), path).map((module) => {
    const sections = read(module).split(/^## /m).slice(1);
    const groups = sections.map((text) => ({
      text: text.slice(0, text.indexOf("\n")),
      collapsed: true,
      items: pagesIn(text, module).map(entry),
    }));
    return { ...entry(module), collapsed: true, items: groups.filter(({ items }) => items.length > 0) };
  });
  return { ...entry(path), items };
}

const read = (path) => readFileSync(join(root, path), "utf8");

/** The pages that a text links to, each once, in its order. */
function pagesIn(text, path) {
  const targets = Array.from(text.matchAll(/\]\((?![a-z]+:|#)([^)\s#]+\.md)/g), ([, target]) => target);
  return [...new Set(targets.map((target) => normalize(join(dirname(path), target))))];
}

/** A page by its own heading. */
function entry(path) {
  const [, heading] = /^# (.*)$/m.exec(read(path)) ?? [];
  if (heading === undefined) throw new StepError(`${path} has no heading`);
  return { text: heading.replaceAll("\\", ""), link: `/${pageOf(path).replace(/(index)?\.md$/, "")}` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { serve: { type: "boolean" }, base: { type: "string" } } });
  const began = Date.now();
  try {
    await buildSite(values);
    say(`the site is in ${SITE} (${seconds(began)})`);
    if (values.serve) await vitepress("preview", values.base ?? "/", "--port", "4173");
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
