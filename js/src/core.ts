import type { OptionNames } from "./arguments.js";
import type instance from "./core/shoreline.js";
import { CoreError, toError } from "./errors.js";
import { version } from "./generated/version.js";

/** An instance of the core. */
export type Core = ReturnType<typeof instance>;

/** What an instance calls once it has failed; it gives the error for later calls. */
export type Died = (cause: unknown) => CoreError;

type Loader = (died: Died) => Promise<Core>;

const loaders: Loader[] = [];
let loading: Promise<Core> | undefined;
/** What the core says of its tables of options, each once. */
const tables: (OptionNames | undefined)[] = [];
let current: Core | undefined;
/** What rejects the calls under way. */
const underWay = new Set<(error: CoreError) => void>();

/**
 * Adds a way to load the core, which is loaded on first use. A program may import several of the package's entries: the
 * first loader that works is used. `first` puts a loader before the others.
 */
export function useLoader(loader: Loader, first = false): void {
  if (first) loaders.unshift(loader);
  else loaders.push(loader);
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
  if (loaders.length === 0)
    throw new Error('no loader is configured: import "shoreline", or call `useModule` first');
  let failure: unknown;
  for (const load of loaders) {
    try {
      const core = await load(died);
      if (core.version() !== version)
        throw new Error(`the core is ${core.version()}, the package ${version}`);
      current = core;
      return core;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** The names of the options in one of the core's tables. The core has to be loaded. */
export function optionNames(table: number): OptionNames {
  return (tables[table] ??= callSync(() => current?.optionNames(table) as OptionNames));
}

/** The id of the server's trace in an answer's headers, where the server sent one. */
export function traceIdIn(headers: Headers): string | undefined {
  return current?.traceId(headers) as string | undefined;
}

/** Makes a call into the core; its errors become classes. */
export async function call<T>(work: () => Promise<unknown>): Promise<T> {
  let leave!: (error: unknown) => void;
  try {
    return await new Promise<T>((resolve, reject) => {
      leave = reject;
      underWay.add(leave);
      (work() as Promise<T>).then(resolve, reject);
    });
  } catch (error) {
    throw thrown(error);
  } finally {
    underWay.delete(leave);
  }
}

/** As {@link call}, for a call that answers at once. */
export function callSync<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw thrown(error);
  }
}

/** What a caller is told of an error that came out of the core. */
function thrown(error: unknown): unknown {
  return error instanceof WebAssembly.RuntimeError && current ? current.trapped(error) : toError(error);
}

/** Rejects the calls under way in an instance that has failed, whose promises would never settle, and lets it go. */
function died(cause: unknown): CoreError {
  const error = new CoreError({
    code: "core_dead",
    message: "the WebAssembly core failed inside: create the sandbox or connect to it again",
    cause,
  });
  loading = undefined;
  for (const leave of underWay) leave(error);
  return error;
}

function describe(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const hint = hints.find(([told]) => told.test(text));
  return hint ? `${text.trim()} (${hint[1]})` : text;
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
