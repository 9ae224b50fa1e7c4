import { optionsOf } from "./arguments.js";
import { checkUpdated, client, GET, idOrName, OPTIONS, single, TERMINATE, UPDATE } from "./client.js";
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type {
  DaemonInfo,
  HealthResponse,
  ListDirectoryResponse,
  PtyInfo,
  SandboxInfo,
} from "./generated/types.js";
import { machine } from "./host.js";
import type { BindOutcome, GetOrCreateOptions } from "./lifecycle.js";
import type {
  CallOptions,
  ClientOptions,
  ConnectOptions,
  CreateOptions,
  ListOptions,
  SuspendResumeOptions,
  Traced,
  UpdateOptions,
} from "./options.js";
import { Processes } from "./processes.js";
import { type FileContent, read, readStream, type TransferOptions, write } from "./files.js";
import type { SandboxStatus } from "./names.js";
import type { ProcessCalls } from "./process.js";
import { connectPty, createPty } from "./open-pty.js";
import type { Pty } from "./pty.js";
import type { CreatePtyOptions, PtyConnectionOptions } from "./pty-options.js";
import { getOrCreate } from "./lifecycle.js";

/**
 * A sandbox, in the cloud or on a local server: commands, processes, files, terminals and ports. Names of methods and fields
 * are those of the official SDK.
 *
 * @example
 * ```ts
 * await using sandbox = await Sandbox.create();
 * const { stdout, exitCode } = await sandbox.run("python3", { args: ["-c", "print(1 + 1)"] });
 * ```
 */
export class Sandbox extends Processes implements AsyncDisposable {
  /** The id; the name, if the handle was made by name and the server was not asked. */
  readonly sandboxId: string;
  /** The name. Undefined for an ephemeral sandbox. */
  readonly name: string | undefined;
  /** What `getOrCreate` did. Absent if another call made the handle. */
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
   * Creates a sandbox and waits until it runs. `await using` terminates it at the end of the block. With `snapshotId` it is
   * created from a snapshot.
   *
   * Without a key and an address, Node, Bun and Deno use local sandboxes if these are isolated: the call starts a server
   * that all programs of this user share, and reports that once on standard error. The server stops when it is idle. With
   * `NODE_ENV=production` or `SHORELINE_LOCAL=off` the call rejects with `missing_api_key` instead.
   *
   * @throws {@link ShorelineError} `start_timeout` if the sandbox does not run within `startupTimeout`,
   * `authentication`, `missing_api_key`, `invalid_argument`, `connect_failed` and others.
   *
   * @example
   * ```ts
   * const sandbox = await Sandbox.create({ name: "my-env", timeoutSecs: 3600 });
   * ```
   */
  static async create(options?: CreateOptions): Promise<Sandbox> {
    const given: CreateOptions = optionsOf(options);
    const from = await client(given, "signal", OPTIONS.create);
    return new Sandbox(await call(() => from.create(given, given.signal)), true, given);
  }

  /**
   * Finds the sandbox with a name: attaches to it, resumes it if it is suspended, or creates it. Callers that use the same
   * name at the same time get the same sandbox. A call that failed can be repeated. `await using` does not terminate the
   * sandbox. `bindOutcome` says what the call did.
   *
   * @param name - The name (a-z, 0-9, `-`; at most 63), unique among the sandboxes that have not ended.
   * @param options - Options of `create` apply only to a sandbox that is created: an existing one is not changed.
   * `startupTimeout` (seconds) limits the whole call.
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
   * Attaches to a sandbox by id or name. `await using` does not terminate it. A suspended sandbox is not resumed.
   *
   * @param sandbox - The id or name, or all options with `sandboxId`. With `proxyUrl` the call sends no request: the first
   * call on the sandbox reports what is wrong.
   * @throws {@link ShorelineError} `sandbox_not_found`, `authentication`, `connect_failed` and others.
   *
   * @example
   * ```ts
   * const sandbox = await Sandbox.connect("my-env");
   * ```
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

  /** Lists every sandbox of the key. Reads all pages of the list. */
  static async list(options?: ListOptions): Promise<SandboxInfo[]> {
    const given: ListOptions = optionsOf(options);
    const from = await client(given, "signal", OPTIONS.list);
    return call(() => from.list(given, given.signal));
  }

  /** Terminates a sandbox by id or name. Succeeds if it has ended already. */
  static terminate(sandbox: string, options?: ClientOptions & CallOptions): Promise<void> {
    return single(TERMINATE, sandbox, options);
  }

  /** Plain data from which another isolate connects: `Sandbox.connect(json)`, with its own key. */
  toJSON(): Pick<ConnectOptions, "sandboxId"> {
    return { sandboxId: this.sandboxId };
  }

  /** Reads the sandbox's current record. */
  info(options?: CallOptions): Promise<Traced<SandboxInfo>> {
    return this.request(options, (core, signal) => core.single(GET, undefined, undefined, signal));
  }

  /** Reads the sandbox's current status, for example `running`. */
  async status(options?: CallOptions): Promise<SandboxStatus> {
    return (await this.info(options)).status;
  }

