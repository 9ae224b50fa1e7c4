import type * as Glue from "./core/shoreline.js";
import { call, callSync, core } from "./core.js";
import { UsageError } from "./errors.js";
import type {
  CreateOptions as CoreCreateOptions,
  FollowOptions as CoreFollowOptions,
  ListOptions as CoreListOptions,
  RunOptions as CoreRunOptions,
  StartOptions as CoreStartOptions,
  DaemonInfo,
  HealthResponse,
  OutputResponse,
  ProcessInfo,
  SandboxInfo,
  SendSignalResponse,
} from "./generated/types.js";
import { type CallOptions, type ClientOptions, client } from "./options.js";
import { type BatchSource, EventIterator, type RawBatch } from "./output.js";
import { type ReconnectInfo, type RunHandlers, RunningCommand } from "./run.js";

/** A new sandbox and how to reach the API. */
export type CreateOptions = CoreCreateOptions & ClientOptions & CallOptions;
/** Which sandboxes to list, and how to reach the API. */
export type ListOptions = CoreListOptions & ClientOptions & CallOptions;
/** A sandbox to attach to. With `proxyUrl`, no lifecycle call is made. */
export type ConnectOptions = ClientOptions & CallOptions & { sandboxId: string };
/** A process to start. */
export type StartProcessOptions = CoreStartOptions & CallOptions;
/** A command to run to its end. */
export type RunOptions = CoreRunOptions & RunHandlers;
/** How output is followed. */
export type FollowOptions = CoreFollowOptions &
  CallOptions & {
    /** Called before a broken connection is taken up again. */
    onReconnect?: ((info: ReconnectInfo) => void) | undefined;
  };
/** A pid, or the name of a managed process. */
export type ProcessAddress = number | string;

const BOTH = 0;
const STDOUT = 1;
const STDERR = 2;

/** A sandbox: processes and their output. Method and field names are those of the official SDK. */
export class Sandbox implements AsyncDisposable {
  readonly #core: Glue.Sandbox;
  #owned: boolean;

  private constructor(handle: Glue.Sandbox, owned: boolean) {
    this.#core = handle;
    this.#owned = owned;
  }

  /** Makes a sandbox and waits until it runs. `await using` terminates it at the end. */
  static async create(options: CreateOptions = {}): Promise<Sandbox> {
    const from = client(await core(), options);
    return new Sandbox(await call(from.create(options, options.signal)), true);
  }

  /**
   * Attaches to a sandbox by id or name. One that is attached to is not terminated by `await using`.
   */
  static async connect(sandbox: string | ConnectOptions, options: ClientOptions & CallOptions = {}): Promise<Sandbox> {
    const given = typeof sandbox === "string" ? { ...options, sandboxId: sandbox } : sandbox;
    if (typeof given?.sandboxId !== "string") {
      throw new UsageError({ code: "invalid_argument", message: "`connect` needs an id, a name, or options with `sandboxId`" });
    }
    const from = client(await core(), given);
    const direct = given.proxyUrl !== undefined;
    return new Sandbox(await call(from.connect(given.sandboxId, direct, given.signal)), false);
  }

  /** Every sandbox, from all pages of the list. */
  static async list(options: ListOptions = {}): Promise<SandboxInfo[]> {
    return call(client(await core(), options).list(options, options.signal));
  }

  /** Terminates a sandbox by id or name. */
  static async terminate(sandbox: string, options: ClientOptions & CallOptions = {}): Promise<void> {
    return call(client(await core(), options).terminate(sandbox, options.signal));
  }

  /** The id, or what the sandbox was reached by. */
  get sandboxId(): string {
    return this.#core.id;
  }

  /** The name; ephemeral sandboxes have none. */
  get name(): string | undefined {
    return this.#core.name;
  }

