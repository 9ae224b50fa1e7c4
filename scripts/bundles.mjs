// The JavaScript of the package, bundled by esbuild from `js/src` and the core's glue.
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageNotices } from "./notices.mjs";
import { filesBelow, root } from "./steps.mjs";

/** Writes every bundle to `pkg`, beside the declarations that the compiler wrote there. */
export async function bundles() {
  await scripts();
  await program();
  await webConsole();
}

/** The entries of `shoreline/agents` for frameworks. */
export const ADAPTERS = ["ai-sdk", "openai"];

/** What every bundle has. A source map has its sources in it, so that it needs no file that is not in the package. */
const BUNDLE = { absWorkingDir: root, bundle: true, sourcemap: true, logLevel: "warning" };

/**
 * esbuild makes `var Sandbox = class _Sandbox` of a class that names itself, and `_Sandbox` is what stack traces and
 * `console.log` show. Takes the underscore away again; a space keeps the columns that the source maps point to.
 */
function nameClasses(...folders) {
  for (const path of filesBelow(...folders.map((folder) => join("pkg", folder)))) {
    if (!/\.c?js$/.test(path)) continue;
    let text = readFileSync(path, "utf8");
    for (const [, name] of text.matchAll(/\b(\w+) = class _\1\b/g))
      text = text.replace(new RegExp(`(?<![\\w$.#"'])_${name}(?![\\w$])`, "g"), `${name} `);
    writeFileSync(path, text);
  }
}

/** What entries share is in chunks: a file for each module costs Node four times as long to import. */
async function scripts() {
  const { build } = await import("esbuild");
  const entries = readdirSync(join(root, "js", "src", "entry")).filter((name) => name !== "sockets.ts");
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: [
      ...entries.map((name) => `js/src/entry/${name}`),
      "js/src/local/index.ts",
      "js/src/relay/index.ts",
      "js/src/tree/index.ts",
      "js/src/agents/index.ts",
    ],
    outbase: "js/src",
    outdir: "pkg",
    splitting: true,
    // As deep as what imports the core, which is left as it is: bundlers know its URL by the way it is written.
    chunkNames: "chunks/[hash]",
    inject: ["js/dispose.js"],
    define: { "Symbol.asyncDispose": "asyncDispose" },
    external: ["../core/*", "node:*", "ws"],
    metafile: true,
    format: "esm",
    target: "es2022",
    // Bun's bundler goes by it.
    supported: { "import-attributes": true },
    platform: "neutral",
  });
  writeFileSync(join(root, "pkg", "relay", "LICENSES"), packageNotices(Object.keys(metafile.inputs)));
  // Apart, so that what it has in common with the other entries does not become a chunk of theirs.
  await build({
    ...BUNDLE,
    entryPoints: ["js/src/opentelemetry/index.ts"],
    outfile: "pkg/opentelemetry/index.js",
    external: ["@opentelemetry/api"],
    format: "esm",
    target: "es2022",
    platform: "neutral",
  });
  // Apart too, and without the core: a provider is given the class `Sandbox`.
  await build({
    ...BUNDLE,
    entryPoints: ADAPTERS.map((name) => `js/src/agents/${name}.ts`),
    outdir: "pkg/agents",
    format: "esm",
    target: "es2022",
    platform: "neutral",
  });
  await required();
  nameClasses("entry", "chunks", "agents", "local", "opentelemetry", "relay", "tree");
}

/**
 * What Node's `require` gets, for Node that cannot require modules and for test runners that load CommonJS only. Each
 * file has everything in it, the glue included.
 */
async function required() {
  const { build } = await import("esbuild");
  await build({
    ...BUNDLE,
    entryPoints: [
      "entry/node",
      "agents/index",
      ...ADAPTERS.map((name) => `agents/${name}`),
      "local/index",
      "opentelemetry/index",
      "relay/index",
      "tree/index",
    ].map((name) => `js/src/${name}.ts`),
    outbase: "js/src",
    outdir: "pkg",
    outExtension: { ".js": ".cjs" },
    external: ["ws", "@opentelemetry/api"],
    format: "cjs",
    target: "node20",
    platform: "node",
    plugins: [{ name: "glue", setup: (build) => build.onResolve({ filter: /^\.\.\/core\// }, inPackage) }],
    // Test runners lack it unless a flag is set.
    supported: { "dynamic-import": false },
    banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "importMetaUrl" },
  });
  const declarations = filesBelow("pkg").filter(
    (path) => path.endsWith(".d.ts") && !path.includes("console"),
  );
  for (const path of declarations)
    writeFileSync(
      path.replace(/ts$/, "cts"),
      readFileSync(path, "utf8").replace(/(from "\.[^"]*)\.js"/g, '$1.cjs"'),
    );
}

/** The glue is not in `js/src`. */
const inPackage = ({ path }) => ({ path: join(root, "pkg", path.slice(3)) });

/** The command line with its libraries, which users of the rest need not have. The rest it imports as they do. */
async function program() {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: ["js/src/cli/main.ts"],
    outdir: "pkg/cli",
    // Each command loads its own code only, beside the entry: parts find other files of the package by their own address.
    splitting: true,
    chunkNames: "[name]-[hash]",
    minifySyntax: true,
    minifyWhitespace: true,
    external: ["shoreline", "shoreline/*"],
    format: "esm",
    target: "node20",
    platform: "node",
    metafile: true,
    // commander is CommonJS.
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
  });
  chmodSync(join(root, "pkg", "cli", "main.js"), 0o755);
  writeFileSync(join(root, "pkg", "cli", "LICENSES"), packageNotices(Object.keys(metafile.inputs)));
}

/** The console as a component and as a page, with its libraries. */
async function webConsole() {
  const { build } = await import("esbuild");
  const out = join(root, "pkg", "console");
  // Its parts are nobody's but its own, and so are their types.
  for (const name of readdirSync(out))
    if (name !== "index.d.ts") rmSync(join(out, name), { recursive: true });
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: ["index.ts", "page.ts", "files/editor.ts"].map((name) => `js/src/console/${name}`),
    entryNames: "[name]",
    outdir: "pkg/console",
    minify: true,
    // The page has the component as others do.
    external: ["shoreline", "shoreline/*", "./index.js", "./editor.js"],
    format: "esm",
    target: "es2022",
    platform: "browser",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".css": "text" },
    metafile: true,
  });
  for (const name of ["page.html", "page.css"])
    copyFileSync(join(root, "js", "src", "console", name), join(out, name));
  writeFileSync(join(out, "LICENSES"), packageNotices(Object.keys(metafile.inputs)));
}
