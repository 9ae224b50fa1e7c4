// `sandbox.fs.watch`: the changes of a watch are followed like the output of a process, and so through broken connections.
import type * as Glue from "../core/shoreline.js";
import type { FileChange, FileWatcher, WatchOptions } from "../file-watch.js";
import type { FollowIterator } from "../output.js";
import type { Sandbox } from "../sandbox.js";
import { explained, Failure, isFileSystemCode } from "./error.js";
import { isLacking } from "./routes.js";
import { shim } from "./shim.js";

/** The core's number for the changes of a watch. */
const CHANGES = 4;
/** Codes of a follow that say that changes are no longer kept, or that the server knows the watch no more. */
const GONE = ["output_gap", "process_gone", "not_found"];

/** A line of the server's. */
type Line =
  | { type: "created" | "changed" | "removed"; path: string; directory: boolean }
  | { type: "overflow"; path: string }
  | { type: "ended"; code: string; message: string };

export class Watcher implements FileWatcher {
  readonly #core: Glue.Sandbox;
  readonly #sandbox: Sandbox;
  readonly #path: string;
  readonly #recursive: boolean;
  readonly #signal: AbortSignal | undefined;
  #id = "";
  #changes: FollowIterator | undefined;
  #done = false;
  /** The last call of `next`: calls are served in order. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(core: Glue.Sandbox, sandbox: Sandbox, path: string, options: WatchOptions) {
    this.#core = core;
    this.#sandbox = sandbox;
    this.#path = path;
    this.#recursive = options.recursive ?? false;
    this.#signal = options.signal;
  }

  static async start(
    core: Glue.Sandbox,
    sandbox: Sandbox,
    path: string,
    options: WatchOptions,
  ): Promise<Watcher> {
    const watcher = new Watcher(core, sandbox, path, options);
    await watcher.#start();
    return watcher;
  }

  next(): Promise<IteratorResult<FileChange, undefined>> {
    const turn = this.#last.then(async () => {
      if (this.#done) return DONE;
      try {
        return (await this.#take()) ?? DONE;
      } catch (error) {
        this.#end();
        throw this.#explained(error);
      }
    });
    this.#last = turn.catch(noop);
    return turn;
  }

  async return(): Promise<IteratorResult<FileChange, undefined>> {
    this.#end();
    await this.#changes?.return();
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #start(): Promise<void> {
    const watch = { path: this.#path, recursive: this.#recursive };
    try {
      const started = await shim.call<{ watchId: string }>(() =>
        this.#core.operate(watch, true, this.#signal),
      );
      this.#id = started.watchId;
    } catch (error) {
      if (!isLacking(error)) throw this.#explained(error);
      const message = "this server does not report changes of files: compare what `readdir` and `stat` give";
      throw new shim.UsageError({ code: "missing_capability", message, cause: error });
    }
    const options = this.#signal && { signal: this.#signal };
    this.#changes = new shim.FollowIterator(() => this.#sandbox.open(CHANGES, this.#id, options), undefined);
  }

  /** The next change; undefined once the watcher was ended. */
  async #take(): Promise<IteratorResult<FileChange, undefined> | undefined> {
    let next;
    try {
      next = await this.#changes?.next();
    } catch (error) {
      if (this.#done || !shim.ShorelineError.is(error) || !GONE.includes(error.code)) throw error;
      await this.#start();
      return { done: false, value: { type: "overflow", path: "", isDirectory: true } };
    }
    if (this.#done) return undefined;
    const line = next?.done === false ? parsed(next.value.line) : undefined;
    switch (line?.type) {
      case "created":
      case "changed":
      case "removed":
        return { done: false, value: { type: line.type, path: line.path, isDirectory: line.directory } };
      case "overflow":
        return { done: false, value: { type: "overflow", path: line.path, isDirectory: true } };
      case "ended":
        if (isFileSystemCode(line.code)) throw new Failure(line.code);
        throw new shim.ApiError({ code: "unavailable", message: line.message, serverCode: line.code });
      default:
        throw new shim.ProtocolError({
          code: "invalid_response",
          message: "the server sent something else than a change of a file",
        });
    }
  }

  #explained(error: unknown): unknown {
    const explanation = explained(error, "watch", this.#path);
    if (shim.FileSystemError.is(explanation) && explanation.code === "ENOSPC")
      explanation.message = `ENOSPC: more directories than can be watched, watch '${this.#path}'`;
    return explanation;
  }

  /** Ends the watch on the server, which ends it by itself if this request does not arrive. */
  #end(): void {
    if (this.#done) return;
    this.#done = true;
    shim.call(() => this.#core.operate(this.#id, true, undefined)).catch(noop);
  }
}

const DONE = { done: true, value: undefined } as const;

function parsed(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Record<string, unknown>;
    const names = line.type === "ended" ? ["code", "message"] : ["path"];
    return names.every((name) => typeof line[name] === "string") ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}

function noop(): void {}