  /**
   * Changes the name, the exposed ports, the network rules or the resources. Absent options are not changed. On a local
   * server `timeoutSecs` starts the time limit over.
   *
   * @returns The new record.
   * @throws {@link ShorelineError} `conflict` if the name is taken, `unsupported` if the server cannot change an option,
   * `not_supported_by_server` if it ignored `timeoutSecs`.
   *
   * @example
   * ```ts
   * await sandbox.update({ network: { allowOut: ["pypi.org"] } });
   * ```
   */
  async update(options: UpdateOptions): Promise<Traced<SandboxInfo>> {
    const info = await this.request<SandboxInfo>(
      options,
      (core, signal) => core.single(UPDATE, undefined, options, signal),
      OPTIONS.update,
    );
    (this as { name: string | undefined }).name = info.name ?? this.name;
    checkUpdated(info, options);
    return info;
  }

  /**
   * Suspends the sandbox: stops every process where it is, and waits until that is done. {@link resume} continues them.
   *
   * @throws {@link ShorelineError} `invalid_request` for a sandbox without a name.
   */
  suspend(options?: SuspendResumeOptions): Promise<void> {
    return this.request(options, (core, signal) => core.turn(false, options, signal), OPTIONS.turn);
  }

  /** Resumes a suspended sandbox, and waits until it runs. */
  resume(options?: SuspendResumeOptions): Promise<void> {
    return this.request(options, (core, signal) => core.turn(true, options, signal), OPTIONS.turn);
  }

  /** Terminates the sandbox and every process in it. Succeeds if it has ended already. */
  async terminate(options?: CallOptions): Promise<void> {
    await this.request(options, (core, signal) => core.single(TERMINATE, undefined, undefined, signal));
    this.#owned = false;
  }

  /** Terminates the sandbox if this handle created it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned) await this.terminate();
  }

  /**
   * Reads a file.
   *
   * @param path - An absolute path, or one relative to the sandbox's working directory.
   * @throws {@link ShorelineError} `not_found` if the file does not exist.
   *
   * @example
   * ```ts
   * const text = new TextDecoder().decode(await sandbox.readFile("/etc/hostname"));
   * ```
   */
  readFile(path: string, options?: TransferOptions): Promise<Uint8Array<ArrayBuffer>> {
    return read(this.#core, path, options);
  }

  /**
   * Opens a file as a stream of bytes. Nothing is read ahead of the consumer. Canceling the stream closes the connection.
   *
   * @throws {@link ShorelineError} `not_found` if the file does not exist.
   */
  readFileStream(path: string, options?: TransferOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return readStream(this.#core, path, options);
  }

  /**
   * Writes a file, replaces an existing one, and creates missing parent directories.
   *
   * @param content - Text (sent in UTF-8), bytes, a `Blob`, a stream, or another async iterable of bytes such as
   * `fs.createReadStream(path)`. Streams are sent as they produce; browsers buffer them first.
   * @throws {@link ShorelineError} `connection_lost` if the connection broke: some servers close it when a file is larger
   * than 2 MiB; `invalid_argument` if the content is not bytes.
   *
   * @example
   * ```ts
   * await sandbox.writeFile("/srv/config.json", JSON.stringify(config));
   * ```
   */
  writeFile(path: string, content: FileContent, options?: TransferOptions): Promise<void> {
    return write(this.#core, path, content, options);
  }

  /**
   * Copies a local file into the sandbox without buffering it, and creates missing parent directories. In Node, Bun and
   * Deno.
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

  /**
   * Deletes a file.
   *
   * @throws {@link ShorelineError} `not_found` if the file does not exist.
   */
  deleteFile(path: string, options?: CallOptions): Promise<void> {
    return this.request(options, (core, signal) => core.deleteFile(path, signal));
  }

  /**
   * Lists a directory: names, kinds, sizes and times.
   *
   * @throws {@link ShorelineError} `not_found` if the directory does not exist.
   */
  listDirectory(path: string, options?: CallOptions): Promise<Traced<ListDirectoryResponse>> {
    return this.request(options, (core, signal) => core.listDirectory(path, signal));
  }

  /**
   * Starts a program on a terminal and attaches to it.
   *
   * @throws {@link ShorelineError} `not_found` if the program does not exist, `missing_capability` if the runtime has no
   * WebSocket.
   *
   * @example
   * ```ts
   * const terminal = await sandbox.createPty({ command: "bash", cols: 80, rows: 24 });
   * terminal.onData((bytes) => process.stdout.write(bytes));
   * await terminal.sendInput("ls\n");
   * ```
   */
  createPty(options: CreatePtyOptions): Promise<Pty> {
    return createPty(this.#core, this.options, options);
  }

  /**
   * Attaches to an existing terminal session.
   *
   * @param token - The session's secret, {@link Pty.token} of the handle that created it.
   */
  connectPty(sessionId: string, token: string, options?: PtyConnectionOptions): Promise<Pty> {
    return connectPty(this.#core, this.options, { sessionId, token }, options);
  }

  /** Lists every terminal session. */
  listPtys(options?: CallOptions): Promise<PtyInfo[]> {
    return this.request(options, (core, signal) => core.ptys(signal));
  }

  /** Ends a terminal session and kills its program. Succeeds if it has ended already. */
  killPty(sessionId: string, options?: CallOptions): Promise<void> {
    return this.request(options, (core, signal) => core.killPty(sessionId, signal));
  }

  /** Checks that the sandbox's daemon answers. */
  health(options?: CallOptions): Promise<Traced<HealthResponse>> {
    return this.request(options, (core, signal) => core.health(signal));
  }

  /** Reads the version, uptime and process counts of the sandbox's daemon. */
  daemonInfo(options?: CallOptions): Promise<Traced<DaemonInfo>> {
    return this.request(options, (core, signal) => core.daemonInfo(signal));
  }

  /** @internal */
  protected override get calls(): ProcessCalls {
    return this;
  }
}
