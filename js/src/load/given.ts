import { useLoader } from "../core.js";
import * as glue from "../core/shoreline.js";

export type {} from "../platform.js";

/** A module, its bytes, or a response with them. */
export type ModuleSource = WebAssembly.Module | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Response;

/**
 * Says how the core is had. `source` gives the module of this package's `shoreline.wasm`; it is called
 * before the first call that needs it, and again if it has failed.
 */
export function useModule(source: () => ModuleSource | Promise<ModuleSource>): void {
  useLoader(async () => {
    await glue.default({ module_or_path: source() });
    return glue;
  });
}
