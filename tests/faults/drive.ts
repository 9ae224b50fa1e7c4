// Carries one schedule out.
import { setTimeout as pause } from "node:timers/promises";
import {
  type CommandResult,
  type Cursor,
  type EventIterator,
  type OutputEvent,
  type PartialResult,
  Sandbox,
  ShorelineError,
} from "shoreline";
import { type Given, judge } from "./judge.js";
import { Peer, type PeerName, PEERS } from "./peer.js";
import { FaultProxy } from "./proxy.js";
import { Random } from "./random.js";
import { type Reader, type Schedule, schedule } from "./schedule.js";
import type { StreamName } from "./workload.js";

/** Where the local server is. */
export interface Server {
  url: string;
  apiKey: string;
}

/** The result of a schedule that went as expected. */
export interface Verdict {
  exact: boolean;
  /** The error's code. */
  code?: string;
  /** The kinds of faults that happened. */
  faults: string[];
  peer: PeerName;
  reader: Reader;
  /** How often an unfinished line was sent. */
  unfinished: number;
  /** What was to happen and what did, for people. */
  story: string[];
}

/** Past this, ms, a schedule hangs. */
const DEADLINE = 300_000;
/** Past this, ms, a client that has what it wants holds its connections. */
const RELEASE = 30_000;

/** A schedule that did not end as it should. */
export class Failure extends Error {}

export async function drive(seed: number, server: Server, only?: PeerName): Promise<Verdict> {
  const plan = schedule(seed, only);
  const { url: apiUrl, apiKey } = server;
  const direct = await Sandbox.create({ apiUrl, apiKey });
  const traits = { ...PEERS[plan.peer], run: plan.run };
  const peer = new Peer(traits, new Random(seed));
  const { faults, forever, closes } = plan;
  const upstream = `${apiUrl}/s/${direct.sandboxId}`;
  const proxy = await FaultProxy.listen({ upstream: apiUrl, peer, faults, forever, closes });
  try {
    const { sandboxId } = direct;
    const proxyUrl = upstream.replace(apiUrl, proxy.url);
    const sandbox = await Sandbox.connect({ sandboxId, proxyUrl, apiKey, ...waits(plan) });
    const isRun = plan.reader.startsWith("run");
    const read = isRun ? runs(sandbox, plan) : await follows(direct, sandbox, plan);
    if (plan.refusedMs > 0) void proxy.refuse(plan.refusedMs);
    const reading = read();
    if (plan.workload.late) void openGate(direct, reading);
    const given = await within(DEADLINE, reading, "it hangs");
    const outcomes = Promise.all(proxy.exchanges.map((seen) => seen.outcome));
    await within(RELEASE, outcomes, "a connection is still held");
    const starts = await Promise.all(proxy.starts.map((seen) => seen.outcome));
    const processes = (await direct.listProcesses()).length;
    const happened = { schedule: plan, peer, starts, processes, faults: proxy.happened };
    judge(given, happened);
    if (given.error !== undefined && !isRun && traits.forgets === "nothing" && !peer.engine) {
      // Who was told how far it came can have the rest later.
      proxy.repair();
      const { partial } = given.error as ShorelineError;
      if (!partial?.cursor) throw new Error("the error has no cursor");
      judge(await within(DEADLINE, read(partial.cursor), "it hangs, taken up later"), happened);
    }
    const code = given.error instanceof ShorelineError ? given.error.code : undefined;
    return {
      exact: code === undefined,
      ...(code && { code }),
      faults: proxy.happened,
      peer: plan.peer,
      reader: plan.reader,
      unfinished: peer.unfinished,
      story: story(plan, proxy),
    };
  } catch (error) {
    throw new Failure(
      [
        `seed ${seed}: ${(error as Error).message}`,
        `again: npm run test:soak -- --seed ${seed}`,
        ...story(plan, proxy),
      ].join("\n  "),
      { cause: error },
    );
  } finally {
    await proxy.close();
    await direct.terminate();
  }
}

function story(plan: Schedule, proxy: FaultProxy): string[] {
  const { args, ending } = plan.workload;
  const script = args[1]?.slice(0, 2_000);
  return [JSON.stringify({ ...plan, workload: { ending, script } }, undefined, 1), ...proxy.trace];
}

/**
 * Waits so short that a schedule takes little time, but only where a stall has to be waited for: a machine that is
 * busy stalls too. Where faults end, tries enough to outlast them.
 */
function waits({ faults, forever }: Schedule) {
  const stalls = faults.some((fault) => fault.connection?.how === "stall");
  const head = stalls ? 2 : 60;
  return {
    idleTimeout: stalls ? 1 : 60,
    connectTimeout: head,
    requestTimeout: head,
    maxRetries: forever ? 2 : 8,
  };
}

