// The way from a page to a server, which can be cut. The server names its own address, which becomes the way's.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Way {
  readonly #to: number;
  readonly #open = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(url: string) {
    this.#to = Number(new URL(url).port);
  }

  static async to(url: string): Promise<Way> {
    const way = new Way(url);
    await way.mend();
    return way;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Breaks every connection, and takes no new ones. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#open) socket.destroy();
    if (!server) return;
    server.close();
    await once(server, "close");
  }

  async mend(): Promise<void> {
    const server = createServer((socket) => {
      this.#join(socket);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  #join(client: Socket): void {
    const server = connect(this.#to, "127.0.0.1");
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#open.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#open.delete(one);
        other.destroy();
      });
    }
    client.pipe(server);
    // Ports are of the same length, so that lengths stay as they are.
    const [known, mine] = [`127.0.0.1:${this.#to}/s/`, `127.0.0.1:${this.#port}/s/`];
    server.on("data", (chunk: Buffer) => {
      const at = chunk.indexOf(known);
      client.write(
        at === -1 ? chunk : Buffer.from(chunk.toString("latin1").replaceAll(known, mine), "latin1"),
      );
    });
    server.on("end", () => client.end());
  }
}
