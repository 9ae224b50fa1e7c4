// The console's page over HTTP: the files of this package that it is made of, and tokens for who has its link.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname } from "node:path";
import { ShorelineError } from "shoreline";
import { Failure } from "./exit.js";

/** What the page reaches the server with. */
export interface Granted {
  apiUrl?: string;
  /** Instead of `apiUrl`: the address of lifecycle requests without a namespace. */
  sandboxApiUrl?: string;
  namespace?: string;
  token: string;
  /** Seconds. */
  expiresIn: number;
  /** Whether everything passes through this command. WebSockets then carry the token. */
  relayed?: boolean;
}

/** Answers what is not the page's. Returns false for a path that it does not have. */
type Further = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

const PACKAGE = new URL("../", import.meta.url);
const FOLDERS = ["console", "entry", "chunks", "core", "tree"];
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".map": "application/json",
  ".wasm": "application/wasm",
};
/** A secret is shorter. */
const BODY_BYTES = 128;

export const secret = () => randomBytes(24).toString("base64url");

/** In constant time, whatever is given. */
export function same(given: string, known: string | undefined): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return known !== undefined && timingSafeEqual(hash(given), hash(known));
}

export class ConsolePage {
  /** What opens the page. Its secret stands where browsers send it to nobody. */
  readonly link: string;
  readonly #origin: string;
  readonly #grant: () => Promise<Granted>;
  readonly #further: Further | undefined;
  readonly #files = new Map<string, URL>();
  readonly #headers: Record<string, string>;
  /** Secret of the link, until it is used: the link works once. */
  #once: string | undefined = secret();
  /** Of the tab that used it. */
  readonly #pass = secret();

  /** `servers` are the origins that the page may connect to besides its own. */
  constructor(origin: string, servers: string[], grant: () => Promise<Granted>, further?: Further) {
    this.#origin = origin;
    this.#grant = grant;
    this.#further = further;
    this.link = `${origin}/console/#${this.#once ?? ""}`;
    for (const folder of FOLDERS) {
      for (const name of readdirSync(new URL(folder, PACKAGE)))
        if (extname(name) in TYPES)
          this.#files.set(`/${folder}/${name}`, new URL(`${folder}/${name}`, PACKAGE));
    }
    const page = new URL("console/page.html", PACKAGE);
    this.#files.set("/console/", page);
    const inline = /<script type="importmap">(.*?)<\/script>/s.exec(readFileSync(page, "utf8"))?.[1] ?? "";
    const map = createHash("sha256").update(inline).digest("base64");
    this.#headers = {
      "Content-Security-Policy": [
        "default-src 'none'",
        `script-src 'self' 'wasm-unsafe-eval' 'sha256-${map}'`,
        // xterm.js makes style elements.
        "style-src 'self' 'unsafe-inline'",
        // Some browsers do not take WebSockets for 'self'.
        `connect-src 'self' ${[origin.replace("http", "ws"), ...servers.flatMap((at) => [at, at.replace("http", "ws")])].join(" ")}`,
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; "),
      "Cache-Control": "no-store",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    };
  }

  /** Whether a request names this server, unlike a name that somebody points here (DNS rebinding), and is no other page's. */
  isOwn({ headers: { host = "", origin = this.#origin } }: IncomingMessage): boolean {
    return `http://${host}` === this.#origin && origin === this.#origin;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value);
    const { method, url = "/" } = request;
    if (!this.isOwn(request)) {
      response.writeHead(403).end("This page is reached by the link that `shoreline console` printed.");
      return;
    }
    if (await this.#further?.(request, response)) return;
    if (method === "POST" && (url === "/pass" || url === "/token")) {
      await this.#give(url, request, response);
      return;
    }
    const file = this.#files.get(url);
    if (method !== "GET" || !file) {
      response.writeHead(method === "GET" ? 404 : 405).end();
      return;
    }
    response.setHeader("Content-Type", TYPES[extname(file.pathname)] ?? "");
    response.end(readFileSync(file));
  }

  async #give(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = await bodyOf(request).catch(() => "");
    try {
      if (url === "/pass") {
        if (!same(given, this.#once))
          throw new Refused("The link was used already. Start `shoreline console` again.");
        this.#once = undefined;
        answerJson(response, { pass: this.#pass });
        return;
      }
      if (!same(given, this.#pass))
        throw new Refused(
          "This tab is not the console's. Open the link that `shoreline console` printed last.",
        );
      answerJson(response, await this.#grant());
    } catch (error) {
      const status = error instanceof Refused ? 403 : 503;
      const known = error instanceof Refused || error instanceof Failure || ShorelineError.is(error);
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      response.writeHead(status).end(known ? error.message : "the server issued no token");
    }
  }
}

class Refused extends Error {}

function answerJson(response: ServerResponse, answer: object): void {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(answer));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk as string;
    if (text.length > BODY_BYTES) {
      request.destroy();
      throw new RangeError("too long");
    }
  }
  return text;
}
