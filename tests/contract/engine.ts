// An older server of this API, as the open-source engine is: it ignores what it does not know, and answers as if
// it had done what was asked for.

/** How this one differs from that engine. */
export interface Traits {
  /** Processes have names as addresses, which a start ignores. */
  names?: boolean;
  /** What a new sandbox gets, whatever was asked for. */
  resources?: object;
  timeoutSecs?: number;
  /** The name that a new sandbox gets. */
  name?: string;
  /** A create is answered with `running` and the place, and nothing else. */
  terse?: boolean;
  /** A create is answered with `pending`, the place and the name. */
  pending?: boolean;
}

/** The largest body that it takes. */
export const BODY = 2 * 1024 * 1024;

const missing = (status = 404) => new Response(null, { status });
const text = (body: string, status: number) =>
  new Response(body, { status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
const notFound = (what: string) =>
  Response.json({ error: `${what} not found`, code: "NOT_FOUND" }, { status: 404 });

/** Everything that it was asked for, and how it answers. */
export class Engine {
  /** Where it is reached. */
  url = "http://engine.invalid";
  /** The requests, as `METHOD /path`. */
  readonly sent: string[] = [];
  /** The bodies of creates and starts. */
  readonly bodies: Record<string, unknown>[] = [];
  readonly #traits: Traits;
  readonly #waiting: [string, () => void][] = [];

  constructor(traits: Traits = {}) {
    this.#traits = traits;
  }

  /** Waits until it has been asked for this. */
  asked(request: string): Promise<void> {
    if (this.sent.includes(request)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push([request, resolve]));
  }

  readonly fetch = async (input: string, init?: RequestInit): Promise<Response> => {
    const { method = "GET", body } = init ?? {};
    const { pathname } = new URL(input);
    const request = `${method} ${pathname.replace(/^\/(v1\/namespaces\/default|proxy\/made\/api\/v1)/, "")}`;
    this.sent.push(request);
    for (const [wanted, resolve] of this.#waiting) if (wanted === request) resolve();
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    if (bytes.length > BODY) return text("Failed to buffer the request body: length limit exceeded", 413);
    const json = () => {
      const given = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
      this.bodies.push(given);
      return given;
    };
    const [verb, path = ""] = request.split(" ");
    const [, kind, id, what] = path.split("/");
    if (kind === "sandboxes")
      return this.#lifecycle(request.replace("/sandboxes", "").replace(" /", " "), json);
    if (kind === "files") return missing(verb === "PUT" ? 204 : 405);
    if (kind !== "processes") return kind === "info" ? Response.json(INFO) : missing();
    if (id === undefined) return verb === "POST" ? this.#start(json()) : Response.json({ processes: [] });
    if (verb === "POST" && id === "run") return missing(405);
    if (!/^\d+$/.test(id) && !this.#traits.names)
      return text(`Invalid URL: Cannot parse \`${id}\` to a \`u32\``, 400);
    if (what === "restart") return missing();
    if (what !== undefined) return Response.json({ pid: Number(id), lines: [], line_count: 0 });
    return verb === "DELETE" ? missing(204) : notFound(`Process ${id}`);
  };

  #lifecycle(request: string, json: () => Record<string, unknown>): Response {
    const { resources, timeoutSecs, name, terse, pending } = this.#traits;
    const place = { sandbox_url: `${this.url}/proxy/made` };
    const given = this.bodies.at(-1) as
      { resources?: Record<string, number>; timeout_secs?: number } | undefined;
    switch (request) {
      case "POST ": {
        const { name: asked } = json();
        return Response.json({
          sandbox_id: "made",
          status: terse ? "running" : "pending",
          ...((terse ?? pending) && place),
          ...(pending && { name: asked }),
        });
      }
      case "GET made":
        return Response.json({
          ...place,
          id: "made",
          namespace: "default",
          status: "running",
          resources: resources ?? {
            cpus: given?.resources?.cpus ?? 0.1,
            memory_mb: given?.resources?.memory_mb ?? 256,
            ephemeral_disk_mb: given?.resources?.ephemeral_disk_mb ?? 1024,
          },
          timeout_secs: timeoutSecs ?? given?.timeout_secs ?? 600,
          ...(name !== undefined && { name }),
        });
      case "DELETE made":
        return new Response();
      case "PATCH made":
        return missing(405);
      default:
        return request.startsWith("POST made/") ? missing() : text("Sandbox not found", 404);
    }
  }

  #start({ command, args = [] }: Record<string, unknown>): Response {
    const started = { pid: 42, status: "running", command, args, started_at: 1765432100000 };
    return Response.json({ ...started, stdin_writable: false }, { status: 201 });
  }
}

const INFO = { version: "0.1.0", uptime_secs: 1, running_processes: 0, total_processes: 0 };
