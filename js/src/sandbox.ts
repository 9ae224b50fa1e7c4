import { bytesOf, type Data, invalid, optionsOf } from "./arguments.js";
import { client, GET, idOrName, OPTIONS, single, TERMINATE, UPDATE } from "./client.js";
import { call, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type {
  DaemonInfo,
  HealthResponse,
  ListDirectoryResponse,
  OutputResponse,
  ProcessInfo,
  PtyInfo,
  SandboxInfo,
  SendSignalResponse,
  SignalName,
} from "./generated/types.js";
import { machine } from "./host.js";
import type { BindOutcome, GetOrCreateOptions } from "./lifecycle.js";
import type {
  CallOptions,
  ClientOptions,
  ConnectOptions,
  CreateOptions,
  FollowOptions,
  ListOptions,
  ProcessAddress,
  StartProcessOptions,
  SuspendResumeOptions,
  Traced,
  UpdateOptions,
} from "./options.js";
import { Commands } from "./commands.js";
import { type FileContent, read, readStream, type TransferOptions, write } from "./files.js";
import { FollowIterator } from "./output.js";
import type { SandboxStatus } from "./names.js";
import { BOTH, Process, type ProcessCalls, type ProcessJSON, STDERR, STDOUT } from "./process.js";
import { connectPty, createPty } from "./open-pty.js";
import type { Pty } from "./pty.js";
import type { CreatePtyOptions, PtyConnectionOptions } from "./pty-options.js";
import { getOrCreate } from "./lifecycle.js";

/** A sandbox: processes and their output. Method and field names are those of the official SDK. */
export class Sandbox extends Commands implements AsyncDisposable {
  /** The id, or what the sandbox was reached by. */
  readonly sandboxId: string;
  /** The name; ephemeral sandboxes have none. */
  readonly name: string | undefined;
  /** What `getOrCreate` did; absent where another call made the handle. */
  declare readonly bindOutcome?: BindOutcome;
  readonly #core: Glue.Sandbox;
  #owned: boolean;

  private constructor(handle: Glue.Sandbox, owned: boolean, options: ClientOptions) {
    super(handle, options);
    this.sandboxId = handle.id;
    this.name = handle.name;
    this.#core = handle;
    this.#owned = owned;
  }

  /**
   * Makes a sandbox and waits until it runs. `await using` terminates it at the end. With `snapshotId` it is made of a
   * snapshot.
   *
   * Without a key and an address, Node, Bun and Deno use local sandboxes, where these are isolated: a server is started
   * that this user's programs share, which is said once on standard error. It stops when it is idle. With
   * `NODE_ENV=production` or `SHORELINE_LOCAL=off` the call rejects with `missing_api_key` instead.
   *
   * @throws {@link ShorelineError} `start_timeout` where it does not run within `startupTimeout`,
   * `authentication`, `missing_api_key`, `connect_failed` and others.
   */
  static async create(options?: CreateOptions): Promise<Sandbox> {
    const given: CreateOptions = optionsOf(options);
    const from = await client(given, "signal", OPTIONS.create);
    return new Sandbox(await call(() => from.create(given, given.signal)), true, given);
  }

  /**
   * The one sandbox of a name: attaches to it, resumes it if it is suspended, or makes it. Callers that use the same
   * name at the same time get the same sandbox; a call that failed can be repeated. `await using` does not terminate
   * it. `bindOutcome` says what the call did.
   *
   * @param name - The name (a-z, 0-9, `-`; at most 63), unique among the sandboxes that have not ended.
   * @param options - Those of `create` are for a sandbox that is made: one that is there stays as it is.
   * `startupTimeout` limits the whole call.
   * @throws {@link ShorelineError} `start_timeout` if it does not run in time, and what `create` throws.
   *
   * @example
   * ```ts
   * const sandbox = await Sandbox.getOrCreate("agent-42", { timeoutSecs: 3600 });
   * if (sandbox.bindOutcome === "created") await sandbox.run("git", { args: ["clone", url] });
   * ```
   */
  static async getOrCreate(name: string, options?: GetOrCreateOptions): Promise<Sandbox> {
    const given: GetOrCreateOptions = optionsOf(options);
    const from = await client(given, "resume signal", OPTIONS.create);
    return getOrCreate(from, idOrName(name), given, (handle) => new Sandbox(handle, false, given));
  }

  /**
   * Attaches to a sandbox by id or name, given alone or among the options. A sandbox that is attached to
   * is not terminated by `await using`. One that is suspended is not resumed.
   *
   * @throws {@link ShorelineError} `sandbox_not_found` and others. With `proxyUrl` the server is not asked,
   * so that the first call tells.
   */
  static async connect(
    sandbox: string | ConnectOptions,
    options?: ClientOptions & CallOptions,
  ): Promise<Sandbox> {
    const given: Partial<ConnectOptions> =
      typeof sandbox === "string" ? { ...optionsOf(options), sandboxId: sandbox } : optionsOf(sandbox);
    const id = idOrName(given.sandboxId);
    const direct = given.proxyUrl !== undefined;
    const from = await client(given, "sandboxId signal");
    return new Sandbox(await call(() => from.connect(id, direct, given.signal)), false, given);
  }

  /** Every sandbox, from all pages of the list. */
  static async list(options?: ListOptions): Promise<SandboxInfo[]> {
    const given: ListOptions = optionsOf(options);
    const from = await client(given, "signal", OPTIONS.list);
    return call(() => from.list(given, given.signal));
  }

  /** Terminates a sandbox by id or name. */
  static terminate(sandbox: string, options?: ClientOptions & CallOptions): Promise<void> {
    return single(TERMINATE, sandbox, options);
  }

  /** What the server says of the sandbox now. */
  info(options?: CallOptions): Promise<Traced<SandboxInfo>> {
    return this.#call(options, (core, signal) => core.single(GET, undefined, undefined, signal));
  }

  /** What the sandbox is doing now, for example `running`. */
  async status(options?: CallOptions): Promise<SandboxStatus> {
    return (await this.info(options)).status;
  }

  /**
   * Changes its name, its exposed ports, what it can reach, or its resources; what is absent stays. The time limit
   * (`timeoutSecs`) cannot be changed.
   *
   * @returns The new record.
   * @throws {@link ShorelineError} `conflict` where the name is taken, `unsupported` where the server cannot change that.
   *
   * @example
   * ```ts
   * await sandbox.update({ network: { allowOut: ["pypi.org"] } });
   * ```
   */
  async update(options: UpdateOptions): Promise<Traced<SandboxInfo>> {
    const info = await this.#call<SandboxInfo>(
      options,
      (core, signal) => core.single(UPDATE, undefined, options, signal),
      OPTIONS.update,
    );
    (this as { name: string | undefined }).name = info.name ?? this.name;
    return info;
  }

  /**
   * Stops everything in it where it is, and waits until that is done. Only named sandboxes can be: of others it
   * rejects with `invalid_request`.
   */
  suspend(options?: SuspendResumeOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.turn(false, options, signal), OPTIONS.turn);
  }

  /** Lets it go on, and waits until it runs. */
  resume(options?: SuspendResumeOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.turn(true, options, signal), OPTIONS.turn);
  }

  /** Ends the sandbox and everything in it. One that has ended already is no error. */
  async terminate(options?: CallOptions): Promise<void> {
    await this.#call(options, (core, signal) => core.single(TERMINATE, undefined, undefined, signal));
    this.#owned = false;
  }

  /** Terminates the sandbox if this handle created it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned) await this.terminate();
  }

  /**
   * Starts a process and does not wait for it. Rejects with `not_found` where there is no such program, with
   * `conflict` where the name is taken. It is sent once: with `connection_lost` it may have started.
   */
  async startProcess(command: string, options?: StartProcessOptions): Promise<Process> {
    const start = this.#call<ProcessInfo>(
      options,
      (core, signal) => core.start(command, options, signal),
      OPTIONS.start,
    );
    return Process.of(this, await start);
  }

  /**
   * A process as another isolate knew it: its output goes on where that was.
   *
   * @throws {@link ShorelineError} `invalid_argument`, at once, for a process of another sandbox.
   */
  process(json: ProcessJSON): Process {
    const known: Partial<ProcessJSON> = optionsOf(json);
    if (known.pid === undefined) throw invalid("a process is taken up from what its `toJSON` gave");
    const { sandboxId } = known;
    if (sandboxId !== undefined && sandboxId !== this.sandboxId && sandboxId !== this.name)
      throw invalid(`the process is one of sandbox ${sandboxId}: connect to that`);
    return Process.of(this, known as ProcessJSON);
  }

  /** Every process that the sandbox knows, running or not. */
  listProcesses(options?: CallOptions): Promise<ProcessInfo[]> {
    return this.#call(options, (core, signal) => core.processes(signal));
  }

  /** One process as it is now. */
  getProcess(process: ProcessAddress, options?: CallOptions): Promise<Traced<ProcessInfo>> {
    return this.#call(options, (core, signal) => core.process(process, signal));
  }

  /** Kills a process (SIGKILL), or stops a managed one. Rejects with `not_found` where there is none. */
  killProcess(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.kill(process, signal));
  }

  /** Starts a managed process again. Rejects with `conflict` where it is not managed. */
  restartProcess(process: ProcessAddress, options?: CallOptions): Promise<Traced<ProcessInfo>> {
    return this.#call(options, (core, signal) => core.restart(process, signal));
  }

  /**
   * Sends a signal.
   *
   * @param signal - Its name, for example `"SIGTERM"`, or its number on Linux, from 1 to 31.
   */
  sendSignal(
    process: ProcessAddress,
    signal: SignalName | number,
    options?: CallOptions,
  ): Promise<Traced<SendSignalResponse>> {
    return this.#call(options, (core, abort) => core.sendSignal(process, signal, abort));
  }

  /**
   * Writes to the standard input of a process that was started with `stdinMode: "pipe"`: bytes, or text
   * in UTF-8. It is sent once; where it is unknown whether it arrived, the call throws (`connection_lost`).
   */
  writeStdin(process: ProcessAddress, data: Data, options?: CallOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.writeStdin(process, bytesOf(data), signal));
  }

  /** Closes the standard input of a process. */
  closeStdin(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.closeStdin(process, signal));
  }

  /** What a process has written to standard output so far, as lines. */
  getStdout(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.#call(options, (core, signal) => core.output(STDOUT, process, signal));
  }

  /** What a process has written to standard error so far, as lines. */
  getStderr(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.#call(options, (core, signal) => core.output(STDERR, process, signal));
  }

  /** What a process has written to both so far, as lines. */
  getOutput(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.#call(options, (core, signal) => core.output(BOTH, process, signal));
  }

  /**
   * Follows both streams from the start to the server's end of output, which comes when nothing that the process
   * started holds its output open any more (`until: "exit"` ends with the process). Every line comes once, in
   * order, through broken connections, or the iteration throws.
   */
  followOutput(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(BOTH, process, options);
  }

  /** Follows standard output. */
  followStdout(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(STDOUT, process, options);
  }

  /** Follows standard error. */
  followStderr(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(STDERR, process, options);
  }

  /** A file's bytes. Rejects with `not_found` where there is none. */
  readFile(path: string, options?: TransferOptions): Promise<Uint8Array<ArrayBuffer>> {
    return read(this.#core, path, options);
  }

  /** A file as a stream of bytes, read as it is taken. Cancelling it closes the connection. */
  readFileStream(path: string, options?: TransferOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return readStream(this.#core, path, options);
  }

  /**
   * Writes a file, and makes the directories above it. A stream, or another async iterable of bytes such as
   * `fs.createReadStream(path)`, is sent as it comes; browsers collect it first.
   */
  writeFile(path: string, content: FileContent, options?: TransferOptions): Promise<void> {
    return write(this.#core, path, content, options);
  }

  /**
   * Writes a local file to the sandbox, read as it is sent, and makes the directories above it. In Node, Bun and Deno.
   *
   * @param localPath - The path on this machine.
   * @param path - The path in the sandbox.
   * @throws {@link ShorelineError} `invalid_argument` if the local file cannot be read; `missing_capability` in other
   * runtimes: pass a `File` to `writeFile` there.
   */
  async uploadFile(localPath: string, path: string, options?: TransferOptions): Promise<void> {
    const { file } = await machine("read local files");
    return this.writeFile(path, await file(localPath), options);
  }

  /** Deletes a file. Rejects with `not_found` where there is none. */
  deleteFile(path: string, options?: CallOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.deleteFile(path, signal));
  }

  /** What is in a directory. Rejects with `not_found` where there is none. */
  listDirectory(path: string, options?: CallOptions): Promise<Traced<ListDirectoryResponse>> {
    return this.#call(options, (core, signal) => core.listDirectory(path, signal));
  }

  /**
   * Opens a terminal and attaches to it. Rejects with `not_found` where there is no such program, with
   * `missing_capability` where the runtime has no WebSocket.
   */
  createPty(options: CreatePtyOptions): Promise<Pty> {
    return createPty(this.#core, this.options, options);
  }

  /** Attaches to a terminal's session, of this or another program. */
  connectPty(sessionId: string, token: string, options?: PtyConnectionOptions): Promise<Pty> {
    return connectPty(this.#core, this.options, { sessionId, token }, options);
  }

  /** Every terminal's session. */
  listPtys(options?: CallOptions): Promise<PtyInfo[]> {
    return this.#call(options, (core, signal) => core.ptys(signal));
  }

  /** Ends a terminal's session. One that has ended is no error. */
  killPty(sessionId: string, options?: CallOptions): Promise<void> {
    return this.#call(options, (core, signal) => core.killPty(sessionId, signal));
  }

  /** Whether the sandbox works. */
  health(options?: CallOptions): Promise<Traced<HealthResponse>> {
    return this.#call(options, (core, signal) => core.health(signal));
  }

  /** Version, uptime and process counts of what serves the sandbox from inside. */
  daemonInfo(options?: CallOptions): Promise<Traced<DaemonInfo>> {
    return this.#call(options, (core, signal) => core.daemonInfo(signal));
  }

  #call<T>(
    options: CallOptions | undefined,
    work: (core: Glue.Sandbox, signal: AbortSignal | undefined) => Promise<unknown>,
    table?: number,
  ): Promise<T> {
    // Everything that is wrong with a call is told by its promise.
    return call(() => {
      const names = table === undefined ? {} : optionNames(table);
      return work(this.#core, (optionsOf(options, "signal", names) as CallOptions).signal);
    });
  }

  #follow(which: number, process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return new FollowIterator(() => this.open(which, process, options), options?.after);
  }

  /** @internal */
  protected override get calls(): ProcessCalls {
    return this;
  }
}
