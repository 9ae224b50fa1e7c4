// Output over a WebSocket that breaks, wherever it does: every byte once, as over requests.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { Breaker, type SocketFault } from "./breaker.js";
import { Random } from "./random.js";
import { SHAPES } from "./schedule.js";
import { type StreamName, type Workload, workload } from "./workload.js";

const first = Number(process.env.FAULTS_FIRST ?? 1);
const count = Number(process.env.FAULTS_COUNT ?? 100);
const transport = "websocket";
const reconnect = { maxAttempts: 40, maxDelayMs: 10 };
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

let server: LocalServer;
let direct: Sandbox;
before(async () => {
  server = await startLocal();
  direct = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
});
after(() => server.close());

/** The sandbox behind a breaker, for as long as `work` takes. */
async function broken<T>(
  faults: SocketFault[],
  sandbox: Sandbox,
  work: (behind: Sandbox, breaker: Breaker) => Promise<T>,
): Promise<T> {
  const breaker = await Breaker.before(server.url);
  breaker.faults = faults;
  const stalls = faults.some(({ connection }) => connection?.how === "stall");
  try {
    const { sandboxId } = sandbox;
    const behind = await Sandbox.connect({
      sandboxId,
      proxyUrl: `${breaker.url}/s/${sandboxId}`,
      apiKey: server.apiKey,
      // So short only where a stall has to be waited for.
      idleTimeout: stalls ? 1 : 60,
      connectTimeout: stalls ? 2 : 60,
    });
    return await work(behind, breaker);
  } finally {
    breaker.close();
  }
}

/** Follows a process to its end, and gives the bytes of both streams. */
async function follow(sandbox: Sandbox, pid: number, pieces: boolean): Promise<Record<StreamName, Buffer>> {
  const parts: Record<StreamName, Uint8Array[]> = { stdout: [], stderr: [] };
  for await (const event of sandbox.followOutput(pid, { transport, pieces, reconnect }))
    parts[event.stream as StreamName].push(event.bytes);
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr) };
}

void suite("a cut after every byte", { concurrency: 8 }, () => {
  const LANES = 8;
  const written = { stdout: "a\nb\nc d e f\nlast", stderr: "err\n" };
  /** The head of the answer, and of the output all messages. */
  const BYTES = 900;
  for (let lane = 0; lane < LANES; lane++) {
    test(`after byte ${lane} and every ${LANES}th one that follows`, async () => {
      const args = ["-c", 'printf "$1"; printf "$2" >&2', "sh", written.stdout, written.stderr];
      const { pid } = await direct.startProcess("sh", { args });
      for (let at = lane; at < BYTES; at += LANES) {
        const fault: SocketFault = { connection: { how: at % 2 ? "reset" : "finish", after: at } };
        await broken([fault], direct, async (behind, breaker) => {
          const { stdout, stderr } = await follow(behind, pid, at % 3 === 0);
          assert.deepEqual([String(stdout), String(stderr)], [written.stdout, written.stderr], `${at}`);
          assert.ok(breaker.broken.length === 1 || at > 500, `nothing was broken after ${at}`);
        });
      }
    });
  }
});

interface Plan {
  workloads: Workload[];
  faults: SocketFault[];
  pieces: boolean;
  runs: boolean;
}

function planOf(seed: number): Plan {
  const random = new Random(seed);
  const runs = random.chance(0.3);
  const pieces = random.chance(0.4);
  const workloads = Array.from({ length: random.int(1, 5) }, () =>
    workload(random, { mayTimeOut: false, brief: false, pieces, stderr: false }),
  );
  const faults = Array.from({ length: random.int(1, 5) }, () => faultOf(random));
  return { workloads, faults, pieces, runs };
}

/** How many bytes of a socket come before it breaks. */
const FAR = { head: [0, 160], begin: [160, 600], middle: [600, 6000], far: [6000, 400_000] } as const;

function faultOf(random: Random): SocketFault {
  const how = random.weighted({ reset: 4, finish: 4, stall: 1, none: 1 });
  const [least, most] = FAR[random.weighted({ head: 2, begin: 3, middle: 4, far: 2 })];
  const after = random.int(least, most);
  return { shape: random.weighted(SHAPES), ...(how !== "none" && { connection: { how, after } }) };
}

const seen = new Set<string>();

void suite("schedules", { concurrency: 8, timeout: Infinity }, () => {
  for (let seed = first; seed < first + count; seed++) {
    test(`seed ${seed}`, { timeout: 300_000 }, async () => {
      const plan = planOf(seed);
      const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
      try {
        await broken(plan.faults, sandbox, async (behind, breaker) => {
          await Promise.all(
            plan.workloads.map((work) => (plan.runs ? run : followed)(sandbox, behind, work, plan)),
          );
          for (const how of breaker.broken) seen.add(how);
        });
      } finally {
        await sandbox.terminate();
      }
    });
  }
});

test("connections were broken off in every way", { skip: count < 50 && "too few" }, () => {
  assert.deepEqual(seen, new Set(["reset", "finish", "stall"]));
});

async function followed(sandbox: Sandbox, behind: Sandbox, work: Workload, { pieces }: Plan): Promise<void> {
  const { pid } = await sandbox.startProcess("sh", { args: work.args });
  compare(await follow(behind, pid, pieces), work);
}

async function run(_: Sandbox, behind: Sandbox, work: Workload, { pieces }: Plan): Promise<void> {
  try {
    const result = await behind.run("sh", { args: work.args, transport, pieces, reconnect });
    const { ending } = work;
    const expected =
      ending.how === "code" ? [ending.code, null] : [null, ending.how === "signal" ? ending.signal : 0];
    assert.deepEqual([result.exitCode, result.signal], expected);
    compare({ stdout: Buffer.from(result.stdoutBytes), stderr: Buffer.from(result.stderrBytes) }, work);
  } catch (error) {
    // Whether it ran cannot be known where its socket broke before its stream began.
    if (!(error instanceof ShorelineError && error.code === "run_outcome_unknown")) throw error;
  }
}

function compare(given: Record<StreamName, Buffer>, { written }: Workload): void {
  for (const stream of ["stdout", "stderr"] as const) {
    const [is, was] = [given[stream], written[stream]];
    assert.equal(sha256(is), sha256(was), `${stream}: ${is.length} bytes of ${was.length}`);
  }
}
