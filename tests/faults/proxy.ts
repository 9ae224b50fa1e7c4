// A proxy between the client and a local server that does to the traffic what a schedule says.
import { once } from "node:events";
import { Agent } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { OWN_ADDRESS } from "../helpers/loopback.js";
import { exchange, type Fault, isStart, type Outcome } from "./exchange.js";
import { parse, type Request } from "./http1.js";
import { Peer, PEERS } from "./peer.js";
import { Random } from "./random.js";

export interface ProxyOptions {
  /** The local server's address. */
  upstream: string;
  /** What kind of server is played. Default: the local one. */
  peer?: Peer;
  /** What happens to the exchanges, one after the other. Default: nothing. */
  faults?: Fault[];
  /** Whether the last fault happens to every further exchange. */
  forever?: boolean;
  /** Whether a stream's end is the connection's. */
  closes?: boolean;
}

/** An exchange, as the proxy sees it. */
export interface Seen {
  request: Request;
  socket: Socket;
  /** Once it has ended. */
  outcome: Promise<Outcome>;
}

/** Ports of proxies that take no connection at the moment: the system gives them to others. */
const refusing = new Set<number>();

export class FaultProxy {
  readonly exchanges: Seen[] = [];
  /** What happened, for people. */
  readonly trace: string[] = [];
  /** The kinds of faults that happened. */
  readonly happened: string[] = [];
  /** Told of each exchange as it begins. */
  onExchange: (seen: Seen) => void = () => undefined;
  readonly #options: ProxyOptions;
  readonly #peer: Peer;
  readonly #faults: Fault[];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();
  readonly #began = Date.now();
  #server: Server | undefined;
  #port = 0;
  #closed = false;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#peer = options.peer ?? new Peer(PEERS.local, new Random(0));
    this.#faults = [...(options.faults ?? [])];
  }

  static async listen(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await proxy.#listen();
    return proxy;
  }

  get url(): string {
    return `http://${OWN_ADDRESS}:${this.#port}`;
  }

  /** The exchanges whose request has this method and end of its path. */
  requests(method: string, end: string): Seen[] {
    return this.exchanges.filter(({ request }) => request.method === method && request.path.endsWith(end));
  }

  /** The exchanges that start a command. */
  get starts(): Seen[] {
    return this.exchanges.filter(({ request }) => isStart(request));
  }

  /** From now on nothing happens. */
  repair(): void {
    this.#faults.length = 0;
  }

  /** Takes no connection for a while, and drops those that there are. */
  async refuse(ms: number): Promise<void> {
    this.#note(`takes no connection for ${ms} ms`);
    this.happened.push("refusal");
    // Another exchange has asked for it, too.
    if (refusing.has(this.#port)) return;
    refusing.add(this.#port);
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await pause(ms);
    if (!this.#closed) await this.#listen();
    refusing.delete(this.#port);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#agent.destroy();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server?.listening) await once(this.#server.close(), "close");
  }

  /** At the same port as before, if there was one. */
  async #listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    const before = this.#port;
    await once(server.listen(before, OWN_ADDRESS), "listening");
    this.#port = (server.address() as AddressInfo).port;
    if (before === 0 && refusing.has(this.#port)) {
      server.close();
      this.#port = 0;
      return this.#listen();
    }
    if (this.#closed) server.close();
    this.#server = server;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let bytes: Buffer = Buffer.alloc(0);
    let busy = false;
    const serve = async () => {
      if (busy) return;
      busy = true;
      for (let next = parse(bytes); next && socket.writable; next = parse(bytes)) {
        bytes = next.rest;
        await this.#exchange(next.request, socket);
      }
      busy = false;
    };
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      serve().catch((error: unknown) => {
        this.#note(`the proxy failed: ${String(error)}`);
        this.happened.push("failure of the proxy");
        socket.destroy();
      });
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async #exchange(request: Request, socket: Socket): Promise<void> {
    const number = this.exchanges.length + 1;
    const last = request.headers.get("last-event-id");
    const path = request.path.replace(/^.*\/api\/v1/, "");
    this.#note(`#${number} ${request.method} ${path}${last ? ` after ${last}` : ""}`);
    const fault = this.#nextFault();
    const parties = { socket, peer: this.#peer, agent: this.#agent, closes: this.#options.closes ?? false };
    const outcome = exchange(request, fault, { ...parties, upstream: this.#options.upstream });
    const seen = { request, socket, outcome };
    this.exchanges.push(seen);
    this.onExchange(seen);
    const { happened, note } = await outcome;
    this.happened.push(...happened);
    this.#note(`#${number} ${note}${happened.length > 0 ? ` (${happened.join(", ")})` : ""}`);
    if (fault.refuseMs !== undefined) void this.refuse(fault.refuseMs);
  }

  #nextFault(): Fault {
    const [fault = {}, ...rest] = this.#faults;
    if (rest.length > 0 || !this.#options.forever) this.#faults.shift();
    return fault;
  }

  #note(what: string): void {
    this.trace.push(`${String(Date.now() - this.#began).padStart(6)} ms  ${what}`);
  }
}
