import { useLoader } from "../core.js";
import instance from "../core/shoreline.js";

export type {} from "../platform.js";

/** A module, its bytes, or a response with them. */
export type ModuleSource = WebAssembly.Module | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Response;

/**
 * Sets how the core is loaded, before every other way. `source` returns the module of this package's `shoreline.wasm`.
 * It is called before the first call that needs the core, and again if loading or the core itself has failed.
 */
export function useModule(source: () => ModuleSource | Promise<ModuleSource>): void {
  useLoader(async (died) => {
    const core = instance(died);
    await core.init({ module_or_path: source() });
    return core;
  }, true);
}
