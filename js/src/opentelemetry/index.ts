/**
 * OpenTelemetry spans for requests and commands. It needs the package `@opentelemetry/api`.
 *
 * @module shoreline/opentelemetry
 */

import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type * as Glue from "../core/shoreline.js";
import { version } from "../generated/version.js";
import { pathOf } from "../log.js";
import type { ClientOptions, ClientTracer } from "../options.js";
import type { RawResult } from "../result.js";

type Fetch = NonNullable<ClientOptions["fetch"]>;

/**
 * A tracer for the `tracer` option of every client. Each request is a span, and so is each command; requests carry the
 * context in a `traceparent` header. Spans go to the tracer provider that the program has registered.
 *
 * Spans have methods, addresses without queries, statuses, programs' names, pids and exit codes. They have no keys,
 * arguments, output or contents of files.
 *
 * @example
 * ```ts
 * const sandbox = await Sandbox.create({ tracer: openTelemetry() });
 * ```
 */
export function openTelemetry(): ClientTracer {
  return { fetch: tracedFetch, handle: tracedHandle };
}

function start(name: string, kind: SpanKind, attributes: Attributes, parent: Context): Span {
  return trace.getTracer("shoreline", version).startSpan(name, { kind, attributes }, parent);
}

/** Marks a span as failed. Not by the error's message, which may quote what a command wrote. */
function fail(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The code of an error of the core, or the name of any other error. */
function typeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return typeof code === "string" ? code : typeof name === "string" ? name : "Error";
}

/** The key by which OpenTelemetry's instrumentations of `fetch` know not to make a span of their own. */
const SUPPRESSED = createContextKey("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

function tracedFetch(fetch: Fetch): Fetch {
  return async (input, init) => {
    // The core runs many calls at once: the active context may be another call's.
    const { call: parent = context.active(), ...rest }: RequestInit & { call?: Context } = init ?? {};
    const { origin, hostname, port, protocol } = new URL(input);
    const method = rest.method ?? "GET";
    const attributes = {
      "http.request.method": method,
      "url.full": origin + pathOf(input),
      "server.address": hostname,
      "server.port": Number(port) || (protocol === "https:" ? 443 : 80),
    };
    const span = start(method, SpanKind.CLIENT, attributes, parent);
    const own = span.spanContext();
    const headers = new Headers(rest.headers);
    // Not the other headers of a propagator, such as `baggage`, which servers do not allow pages to send.
    if (isSpanContextValid(own) && !headers.has("traceparent"))
      headers.set("traceparent", `00-${own.traceId}-${own.spanId}-0${own.traceFlags & 1}`);
    const inside = trace.setSpan(parent, span).setValue(SUPPRESSED, true);
    try {
      const response = await context.with(inside, () => fetch(input, { ...rest, headers }));
      span.setAttribute("http.response.status_code", response.status);
      if (response.status >= 400) fail(span, String(response.status));
      return response;
    } catch (error) {
      fail(span, error instanceof Error ? error.name : "Error");
      throw error;
    } finally {
      span.end();
    }
  };
}

type Method = (...args: unknown[]) => unknown;

/** A client or sandbox of the core, whose calls say which context they are of. */
function tracedHandle<T extends object>(core: T): T {
  return new Proxy(core, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const method = member as Method;
        const call = (parent: Context) => method.apply(target, marked(method, args, parent));
        const parent = context.active();
        if (name === "run" || name === "start") return command(target as Glue.Sandbox, name, args[0], call);
        if (name === "follow") return follow(target as Glue.Sandbox, args[1], call);
        const made = call(parent);
        return name === "create" || name === "connect"
          ? (made as Promise<Glue.Sandbox>).then(tracedHandle)
          : made;
      };
    },
  });
}

/** The arguments of a call, with a mark in the caller's signal, which is the last of them where a call can be aborted. */
function marked({ length }: Method, args: unknown[], call: Context): unknown[] {
  const signal = (args[length - 1] ?? undefined) as AbortSignal | undefined;
  if (length === 0 || !(signal === undefined || (typeof signal === "object" && "aborted" in signal)))
    return args;
  const mark = {
    call,
    get aborted() {
      return signal?.aborted === true;
    },
    get reason(): unknown {
      return signal?.reason as unknown;
    },
    addEventListener: (type: "abort", listener: () => void) => signal?.addEventListener(type, listener),
    removeEventListener: (type: "abort", listener: () => void) => signal?.removeEventListener(type, listener),
  };
  const all = [...args];
  all[length - 1] = mark;
  return all;
}

type Call = (parent: Context) => unknown;

/** A span that ends once, however often that is told. */
class Traced {
  readonly call: unknown;
  readonly #span: Span;
  #over = false;

  constructor(span: Span, call: Call) {
    this.#span = span;
    try {
      this.call = call(trace.setSpan(context.active(), span));
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  ended(attributes: Attributes = {}, failure?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#span.setAttributes(attributes);
    if (failure !== undefined) fail(this.#span, failure);
    this.#span.end();
  }

  failed(error: unknown): void {
    this.ended({}, typeOf(error));
  }

  /** A promise whose failure is the span's. */
  async until<T>(promise: Promise<T>, kept: (value: T) => void): Promise<T> {
    try {
      const value = await promise;
      kept(value);
      return value;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }
}

function command(sandbox: Glue.Sandbox, how: "run" | "start", program: unknown, call: Call): unknown {
  // Of a line of shell that was given for a program, the rest may be arguments.
  const [path = ""] = String(program).trim().split(/\s/);
  const name = path.split("/").at(-1) ?? "";
  const attributes = { "process.executable.name": name, "shoreline.sandbox.id": sandbox.id };
  const traced = new Traced(start(name, SpanKind.CLIENT, attributes, context.active()), call);
  if (how === "start")
    return traced.until(traced.call as Promise<{ pid: number }>, ({ pid }) => {
      traced.ended({ "process.pid": pid });
    });
  const stream = traced.call as Glue.RunStream;
  // The core hands a result over once.
  let result: Promise<RawResult> | undefined;
  const finish = () =>
    (result ??= traced.until(stream.finish() as Promise<RawResult>, ({ pid, exitCode, timedOut }) => {
      traced.ended(
        {
          ...(pid !== undefined && { "process.pid": pid }),
          ...(exitCode !== null && { "process.exit.code": exitCode }),
        },
        exitCode === 0 ? undefined : timedOut ? "run_timeout" : "command_failed",
      );
    }));
  return {
    next: () =>
      traced.until(stream.next(), (batch: unknown) => {
        if (batch === undefined) finish().catch(noop);
      }),
    finish,
    close: () => {
      stream.close();
    },
  } satisfies Pick<Glue.RunStream, "next" | "finish" | "close">;
}

function follow(sandbox: Glue.Sandbox, process: unknown, call: Call): unknown {
  const attributes = {
    "shoreline.sandbox.id": sandbox.id,
    ...(typeof process === "number" && { "process.pid": process }),
  };
  const traced = new Traced(start("follow", SpanKind.INTERNAL, attributes, context.active()), call);
  const stream = traced.call as Glue.OutputStream;
  return {
    next: () =>
      traced.until(stream.next(), (batch: unknown) => {
        if (batch === undefined) traced.ended();
      }),
    cursor: (taken: number) => stream.cursor(taken) as unknown,
    close: () => {
      traced.ended();
      stream.close();
    },
  } satisfies Pick<Glue.OutputStream, "next" | "cursor" | "close">;
}

function noop(): void {}
