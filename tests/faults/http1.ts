// As much of HTTP/1.1 as the proxy speaks by itself, so that every byte of an answer is its own.

export interface Request {
  method: string;
  path: string;
  /** With its question mark. */
  query: string;
  headers: Map<string, string>;
  body: Buffer;
}

/** The first whole request of `bytes`, and what follows it. */
export function parse(bytes: Buffer): { request: Request; rest: Buffer } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const [path = ""] = target.split("?");
  const headers = new Map(
    lines.map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
  if (headers.has("transfer-encoding")) throw new Error("the proxy takes no chunked requests");
  const start = end + 4;
  const length = Number(headers.get("content-length") ?? 0);
  if (bytes.length < start + length) return undefined;
  const body = bytes.subarray(start, start + length);
  return {
    request: { method, path, query: target.slice(path.length), headers, body },
    rest: bytes.subarray(start + length),
  };
}

/** An answer's head. */
export function head(status: number, fields: Record<string, string | number>): Buffer {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n`);
}

/** A whole answer. */
export function answer(status: number, type: string, body: Buffer | string, fields = {}): Buffer {
  const bytes = Buffer.from(body);
  const given = { ...fields, ...(type && { "Content-Type": type }), "Content-Length": bytes.length };
  return Buffer.concat([head(status, status === 204 ? {} : given), bytes]);
}

/** A part of a body whose length is not known beforehand. */
export function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

export const LAST_CHUNK = Buffer.from("0\r\n\r\n");
