// Calls of the lifecycle API that take more than one request.
import { invalid, optionsOf } from "./arguments.js";
import { GET, GET_SNAPSHOT, LIST_SNAPSHOTS, SNAPSHOT } from "./client.js";
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { AbortError, ApiError, ProtocolError, ShorelineError, TimeoutError } from "./errors.js";
import type { SandboxInfo, SnapshotInfo } from "./generated/types.js";
import type { CallOptions, CreateOptions, Traced } from "./options.js";
import type { Sandbox } from "./sandbox.js";
import type { CheckpointOptions } from "./snapshots.js";
import { pause } from "./socket.js";

/** How a sandbox is found by its name, or made. */
export interface GetOrCreateOptions extends Omit<CreateOptions, "name" | "wait"> {
  /** Whether a suspended sandbox is resumed. Default: true. */
  resume?: boolean | undefined;
}

/** What `getOrCreate` did: `created` the sandbox, `attached` to a running one, or `resumed` a suspended one. */
export type BindOutcome = "created" | "attached" | "resumed";

/** Seconds to wait where the caller does not say. */
const TIMEOUT = 300;
/** Between two looks at a sandbox or snapshot, ms. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 1000;

/** @internal A sandbox by its name, or a new one. */
export async function getOrCreate(
  from: Glue.Client,
  name: string,
  { resume = true, ...options }: GetOrCreateOptions,
  make: (handle: Glue.Sandbox) => Sandbox & { bindOutcome?: BindOutcome },
): Promise<Sandbox> {
  const { signal, startupTimeout } = options;
  const looks = new Looks(startupTimeout, signal);
  const bound = (handle: Glue.Sandbox, bindOutcome: BindOutcome) =>
    Object.assign(make(handle), { bindOutcome });
  const attach = ({ sandboxId }: SandboxInfo) =>
    call<Glue.Sandbox>(() => from.connect(sandboxId, options.proxyUrl !== undefined, signal));
  let wasSuspended = false;
  for (;;) {
    let status = "taken";
    try {
      const info = await living(from, name, signal);
      if (info === undefined) {
        const given = { ...options, name, startupTimeout: looks.left() };
        return bound(await call(() => from.create(given, signal)), "created");
      }
      ({ status } = info);
      if (status === "running") return bound(await attach(info), wasSuspended ? "resumed" : "attached");
      if (status === "suspended") {
        const handle = await attach(info);
        if (!resume) return bound(handle, "attached");
        await call(() => handle.turn(true, { timeout: looks.left() }, signal));
        return bound(handle, "resumed");
      }
      wasSuspended ||= status === "suspending";
    } catch (error) {
      // Another caller was quicker: what it made is there by the next look, or is on its way.
      if (!ShorelineError.is(error) || error.code !== "conflict") throw error;
      looks.cause = error;
    }
    await looks.next(
      "start_timeout",
      `the name \`${name}\` has no sandbox that can be attached to: it is ${status}`,
    );
  }
}

/** The sandbox of that name that has not ended. */
async function living(
  from: Glue.Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<SandboxInfo | undefined> {
  try {
    const info = await call<SandboxInfo>(() => from.single(GET, name, undefined, signal));
    return ENDED.includes(info.status) ? undefined : info;
  } catch (error) {
    if (ShorelineError.is(error) && error.code === "sandbox_not_found") return undefined;
    throw error;
  }
}

const ENDED = ["terminated", "failed", "timeout"];

/** What makes lifecycle calls: about `id`, or without one about the sandbox that it is. */
interface Caller {
  single(which: number, id: string | undefined, given: unknown, signal: unknown): Promise<unknown>;
}

/** @internal Takes a snapshot, and waits for it. */
export async function checkpoint(
  core: Caller,
  sandbox: string | undefined,
  options: CheckpointOptions,
): Promise<Traced<SnapshotInfo>> {
  optionsOf(options, "checkpointType wait waitUntil timeout signal");
  const { checkpointType, wait = true, waitUntil = "local_ready", timeout, signal } = options;
  if (!["local_ready", "completed"].includes(waitUntil))
    throw invalid("`waitUntil` must be one of local_ready completed");
  const looks = new Looks(timeout, signal);
  const given = { snapshotType: checkpointType };
  const taken = await call<Traced<SnapshotInfo>>(() => core.single(SNAPSHOT, sandbox, given, signal));
  const { snapshotId } = taken;
  if (!wait) return taken;
  for (;;) {
    const info = await call<SnapshotInfo>(() => core.single(GET_SNAPSHOT, snapshotId, undefined, signal));
    if (info.status === "completed" || info.status === waitUntil) return info;
    const told = `snapshot ${snapshotId} is ${info.status}`;
    if (info.status === "failed" || info.status === "deleting")
      throw new ApiError({ code: "server", message: info.error ? `${told}: ${info.error}` : told });
    await looks.next("wait_timeout", `${told}: look at it with \`Sandbox.getSnapshot\``);
  }
}

/** @internal The snapshots of one sandbox. Not every server has a list for it. */
export async function snapshotsOf(core: Glue.Sandbox, { signal }: CallOptions): Promise<SnapshotInfo[]> {
  const all = listed(await call(() => core.single(LIST_SNAPSHOTS, "", undefined, signal)));
  // A handle may know its sandbox by name only.
  const { sandboxId } = await call<SandboxInfo>(() => core.single(GET, undefined, undefined, signal));
  return all.filter((snapshot) => snapshot.sandboxId === sandboxId);
}

/** @internal The snapshots of an answer. */
export function listed(answer: unknown): SnapshotInfo[] {
  const { snapshots } = answer as { snapshots?: unknown };
  if (Array.isArray(snapshots)) return snapshots as SnapshotInfo[];
  throw new ProtocolError({
    code: "invalid_response",
    message: "the server's answer has no list of snapshots",
  });
}

/** The times between looks at something that is awaited. */
class Looks {
  readonly #deadline: number;
  readonly #signal: AbortSignal | undefined;
  #delay = FIRST_LOOK_MS;
  /** Why it was not there. */
  cause: unknown;

  constructor(seconds: number | undefined, signal: AbortSignal | undefined) {
    if (seconds !== undefined && !(seconds > 0 && seconds < Infinity))
      throw invalid("a time limit must be a finite number of seconds above 0");
    this.#deadline = performance.now() + (seconds ?? TIMEOUT) * 1000;
    this.#signal = signal;
  }

  /** Seconds until the time is over, above 0. */
  left(): number {
    return Math.max((this.#deadline - performance.now()) / 1000, 0.001);
  }

  /** Waits until the next look. Throws where there is no time for it. */
  async next(code: "start_timeout" | "wait_timeout", message: string): Promise<void> {
    const ms = Math.min(this.#delay, this.left() * 1000);
    if (performance.now() >= this.#deadline)
      throw new TimeoutError({ code, message, retryable: true, cause: this.cause });
    this.#delay = Math.min(this.#delay * 2, LAST_LOOK_MS);
    const signal = this.#signal;
    await pause(ms, signal);
    if (signal?.aborted)
      throw new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
  }
}
