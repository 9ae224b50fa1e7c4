// One request and its answer, with what a schedule does to them.
import { type Agent, type IncomingMessage, request as send } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { answer, chunk, head, LAST_CHUNK, type Request } from "./http1.js";
import type { Peer } from "./peer.js";
import { type Break, closed, type Shape, Wire } from "./wire.js";

/** What happens to one exchange. */
export interface Fault {
  /** How long the answer is held back, ms. */
  delayMs?: number;
  shape?: Shape;
  /** How the connection ends before the answer does. */
  connection?: Break;
  /** After how many bytes of its body a stream ends as if it were whole. */
  early?: number;
  /** The proxy answers by itself, or hangs up; nothing reaches the server. */
  instead?: Instead;
  /** For how long no connection is taken afterwards, ms. */
  refuseMs?: number;
}

export type Instead = "hang up" | keyof typeof ANSWERS;

/** What both sides of an exchange are. */
export interface Parties {
  socket: Socket;
  peer: Peer;
  /** The server's address. */
  upstream: string;
  agent: Agent;
  /** Whether a stream's end is the connection's. */
  closes: boolean;
}

/** Its result. */
export interface Outcome {
  /** The kinds of faults that happened. */
  happened: string[];
  /** Whether the server got the request. */
  reached: boolean;
  /** Whether the first event of a stream, or another answer as a whole, was sent. */
  begun: boolean;
  /** For people. */
  note: string;
}

const PAGE = "<!doctype html><title>Sorry</title><p>We will be back.";
const NOT_NOW = '{"error":"Not now"}';
const JSON_TYPE = "application/json";

/** What the proxy answers by itself. */
const ANSWERS = {
  page: answer(200, "text/html", PAGE),
  "502 page": answer(502, "text/html", PAGE),
  "429": answer(429, JSON_TYPE, NOT_NOW, { "Retry-After": 0 }),
  "429 for 1 s": answer(429, JSON_TYPE, NOT_NOW, { "Retry-After": 1 }),
  "502": answer(502, JSON_TYPE, NOT_NOW),
  "503": answer(503, JSON_TYPE, NOT_NOW),
  "504": answer(504, JSON_TYPE, NOT_NOW),
};
const EVENTS = "text/event-stream";

/** Whether it starts the command. */
export function isStart(request: Request): boolean {
  return request.method === "POST" && /\/processes(\/run)?$/.test(request.path);
}

export async function exchange(request: Request, fault: Fault, parties: Parties): Promise<Outcome> {
  const { socket, peer } = parties;
  const wire = new Wire(socket, fault.shape ?? "whole", fault.connection);
  const happened: string[] = [];
  if (fault.delayMs !== undefined) {
    happened.push("delay");
    await pause(fault.delayMs);
  }
  if (wire.shape !== "whole") happened.push(wire.shape);
  const outcome = { happened, reached: false, begun: false };

  if (fault.instead === "hang up") {
    happened.push("hang up");
    socket.end();
    await closed(socket);
    return { ...outcome, note: "hung up" };
  }
  if (fault.instead !== undefined) {
    happened.push(fault.instead);
    await wire.write(ANSWERS[fault.instead]);
    return { ...outcome, note: `answered ${fault.instead}` };
  }
  const own = ownAnswer(request, peer) ?? engineAnswer(request, parties);
  const reached = own === undefined && !socket.destroyed;
  const stream = reached ? engineStream(request, parties) : undefined;
  const response = reached && !stream ? await forwarded(request, parties) : undefined;
  let passed: Passed | undefined;
  if (own) passed = { begun: await wire.write(own), early: false };
  else if (stream) passed = await passEvents(stream, 200, fault, wire, parties);
  else if (response) passed = await pass(request, response, fault, wire, parties);
  if (passed?.early) happened.push("early end");
  if (wire.broken) happened.push(wire.broken);
  const how = passed?.early ? "ended early" : (wire.broken ?? (socket.destroyed ? "left" : "whole"));
  return {
    happened,
    reached,
    begun: passed?.begun ?? false,
    note: `${response?.statusCode ?? "own answer"}, ${wire.sent} bytes, ${how}`,
  };
}

/** What the played server answers where the one behind it would not. */
function ownAnswer(request: Request, peer: Peer): Buffer | undefined {
  const { run } = peer.traits;
  // The local server's own.
  if (!peer.traits.extends && request.path.endsWith("/exit/follow")) return answer(404, "", "");
  if (request.path.endsWith("/processes/run") && run !== "stream") return answer(run, "", "");
  const refusal = request.method === "GET" && peer.refusal(request.path.endsWith("/follow"));
  if (!refusal) return undefined;
  const body = JSON.stringify({ error: "It is not here any more", code: refusal.code });
  return answer(refusal.status, JSON_TYPE, body);
}

