// A response on its way to the client, byte by byte as a bad connection would carry it.
import type { Socket } from "node:net";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";

/** How the bytes of a response come. */
export type Shape = "whole" | "split" | "trickled";

/** How a connection ends before its response does. */
export interface Break {
  how: "reset" | "finish" | "stall";
  /** After how many bytes of the response, its head among them. */
  after: number;
}

/** Lengths of the pieces of a split response, again and again: no line, event or character is safe. */
const LENGTHS = [1, 211, 2, 37, 1009, 3, 17, 4999, 61, 40_009, 5];

/** The first bytes of a trickled body come one by one, this often and so far apart. */
const DROPS = 20;
const DROP_MS = 60;
/** What of the response is its head, roughly. */
const HEAD = 120;

/** Writes one response. */
export class Wire {
  /** Bytes written. */
  sent = 0;
  /** How the connection was broken off. */
  broken: Break["how"] | undefined;
  readonly shape: Shape;
  readonly #socket: Socket;
  readonly #break: Break | undefined;
  #pieces = 0;

  constructor(socket: Socket, shape: Shape, fault: Break | undefined) {
    this.#socket = socket;
    this.shape = shape;
    this.#break = fault;
  }

  /** Writes; whether the connection is still good. It waits for a client that does not read. */
  async write(bytes: Buffer): Promise<boolean> {
    const room = this.#break ? this.#break.after - this.sent : Infinity;
    let left = bytes.subarray(0, room);
    while (left.length > 0) {
      if (this.#socket.destroyed) return false;
      const piece = left.subarray(0, this.#nextLength());
      left = left.subarray(piece.length);
      this.sent += piece.length;
      if (!this.#socket.write(piece)) await drained(this.#socket);
      if (this.shape === "split") await turn();
      else if (this.shape === "trickled" && this.#pieces <= DROPS) await pause(DROP_MS);
    }
    if (bytes.length > room) await this.#breakOff();
    return this.broken === undefined && !this.#socket.destroyed;
  }

  #nextLength(): number {
    const number = this.#pieces++;
    if (this.shape === "split") return LENGTHS[number % LENGTHS.length] as number;
    if (this.shape === "whole" || number > DROPS) return Infinity;
    return number === 0 ? HEAD : 1;
  }

  async #breakOff(): Promise<void> {
    const how = this.#break?.how;
    this.broken = how;
    if (how === "finish") this.#socket.end();
    if (how === "reset") this.#socket.resetAndDestroy();
    await closed(this.#socket);
  }
}

/** Waits until the client has read, or has gone. */
async function drained(socket: Socket): Promise<void> {
  if (socket.destroyed || !socket.writableNeedDrain) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/** Waits until the client has gone. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
}
