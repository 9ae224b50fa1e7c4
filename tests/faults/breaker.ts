// Passes connections on, and does to those that become WebSockets what a schedule says.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { OWN_ADDRESS } from "../helpers/loopback.js";
import { type Break, type Shape, Wire } from "./wire.js";

/** What happens to one WebSocket; `after` counts from the head of the answer that opens it. */
export interface SocketFault {
  shape?: Shape;
  connection?: Break;
}

export class Breaker {
  /** What happens to the WebSockets to come, one after the other; those after them are not touched. */
  faults: SocketFault[] = [];
  /** How the WebSockets were broken off. */
  readonly broken: string[] = [];
  /** How many there were. */
  sockets = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(upstream: number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const server = connect({ port: upstream, host: "127.0.0.1", noDelay: true });
      for (const socket of [client, server]) {
        this.#open.add(socket);
        socket.on("error", () => socket.destroy()).on("close", () => this.#open.delete(socket));
      }
      client.pipe(server);
      client.on("close", () => server.destroy());
      void this.#answer(server, client).finally(() => {
        client.end();
        server.destroy();
      });
    });
  }

  static async before(url: string): Promise<Breaker> {
    const breaker = new Breaker(Number(new URL(url).port));
    await once(breaker.#server.listen(0, OWN_ADDRESS), "listening");
    return breaker;
  }

  get url(): string {
    return `http://${OWN_ADDRESS}:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(server: Socket, client: Socket): Promise<void> {
    let wire: Wire | undefined;
    try {
      for await (const chunk of server as AsyncIterable<Buffer>) {
        if (!wire) {
          const isSocket = chunk.toString("latin1", 0, 12) === "HTTP/1.1 101";
          if (isSocket) this.sockets++;
          const { shape = "whole", connection } = (isSocket ? this.faults.shift() : undefined) ?? {};
          wire = new Wire(client, shape, connection);
        }
        if (!(await wire.write(chunk))) break;
      }
    } catch {
      // The client has gone, and the server's side with it.
    }
    if (wire?.broken) this.broken.push(wire.broken);
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }
}
