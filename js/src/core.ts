import type { OptionNames } from "./arguments.js";
import type * as Glue from "./core/shoreline.js";
import { CoreError, toError } from "./errors.js";
import { version } from "./generated/version.js";

/** The core's module, once it is there. */
export type Core = typeof Glue;

let load: (() => Promise<Core>) | undefined;
let loading: Promise<Core> | undefined;
let death: CoreError | undefined;
let loaded: Core | undefined;
/** What the core says of its tables of options, each once. */
const tables: (OptionNames | undefined)[] = [];

/** Each runtime's entry says how the core is had there; nothing is loaded before it is needed. */
export function useLoader(loader: () => Promise<Core>): void {
  load = loader;
}

/** Loads the core on first use, and tries again after a failure to load. */
export function core(): Promise<Core> {
  loading ??= start().catch((cause: unknown) => {
    loading = undefined;
    throw new CoreError({
      code: "core_unavailable",
      message: `the WebAssembly core could not be loaded: ${describe(cause)}`,
      cause,
    });
  });
  return loading;
}

async function start(): Promise<Core> {
  if (typeof WebAssembly === "undefined")
    throw new Error("this runtime has no WebAssembly, or was told to do without (Node: --jitless)");
  if (!load) throw new Error('nothing says where it is: import "shoreline", or call `useModule` first');
  const core = await load();
  if (core.version() !== version) throw new Error(`the core is ${core.version()}, the package ${version}`);
  loaded = core;
  return core;
}

/** The names of the options in one of the core's tables. The core has to be loaded. */
export function optionNames(table: number): OptionNames {
  return (tables[table] ??= callSync(() => loaded?.optionNames(table) as OptionNames));
}

/** Makes a call into the core; its errors become classes, and a crash marks the core as dead. */
export async function call<T>(work: () => Promise<unknown>): Promise<T> {
  try {
    return (await alive(work)) as T;
  } catch (error) {
    throw thrown(error);
  }
}

/** As {@link call}, for a call that answers at once. */
export function callSync<T>(work: () => T): T {
  try {
    return alive(work);
  } catch (error) {
    throw thrown(error);
  }
}

function alive<T>(work: () => T): T {
  // After a crash the instance may be inconsistent: further calls could give wrong answers.
  if (death) throw death;
  return work();
}

/** What a caller is told of an error that came out of the core. */
function thrown(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) {
    death ??= new CoreError({
      code: "core_dead",
      message:
        "the WebAssembly core failed inside and cannot be used again: restart the process or reload the page",
      cause: error,
    });
    return death;
  }
  return toError(error);
}

function describe(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const hint = hints.find(([told]) => told.test(text));
  return hint ? `${text} (${hint[1]})` : text;
}

/** What can be done about a failure, by what runtimes say of it. */
const hints: readonly (readonly [RegExp, string])[] = [
  // A Content-Security-Policy without the directive refuses to compile.
  [
    /unsafe-eval|Content.Security.Policy|blocked by CSP/i,
    "allow 'wasm-unsafe-eval' in the page's Content-Security-Policy script-src",
  ],
  // Bundlers that do not know it by its URL leave it behind; some servers then answer with a page.
  [
    /ENOENT|no such file|fetch Wasm|magic|Invalid URL|cannot be parsed/i,
    'the bundler may have left out shoreline_bg.wasm: import "shoreline/inline"',
  ],
];