function reconnect({ forever }: Schedule) {
  return { reconnect: { maxAttempts: forever ? 3 : 40, maxDelayMs: 10 } };
}

/** Lets what a command leaves behind write, once the command has ended. */
async function openGate(sandbox: Sandbox, reading: Promise<Given>): Promise<void> {
  const state = { over: false };
  const end = () => (state.over = true);
  reading.then(end, end);
  const isOpen = async () => (await sandbox.listProcesses()).some((process) => process.outputOpen);
  try {
    while (!state.over && !(await isOpen())) await pause(5);
    await sandbox.writeFile("gate", "");
  } catch {
    // The sandbox has been terminated.
  }
}

/** What was read, by stream. */
class Read {
  readonly #parts = new Map<StreamName, Uint8Array[]>();

  constructor(...streams: StreamName[]) {
    for (const stream of streams) this.#parts.set(stream, []);
  }

  add(stream: StreamName, event: OutputEvent): void {
    if (event.stream !== undefined && event.stream !== stream) throw new Error("an event of another stream");
    const parts = this.#parts.get(stream);
    if (!parts) throw new Error(`an event of ${stream}, which is not read`);
    parts.push(event.bytes);
  }

  get streams(): Map<StreamName, Buffer> {
    return new Map(Array.from(this.#parts, ([stream, parts]) => [stream, Buffer.concat(parts)]));
  }
}

/** Reads to the end; a follow goes on where an earlier one stopped. */
type Act = (after?: Cursor) => Promise<Given>;

function runs(sandbox: Sandbox, plan: Schedule): Act {
  const { args, ending } = plan.workload;
  const options = {
    args,
    pieces: plan.pieces,
    ...reconnect(plan),
    ...(ending.how === "timeout" && { timeout: ending.seconds }),
  };
  const read = new Read("stdout", "stderr");
  const add = (event: OutputEvent) => {
    read.add(event.stream as StreamName, event);
  };
  if (plan.reader === "run, handlers") {
    const handlers = {
      onStdout: (event: OutputEvent) => {
        read.add("stdout", event);
      },
      onStderr: (event: OutputEvent) => {
        read.add("stderr", event);
      },
    };
    return () => settled(sandbox.run("sh", { ...options, ...handlers }), read);
  }
  if (plan.reader === "run") {
    return async () => {
      const given = await settled(sandbox.run("sh", options), read);
      const { partial } = (given.error ?? {}) as { partial?: PartialResult };
      return { ...given, streams: bytesOf(given.result ?? partial) };
    };
  }
  return () => {
    const running = sandbox.run("sh", options);
    const iterate = async () => {
      for await (const event of running) add(event);
      return running.result();
    };
    return settled(iterate(), read);
  };
}

function bytesOf(result: CommandResult | PartialResult = {}): Map<StreamName, Buffer> {
  const { stdoutBytes = [], stderrBytes = [] } = result;
  return new Map([
    ["stdout", Buffer.from(stdoutBytes)],
    ["stderr", Buffer.from(stderrBytes)],
  ]);
}

async function settled(running: PromiseLike<CommandResult>, read: Read): Promise<Given> {
  try {
    const result = await running;
    return { streams: read.streams, result };
  } catch (error) {
    return { streams: read.streams, error };
  }
}

/** Starts the command where nothing disturbs it, and follows it where much does. */
async function follows(direct: Sandbox, sandbox: Sandbox, plan: Schedule): Promise<Act> {
  const { pid } = await direct.startProcess("sh", { args: plan.workload.args });
  const { reader } = plan;
  const single = { followStdout: "stdout", followStderr: "stderr" } as const;
  const stream = reader in single ? single[reader as keyof typeof single] : undefined;
  const read = stream ? new Read(stream) : new Read("stdout", "stderr");
  const follow = (after: Cursor | undefined) => {
    const options = { pieces: plan.pieces, ...reconnect(plan), ...(after && { after }) };
    if (reader === "followStdout") return sandbox.followStdout(pid, options);
    if (reader === "followStderr") return sandbox.followStderr(pid, options);
    return sandbox.followOutput(pid, options);
  };
  const readAll = async (events: EventIterator) => {
    const add = (event: OutputEvent) => {
      read.add(stream ?? (event.stream as StreamName), event);
    };
    if (reader === "batches") {
      for await (const batch of events.batches()) batch.forEach(add);
    } else {
      for await (const event of events) add(event);
    }
  };
  return async (after) => {
    try {
      await readAll(follow(after));
      return { streams: read.streams };
    } catch (error) {
      return { streams: read.streams, error };
    }
  };
}

async function within<T>(ms: number, work: Promise<T>, otherwise: string): Promise<T> {
  const timer = new AbortController();
  const late = pause(ms, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`${otherwise} (${ms} ms)`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
