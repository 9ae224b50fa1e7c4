// The way from a client to a server, which can be cut. The server names its own address, which becomes the way's.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Way {
  readonly #to: number;
  readonly #open = new Set<Socket>();
  readonly #server: Server;
  #isCut = false;
  #port = 0;
  /** The server is to be as one without flow control of terminals. */
  uncontrolled = false;
  /** Called with what clients send, before it is passed on. */
  onSent: (chunk: Buffer) => void = () => undefined;

  private constructor(url: string) {
    this.#to = Number(new URL(url).port);
    this.#server = createServer((socket) => {
      if (this.#isCut) socket.resetAndDestroy();
      else this.#join(socket);
    });
  }

  static async to(url: string): Promise<Way> {
    const way = new Way(url);
    way.#server.listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    way.#port = (way.#server.address() as AddressInfo).port;
    return way;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Breaks every connection and all that are tried. The port stays taken, or another program might get it. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
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
    client.on("data", (chunk: Buffer) => {
      this.onSent(chunk);
      const text = this.uncontrolled && chunk.includes("&credit=") && chunk.toString("latin1");
      server.write(text ? Buffer.from(text.replace(/&credit=\d+/, ""), "latin1") : chunk);
    });
    client.on("end", () => server.end());
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
