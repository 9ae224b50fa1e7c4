// The contract suite in workerd: a request for each case, since what one of them opens is closed to others.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { contractIn } from "../contract.js";
import type { Answer } from "../inside/answer.js";

contractIn(async () => {
  const inside = fileURLToPath(new URL("../inside/", import.meta.url));
  const modulesRoot = join(inside, "workerd");
  await build({
    entryPoints: [join(inside, "worker.js")],
    outdir: modulesRoot,
    bundle: true,
    format: "esm",
    // As wrangler does it: the conditions, and an import of wasm as a module of its own.
    conditions: ["workerd", "worker", "browser"],
    loader: { ".wasm": "copy" },
    logLevel: "warning",
  });
  const modules = readdirSync(modulesRoot).map((name) => ({
    type: name.endsWith(".wasm") ? ("CompiledWasm" as const) : ("ESModule" as const),
    path: join(modulesRoot, name),
  }));
  // The first is the one that is run.
  modules.sort((a, b) => (a.type < b.type ? 1 : -1));
  const { version } = createRequire(import.meta.url)("workerd/package.json") as { version: string };
  const worker = new Miniflare({ modules, modulesRoot, compatibilityDate: "2026-07-21" });
  return {
    version: `workerd ${version}`,
    call: async (request) => {
      const body = JSON.stringify(request);
      const response = await worker.dispatchFetch("http://worker.invalid/", { method: "POST", body });
      if (!response.ok) return { error: await response.text() };
      return (await response.json()) as Answer;
    },
    close: () => worker.dispose(),
  };
});
