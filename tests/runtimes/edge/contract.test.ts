// The contract suite in Vercel's edge runtime, bundled the way Next does it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { EdgeVM } from "@edge-runtime/vm";
import { build, type Plugin } from "esbuild";
import { contractIn } from "../contract.js";
import type { Answer } from "../inside/answer.js";

/** The module is compiled outside, and is a variable of the program's world. */
const wasm: Plugin = {
  name: "wasm",
  setup: (bundle) => {
    bundle.onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "wasm" }));
    bundle.onLoad({ filter: /./, namespace: "wasm" }, () => ({ contents: "export default wasm_shoreline" }));
  },
};

contractIn(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../inside/function.js", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    conditions: ["edge-light", "worker", "browser"],
    plugins: [wasm],
    logLevel: "warning",
  });
  const file = fileURLToPath(import.meta.resolve("shoreline/shoreline.wasm"));
  const wasm_shoreline = await WebAssembly.compile(readFileSync(file));
  const vm = new EdgeVM({ extend: (context) => Object.assign(context, { wasm_shoreline }) });
  vm.evaluate(outputFiles[0]?.text ?? "");
  const answer = vm.evaluate("answer") as (request: string) => Promise<string>;
  const { version } = createRequire(import.meta.url)("@edge-runtime/vm/package.json") as { version: string };
  return {
    version: `@edge-runtime/vm ${version}`,
    call: async (request) => JSON.parse(await answer(JSON.stringify(request))) as Answer,
    close: async () => {},
  };
});
