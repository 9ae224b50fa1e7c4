// The official SDK's client object: one set of options for many calls.
import { optionsOf } from "./arguments.js";
import {
  checkUpdated,
  client,
  COPY,
  DELETE_SNAPSHOT,
  GET,
  GET_SNAPSHOT,
  idOrName,
  OPTIONS,
  single,
  SNAPSHOT,
  TERMINATE,
  UPDATE,
} from "./client.js";
import { call, optionNames } from "./core.js";
import type { SandboxCopies, SandboxInfo, SnapshotInfo, SnapshotOptions } from "./generated/types.js";
import type {
  CallOptions,
  ClientOptions,
  CreateOptions,
  ListOptions,
  SuspendResumeOptions,
  Traced,
  UpdateOptions,
} from "./options.js";
import { Sandbox } from "./sandbox.js";
import { type CopyOptions, Snapshots } from "./snapshots.js";
import { checkpoint } from "./lifecycle.js";

/** How a snapshot is taken and waited for. */
export interface SnapshotAndWaitOptions extends SnapshotOptions, CallOptions {
  /** What to wait for. Default: `local_ready`, when a sandbox can be made of it. */
  waitUntil?: "local_ready" | "completed" | undefined;
  /** Seconds to wait. Default: 300. */
  timeout?: number | undefined;
}

/**
 * The lifecycle API with options that are given once. Its methods have the official SDK's names; {@link Sandbox} has
 * the same calls without an object.
 *
 * @example
 * ```ts
 * const client = new SandboxClient({ apiKey: "…" });
 * await using sandbox = await client.createAndConnect({ cpus: 1 });
 * for (const { sandboxId, status } of await client.list()) console.log(sandboxId, status);
 * ```
 */
export class SandboxClient {
  readonly #options: ClientOptions;

  /** @param options - How to reach the API. Nothing is sent, and bad options are refused by the first call. */
  constructor(options?: ClientOptions) {
    this.#options = optionsOf(options);
  }

  /** A client for the cloud. */
  static forCloud(options?: ClientOptions): SandboxClient {
    return new SandboxClient(options);
  }

  /** A client for a server on this machine. Default of `apiUrl`: `http://localhost:8900`. */
  static forLocalhost(options?: ClientOptions): SandboxClient {
    return new SandboxClient({ apiUrl: "http://localhost:8900", ...options });
  }

  /**
   * Asks for a sandbox and does not wait until it runs. It is terminated by `delete` only.
   *
   * @returns Its record: `sandboxId`, `status` and what else the server says.
   */
  async create(options?: Omit<CreateOptions, "wait">): Promise<Traced<SandboxInfo>> {
    const sandbox = await Sandbox.create({ ...this.#with<CreateOptions>(options), wait: false });
    return sandbox.info();
  }

  /** Makes a sandbox and waits until it runs. `await using` terminates it at the end. */
  createAndConnect(options?: Omit<CreateOptions, "wait">): Promise<Sandbox> {
    return Sandbox.create(this.#with(options));
  }

  /** Attaches to a sandbox by id or name; with `proxyUrl` the lifecycle API is not asked. */
  connect(sandbox: string, proxyUrl?: string): Promise<Sandbox> {
    return Sandbox.connect(sandbox, this.#with({ proxyUrl: proxyUrl ?? this.#options.proxyUrl }));
  }

  /** The record of a sandbox, by id or name. Rejects with `sandbox_not_found` where there is none. */
  get(sandbox: string, options?: CallOptions): Promise<Traced<SandboxInfo>> {
    return single(GET, sandbox, this.#with(options));
  }

  /** Every sandbox, from all pages of the list. */
  list(options?: Pick<ListOptions, "status" | "limit" | "signal">): Promise<SandboxInfo[]> {
    return Sandbox.list(this.#with(options));
  }

  /** Changes a sandbox, as `update` of {@link Sandbox}. */
  async update(sandbox: string, options: UpdateOptions): Promise<Traced<SandboxInfo>> {
    const info = await this.#single<Traced<SandboxInfo>>(UPDATE, sandbox, options, OPTIONS.update);
    checkUpdated(info, options);
    return info;
  }

  /** Terminates a sandbox. One that has ended already is no error. */
  delete(sandbox: string, options?: CallOptions): Promise<void> {
    return single(TERMINATE, sandbox, this.#with(options));
  }

  /** Suspends a named sandbox, as `suspend` of {@link Sandbox}. */
  async suspend(sandbox: string, options?: SuspendResumeOptions): Promise<void> {
    await (await this.connect(sandbox)).suspend(options);
  }

  /** Resumes a sandbox, as `resume` of {@link Sandbox}. */
  async resume(sandbox: string, options?: SuspendResumeOptions): Promise<void> {
    await (await this.connect(sandbox)).resume(options);
  }

  /** Makes running copies of a sandbox, as `copy` of {@link Sandbox}. */
  copy(sandbox: string, options?: CopyOptions): Promise<Traced<SandboxCopies>> {
    return this.#single(COPY, sandbox, options, OPTIONS.copy);
  }

  /** Begins a snapshot of a sandbox. It resolves to the snapshot's id and state, and does not wait for it. */
  snapshot(sandbox: string, options?: SnapshotOptions & CallOptions): Promise<Traced<SnapshotInfo>> {
    return this.#single(SNAPSHOT, sandbox, options, OPTIONS.snapshot);
  }

  /** Takes a snapshot of a sandbox and waits for it, as `checkpoint` of {@link Sandbox}. */
  async snapshotAndWait(sandbox: string, options?: SnapshotAndWaitOptions): Promise<Traced<SnapshotInfo>> {
    const { snapshotType: checkpointType, ...rest }: SnapshotAndWaitOptions = optionsOf(
      options,
      "snapshotType waitUntil timeout signal",
    );
    return checkpoint(await client(this.#options), sandbox, { checkpointType, ...rest });
  }

  /** A snapshot as it is now. */
  getSnapshot(snapshotId: string, options?: CallOptions): Promise<Traced<SnapshotInfo>> {
    return single(GET_SNAPSHOT, snapshotId, this.#with(options));
  }

  /** Every snapshot. */
  listSnapshots(options?: CallOptions): Promise<SnapshotInfo[]> {
    return Snapshots.listSnapshots(this.#with(options));
  }

  /** Deletes a snapshot. */
  deleteSnapshot(snapshotId: string, options?: CallOptions): Promise<void> {
    return single(DELETE_SNAPSHOT, snapshotId, this.#with(options));
  }

  /** Does nothing: connections end with the calls that use them. Other clients have it. */
  close(): void {
    // Nothing is kept open.
  }

  /** A call that is one request with options. */
  async #single<T>(
    which: number,
    sandbox: string,
    options: CallOptions | undefined,
    table: number,
  ): Promise<T> {
    const checked = idOrName(sandbox);
    const from = await client(this.#options);
    const { signal }: CallOptions = optionsOf(options, "signal", optionNames(table));
    return call(() => from.single(which, checked, options, signal));
  }

  #with<T extends object>(options: T | undefined): T & ClientOptions {
    return { ...this.#options, ...(optionsOf(options) as T) };
  }
}
