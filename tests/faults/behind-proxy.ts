// For tests of one fault: a sandbox behind a proxy, and the same sandbox past it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before } from "node:test";
import { type ClientOptions, Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import type { Fault } from "./exchange.js";
import { Peer, type PeerName, PEERS } from "./peer.js";
import { FaultProxy, type Seen } from "./proxy.js";
import { Random } from "./random.js";

export interface Behind {
  /** The sandbox as it is reached through the proxy. */
  sandbox: Sandbox;
  /** The same sandbox, where nothing disturbs. */
  direct: Sandbox;
  proxy: FaultProxy;
  /** Where the sandbox is, through the proxy. */
  address: { sandboxId: string; proxyUrl: string; apiKey: string };
}

export interface Conditions extends ClientOptions {
  faults?: Fault[];
  /** Whether the last fault never ends. */
  forever?: boolean;
  peer?: PeerName | Peer;
}

let server: LocalServer;
before(async () => {
  server = await startLocal();
});
after(() => server.close());

/** Runs `work` with a sandbox behind a proxy; the other fields are the client's. */
export async function behindProxy<T>(
  conditions: Conditions,
  work: (behind: Behind) => Promise<T>,
): Promise<T> {
  const { faults = [], forever = false, peer = "local", ...client } = conditions;
  const { url: upstream, apiKey } = server;
  const direct = await Sandbox.create({ apiUrl: upstream, apiKey });
  const played = peer instanceof Peer ? peer : new Peer(PEERS[peer], new Random(1));
  const proxy = await FaultProxy.listen({ upstream, faults, forever, peer: played });
  try {
    const { sandboxId } = direct;
    const address = { sandboxId, proxyUrl: `${proxy.url}/s/${sandboxId}`, apiKey };
    return await work({ direct, proxy, address, sandbox: await Sandbox.connect({ ...address, ...client }) });
  } catch (error) {
    console.error(proxy.trace.join("\n"));
    throw error;
  } finally {
    await proxy.close();
    await direct.terminate();
  }
}

/** Waits for a request, the first or a later one, with this method and end of its path. */
export async function requested(proxy: FaultProxy, method: string, end: string, number = 1): Promise<Seen> {
  for (;;) {
    const seen = proxy.requests(method, end)[number - 1];
    if (seen) return seen;
    await new Promise<void>((resolve) => {
      proxy.onExchange = () => {
        resolve();
      };
    });
  }
}

/** How long after `since` the server sees an exchange's connection close, ms. */
export async function closedAfter({ socket }: Seen, since: number): Promise<number> {
  if (!socket.closed) await once(socket, "close");
  return performance.now() - since;
}

/** Fails unless `promise` rejects with an error of Shoreline that has this code; gives the error. */
export async function rejects(promise: PromiseLike<unknown>, code: string): Promise<ShorelineError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    assert.ok(error instanceof ShorelineError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  return assert.fail(`expected ${code}, got ${JSON.stringify(value)}`);
}

/** The lines of an iteration. */
export async function linesOf(output: AsyncIterable<{ line: string }>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of output) lines.push(line);
  return lines;
}