/** The process that a request is about, and what it asks for of it. */
function processOf({ path }: Request): [process: string, what: string] | undefined {
  const [, process, what] = /^(.*\/processes\/\d+)\/?(.*)$/.exec(path) ?? [];
  return process === undefined || what === undefined ? undefined : [process, what];
}

/** What the open-source daemon has in its files. */
function engineAnswer(request: Request, { peer, upstream }: Parties): Buffer | undefined {
  const [process, what] = (peer.engine && processOf(request)) ?? [];
  if (!peer.engine || process === undefined) return undefined;
  peer.engine.begin(upstream + process, { authorization: request.headers.get("authorization") ?? "" });
  if (request.method !== "GET") return undefined;
  if (what === "stdout" || what === "stderr") return answer(200, JSON_TYPE, peer.engine.json(what));
  return what === "output" ? answer(200, JSON_TYPE, peer.engine.json(undefined)) : undefined;
}

/** What the open-source daemon sends to a follower. */
function engineStream(request: Request, { peer, socket }: Parties): AsyncIterable<Buffer> | undefined {
  const [, what = ""] = (peer.engine && processOf(request)) ?? [];
  const [name, follow] = what.split("/");
  if (!peer.engine || follow !== "follow") return undefined;
  const left = new AbortController();
  socket.once("close", () => {
    left.abort();
  });
  return peer.engine.stream(name === "stdout" || name === "stderr" ? name : undefined, left.signal);
}

/** The server's answer; undefined when the client, who wanted to know something, goes before. */
function forwarded(request: Request, parties: Parties): Promise<IncomingMessage | undefined> {
  const { socket, peer, upstream, agent } = parties;
  const { method, path, query, body } = request;
  const headers: Record<string, string> = Object.fromEntries(request.headers);
  for (const name of ["host", "connection", "last-event-id"]) Reflect.deleteProperty(headers, name);
  const last = peer.lastEventId(request.headers.get("last-event-id"));
  if (last !== undefined) headers["last-event-id"] = last;
  return new Promise((resolve, reject) => {
    const sent = send(new URL(path + query, upstream), { method, headers, agent });
    const leave = () => sent.destroy();
    // A request that changes something is carried out even if the client disconnects.
    if (method === "GET") socket.once("close", leave);
    sent.on("response", (response) => {
      response.once("close", () => socket.off("close", leave));
      resolve(response);
    });
    sent.on("error", (error) => {
      if (socket.destroyed) resolve(undefined);
      else reject(error);
    });
    sent.end(body);
  });
}

interface Passed {
  begun: boolean;
  early: boolean;
}

async function pass(
  request: Request,
  response: IncomingMessage,
  fault: Fault,
  wire: Wire,
  parties: Parties,
): Promise<Passed> {
  const { socket, peer } = parties;
  const { statusCode: status = 0 } = response;
  const type = response.headers["content-type"] ?? "";
  const ask = { isRun: isStart(request), lastEventId: request.headers.get("last-event-id") };
  try {
    if (type === EVENTS) return await passEvents(peer.stream(response, ask), status, fault, wire, parties);
    let body: Buffer = Buffer.concat(await response.toArray());
    if (type === JSON_TYPE && status < 300) body = await peer.json(body);
    return { begun: await wire.write(answer(status, type, body)), early: false };
  } catch (error) {
    // The client has gone, and the server's answer with it.
    if (!socket.destroyed) throw error;
    return { begun: false, early: false };
  } finally {
    response.destroy();
  }
}

async function passEvents(
  events: AsyncIterable<Buffer>,
  status: number,
  fault: Fault,
  wire: Wire,
  { socket, closes }: Parties,
): Promise<Passed> {
  const passed = { begun: false, early: false };
  const framing = closes ? { Connection: "close" } : { "Transfer-Encoding": "chunked" };
  let left = fault.early ?? Infinity;
  try {
    if (!(await wire.write(head(status, { "Content-Type": EVENTS, ...framing })))) return passed;
    for await (const whole of events) {
      const piece = whole.subarray(0, left);
      left -= piece.length;
      passed.early = piece.length < whole.length;
      if (piece.length > 0 && !(await wire.write(closes ? piece : chunk(piece)))) return passed;
      if (passed.early) break;
      passed.begun = true;
    }
    if (closes) socket.end();
    else await wire.write(LAST_CHUNK);
  } catch (error) {
    if (!socket.destroyed) throw error;
  }
  return passed;
}
