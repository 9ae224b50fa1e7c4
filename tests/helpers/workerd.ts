// A Worker's modules as wrangler makes them.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** Bundles a Worker into a folder, and gives its modules as Miniflare takes them. */
export async function workerModules(
  source: string,
  modulesRoot: string,
): Promise<{ type: "CompiledWasm" | "ESModule"; path: string }[]> {
  await build({
    entryPoints: [source],
    outdir: modulesRoot,
    bundle: true,
    format: "esm",
    // The conditions, and an import of wasm as a module of its own.
    conditions: ["workerd", "worker", "browser"],
    loader: { ".wasm": "copy" },
    logLevel: "warning",
  });
  const modules = readdirSync(modulesRoot).map((name) => ({
    type: name.endsWith(".wasm") ? ("CompiledWasm" as const) : ("ESModule" as const),
    path: join(modulesRoot, name),
  }));
  // The first is the one that is run.
  return modules.sort((a, b) => (a.type < b.type ? 1 : -1));
}