  /** What the server says of the sandbox now. */
  info(options?: CallOptions): Promise<SandboxInfo> {
    return call(this.#core.info(options?.signal));
  }

  /** Ends the sandbox and everything in it. One that has ended already is no error. */
  async terminate(options?: CallOptions): Promise<void> {
    await call(this.#core.terminate(options?.signal));
    this.#owned = false;
  }

  /** Terminates the sandbox if this handle created it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned) await this.terminate();
  }

  /**
   * Runs a command to its end. Awaited, it is the result; iterated, it is the output as it arrives.
   * The command is sent once, ever; if the connection breaks, its output goes on by pid.
   */
  run(command: string, options: RunOptions = {}): RunningCommand {
    const stream = core().then(() =>
      callSync(() => this.#core.run(command, options, options.onReconnect as never, options.signal)),
    );
    return new RunningCommand(command, options, stream);
  }

  /** Starts a process and does not wait for it. */
  startProcess(command: string, options?: StartProcessOptions): Promise<ProcessInfo> {
    return call(this.#core.start(command, options, options?.signal));
  }

  /** Every process that the sandbox knows, running or not. */
  listProcesses(options?: CallOptions): Promise<ProcessInfo[]> {
    return call(this.#core.processes(options?.signal));
  }

  /** One process as it is now. */
  getProcess(process: ProcessAddress, options?: CallOptions): Promise<ProcessInfo> {
    return call(this.#core.process(process, options?.signal));
  }

  /** Kills a process (SIGKILL), or stops a managed one. */
  killProcess(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return call(this.#core.kill(process, options?.signal));
  }

  /** Starts a managed process again. */
  restartProcess(process: ProcessAddress, options?: CallOptions): Promise<ProcessInfo> {
    return call(this.#core.restart(process, options?.signal));
  }

  /** Sends a signal by number, for example 15 for SIGTERM. */
  sendSignal(process: ProcessAddress, signal: number, options?: CallOptions): Promise<SendSignalResponse> {
    return call(this.#core.sendSignal(process, signal, options?.signal));
  }

  /** Writes to the standard input of a process that was started with `stdinMode: "pipe"`. */
  writeStdin(process: ProcessAddress, data: Uint8Array | string, options?: CallOptions): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return call(this.#core.writeStdin(process, bytes, options?.signal));
  }

  /** Closes the standard input of a process. */
  closeStdin(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return call(this.#core.closeStdin(process, options?.signal));
  }

  /** What a process has written to standard output so far. */
  getStdout(process: ProcessAddress, options?: CallOptions): Promise<OutputResponse> {
    return call(this.#core.output(STDOUT, process, options?.signal));
  }

  /** What a process has written to standard error so far. */
  getStderr(process: ProcessAddress, options?: CallOptions): Promise<OutputResponse> {
    return call(this.#core.output(STDERR, process, options?.signal));
  }

  /** What a process has written so far. */
  getOutput(process: ProcessAddress, options?: CallOptions): Promise<OutputResponse> {
    return call(this.#core.output(BOTH, process, options?.signal));
  }

  /**
   * Follows both streams from the start to the server's end of output. Every line comes once, in
   * order, through broken connections, or the iteration throws.
   */
  followOutput(process: ProcessAddress, options?: FollowOptions): EventIterator {
    return this.#follow(BOTH, process, options);
  }

  /** Follows standard output. */
  followStdout(process: ProcessAddress, options?: FollowOptions): EventIterator {
    return this.#follow(STDOUT, process, options);
  }

  /** Follows standard error. */
  followStderr(process: ProcessAddress, options?: FollowOptions): EventIterator {
    return this.#follow(STDERR, process, options);
  }

  /** Whether the sandbox works. */
  health(options?: CallOptions): Promise<HealthResponse> {
    return call(this.#core.health(options?.signal));
  }

  /** Version, uptime and process counts of what serves the sandbox from inside. */
  daemonInfo(options?: CallOptions): Promise<DaemonInfo> {
    return call(this.#core.daemonInfo(options?.signal));
  }

  #follow(which: number, process: ProcessAddress, options: FollowOptions = {}): EventIterator {
    return new EventIterator(async () => {
      const stream = callSync(() =>
        this.#core.follow(which, process, options, options.onReconnect as never, options.signal),
      );
      const source: BatchSource = {
        next: () => stream.next() as Promise<RawBatch | undefined>,
        close: () => stream.close(),
      };
      return source;
    });
  }
}
