// The snapshots and copies of a sandbox.
import { optionsOf } from "./arguments.js";
import { COPY, DELETE_SNAPSHOT, GET_SNAPSHOT, LIST_SNAPSHOTS, OPTIONS, single } from "./client.js";
import { call, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type {
  CopyOptions as CoreCopyOptions,
  SandboxCopies,
  SnapshotInfo,
  SnapshotOptions,
} from "./generated/types.js";
import type { CallOptions, ClientOptions, Traced } from "./options.js";
import { checkpoint, listed, snapshotsOf } from "./lifecycle.js";

/** How a checkpoint is taken. */
export interface CheckpointOptions extends CallOptions {
  /** `filesystem`: the files. `memory`: memory and running processes too. Default: the server's. */
  checkpointType?: SnapshotOptions["snapshotType"];
  /** Whether to wait until the snapshot can be used. Default: true. */
  wait?: boolean | undefined;
  /** What to wait for: `local_ready`, when a sandbox can be made of it, or `completed`, when it is stored. Default: `local_ready`. */
  waitUntil?: "local_ready" | "completed" | undefined;
  /** Seconds to wait. Default: 300. */
  timeout?: number | undefined;
}

/** How a sandbox is copied. */
export interface CopyOptions extends CoreCopyOptions, CallOptions {}

/** The part of a sandbox that is about its snapshots and copies. */
export abstract class Snapshots {
  // Not plain properties, here and below, so that printing a sandbox prints nothing of its options, such as the key.
  readonly #core: Glue.Sandbox;

  /** @internal */
  constructor(core: Glue.Sandbox) {
    this.#core = core;
  }

  /** @internal */
  protected get core(): Glue.Sandbox {
    return this.#core;
  }

  /**
   * Every snapshot. Local servers have none, and reject with `unsupported`.
   *
   * @returns The snapshots, as the server lists them.
   */
  static async listSnapshots(options?: ClientOptions & CallOptions): Promise<SnapshotInfo[]> {
    return listed(await single(LIST_SNAPSHOTS, "", options));
  }

  /** A snapshot as it is now. Rejects with `not_found` where there is none. */
  static getSnapshot(
    snapshotId: string,
    options?: ClientOptions & CallOptions,
  ): Promise<Traced<SnapshotInfo>> {
    return single(GET_SNAPSHOT, snapshotId, options);
  }

  /** Deletes a snapshot. Rejects with `not_found` where there is none. */
  static deleteSnapshot(snapshotId: string, options?: ClientOptions & CallOptions): Promise<void> {
    return single(DELETE_SNAPSHOT, snapshotId, options);
  }

  /**
   * Takes a snapshot of the sandbox, and waits until a sandbox can be made of it.
   *
   * @returns The snapshot; with `wait: false` its id and its state.
   * @throws {@link ShorelineError} `wait_timeout` if it is not ready within `timeout`: it goes on, and the message has its
   * id; `server` if it failed; `unsupported` on servers without snapshots, such as local ones.
   *
   * @example
   * ```ts
   * const { snapshotId } = await sandbox.checkpoint();
   * await using again = await Sandbox.create({ snapshotId });
   * ```
   */
  async checkpoint(options?: CheckpointOptions): Promise<Traced<SnapshotInfo>> {
    return checkpoint(this.core, undefined, optionsOf(options));
  }

  /** The snapshots that were taken of this sandbox. */
  async listSnapshots(options?: CallOptions): Promise<SnapshotInfo[]> {
    return snapshotsOf(this.core, optionsOf(options, "signal"));
  }

  /**
   * Makes running copies of this running sandbox, and waits until the server has made them. They are not terminated by
   * `await using`.
   *
   * @returns The copies, also those that could not be made: look at the `status` of each.
   * @throws {@link ShorelineError} `unsupported` on servers that make no copies, such as local ones.
   */
  copy(options?: CopyOptions): Promise<Traced<SandboxCopies>> {
    return call(() => {
      const { signal }: CallOptions = optionsOf(options, "signal", optionNames(OPTIONS.copy));
      return this.core.single(COPY, undefined, options, signal);
    });
  }
}
