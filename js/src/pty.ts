import { bytesOf, checkHandler, type Data, isPromise } from "./arguments.js";
import { call, callSync } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { ConnectionError, ProtocolError, ShorelineError } from "./errors.js";
import type { PtySessionInfo } from "./generated/types.js";
import type { SocketConstructor } from "./host.js";
import type { CallOptions } from "./options.js";
import { Outlet, type PtyDataHandler } from "./outlet.js";
import { endOf } from "./pty-end.js";
import type { PtyConnectionOptions, PtyExit } from "./pty-options.js";
import { opened, pause } from "./socket.js";

/** Clears a terminal: ECMA-48's RIS. */
const RESET = Uint8Array.of(0x1b, 0x63);

/**
 * An attached terminal session in a sandbox. It reconnects by itself. Names of methods are those of the official SDK.
 *
 * @example
 * ```ts
 * const terminal = await sandbox.createPty({ command: "bash" });
 * terminal.onData((bytes) => process.stdout.write(bytes));
 * await terminal.sendInput("exit\n");
 * await terminal.wait();
 * ```
 */
export class Pty implements AsyncDisposable {
  /** The session's id. */
  readonly sessionId: string;
  /** Secret that authorizes attaching to the session. */
  readonly token: string;
  readonly #sandbox: Glue.Sandbox;
  readonly #terminal: Glue.Terminal;
  readonly #Socket: SocketConstructor;
  readonly #onReattach: PtyConnectionOptions["onReattach"];
  readonly #outlet: Outlet;
  readonly #exitHandlers = new Set<(exitCode: number | null) => unknown>();
  #exit!: Promise<number | null>;
  #exited!: (exitCode: number | null) => void;
  #failed!: (error: unknown) => void;
  #over = false;
  /** The error of a handler. */
  #cause: unknown;
  #end: PtyExit | undefined;
  #socket: WebSocket | undefined;
  #connecting: Promise<this> | undefined;
  #leaving = new AbortController();
  #size: Uint8Array | undefined;
  #attachments = 0;
  /** While it is attached again. */
  #returning: Promise<void> | undefined;
  /** Whether the first message of an attachment is due. */
  #fresh = false;
  /** While a promise of `onReattach` is awaited. */
  #telling: Promise<void> | undefined;
  #typing: Promise<void> = Promise.resolve();
  /** While the server has no room for input. */
  #roomy = noop;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #writable: WritableStream<Data> | undefined;

  private constructor(
    sandbox: Glue.Sandbox,
    terminal: Glue.Terminal,
    Socket: SocketConstructor,
    { sessionId, token }: PtySessionInfo,
    { onData, onExit, onReattach }: PtyConnectionOptions,
  ) {
    this.#sandbox = sandbox;
    this.#terminal = terminal;
    this.#Socket = Socket;
    this.sessionId = sessionId;
    this.token = token;
    this.#onReattach = onReattach;
    this.#outlet = new Outlet(
      (bytes) => {
        this.#consumed(bytes);
      },
      (error) => {
        this.#leave(error);
      },
    );
    this.#begin();
    if (onData) this.onData(onData);
    if (onExit) this.onExit(onExit);
  }

  /** @internal */
  static of(
    sandbox: Glue.Sandbox,
    terminal: Glue.Terminal,
    Socket: SocketConstructor,
    session: PtySessionInfo,
    options: PtyConnectionOptions,
  ): Pty {
    return new Pty(sandbox, terminal, Socket, session, options);
  }

  #begin(): void {
    this.#exit = new Promise((resolve, reject) => {
      this.#exited = resolve;
      this.#failed = reject;
    });
    // An unobserved rejection is not reported. A core that fails ends the terminal.
    call(() => this.#exit.catch(noop)).catch((error: unknown) => {
      this.disconnect();
      this.#fail(error);
    });
    this.#readable = undefined;
  }

  /**
   * Subscribes to the terminal's output, buffered output first. If `handler` returns a promise, the next call waits for it.
   * Returns a function that unsubscribes.
   */
  onData(handler: PtyDataHandler): () => void {
    return this.#outlet.subscribe(handler);
  }

  /**
   * Calls `handler` with the exit code when the session has ended. `wait` resolves after it, so a handler must not await
   * `wait`. Errors of a handler that is added after the end are ignored. Returns a function that unsubscribes.
   */
  onExit(handler: (exitCode: number | null) => unknown): () => void {
    checkHandler("handler", handler);
    const told = (exitCode: number | null) => this.#exitHandlers.delete(told) && handler(exitCode);
    this.#exitHandlers.add(told);
    this.#outlet.leaveUnread();
    if (this.#over) void this.#exit.then(told).catch(noop);
    return () => {
      this.#exitHandlers.delete(told);
    };
  }

  /** Attaches to the session unless it is attached. */
  connect(options?: CallOptions): Promise<this> {
    if (this.#socket) return Promise.resolve(this);
    if (this.#failed === noop) this.#begin();
    if (this.#connecting) return this.#connecting;
    const connecting = this.#attach(options?.signal).finally(() => {
      if (this.#connecting === connecting) this.#connecting = undefined;
    });
    return (this.#connecting = connecting);
  }

  /**
   * Sends input to the terminal. Calls are sent in order and at a rate that servers accept; the promise resolves when all
   * of it was sent. Input that is in flight when a connection breaks can be lost: the protocol does not acknowledge input.
   */
  sendInput(input: Data): Promise<void> {
    const turn = this.#typing.then(() => this.#type(bytesOf(input)));
    this.#typing = turn.catch(noop);
    return turn;
  }

  /** Sets the terminal's size, which is set again when it is attached again. */
  async resize(cols: number, rows: number): Promise<void> {
    const message = callSync(() => this.#terminal.resize(cols, rows));
    this.#size = message;
    await this.#returning;
    this.#open().send(message);
  }

  /**
   * Resolves to the exit code, to -1 if a signal ended the program, or to null if the server does not know how the
   * program ended; `exit` says more. Rejects when the session is lost. As long as there is no `onData` handler or
   * `readable`, output does not slow the program down, and the last 1 MiB of it is kept.
   */
  wait(): Promise<number | null> {
    this.#outlet.leaveUnread();
    return this.#exit;
  }

  /** How the session ended; undefined until `wait` has resolved. */
  get exit(): PtyExit | undefined {
    return this.#end;
  }

  /**
   * Detaches from the session, which goes on: after `connect`, `wait` and `readable` continue. While a broken connection
   * is being replaced (`reattach`), this ends the attempts: `wait` and `readable` fail with `session_closed`.
   */
  disconnect(code = 1000, reason = "client disconnect"): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(code, reason);
    const error = closed("the terminal was disconnected: call `connect`");
    this.#leaving.abort(error);
    this.#leaving = new AbortController();
    this.#connecting = undefined;
    if (this.#returning) {
      this.#failed(error);
      this.#failed = noop;
    }
    this.#roomy();
  }

  /** Whether the server slows the program down to what `onData` handlers and `readable` consume. */
  get hasFlowControl(): boolean {
    return callSync(() => this.#terminal.hasFlowControl());
  }

  /** Ends the session. */
  kill(options?: CallOptions): Promise<void> {
    return call(() => this.#sandbox.killPty(this.sessionId, options?.signal));
  }

  /** Ends the session if it goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    // A session that a handler's error has left goes on.
    if (!this.#over || this.#cause !== undefined) await this.kill();
    this.disconnect();
  }

  /** What the terminal writes, to the session's end. A slow reader slows the program down (`hasFlowControl`). */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#readable ??= this.#outlet.stream(this.#exit);
    return this.#readable;
  }

  /** What is typed. Closing it ends nothing: a terminal's end of input is typed, as Ctrl-D. */
  get writable(): WritableStream<Data> {
    this.#writable ??= new WritableStream({ write: (data) => this.sendInput(data) });
    return this.#writable;
  }

  #open(): WebSocket {
    if (this.#socket) return this.#socket;
    const message = this.#over
      ? "the terminal's session has ended, or a handler has failed"
      : "the terminal is not connected: call `connect`";
    throw closed(message, this.#cause);
  }

  async #type(input: Uint8Array): Promise<void> {
    for (let at = 0; at < input.length;) {
      await this.#returning;
      const socket = this.#open();
      // Nothing may come between this and `send`: what is counted as sent is sent over this connection.
      const [message, length, wait] = callSync((): unknown => this.#terminal.input(input, at)) as [
        Uint8Array<ArrayBuffer>,
        number,
        number,
      ];
      if (length === 0) {
        await new Promise<void>((resolve) => (this.#roomy = resolve));
        continue;
      }
      if (wait > 0) {
        await pause(wait);
        await this.#returning;
        this.#open().send(message);
      } else {
        socket.send(message);
      }
      at += length;
    }
  }

  #consumed(bytes: number): void {
    if (this.#over) return;
    const message = callSync(() => this.#terminal.consumed(bytes));
    if (message) this.#socket?.send(message);
  }

  async #attach(signal: AbortSignal | undefined): Promise<this> {
    if (this.#over) this.#open();
    const leaving = this.#leaving.signal;
    const [url, headers] = await call<[string, Record<string, string>]>(() =>
      this.#sandbox.terminalSocket(this.sessionId, this.token, this.#terminal.credit(), signal),
    );
    const socket = new this.#Socket(url, [], { headers });
    socket.binaryType = "arraybuffer";
    await this.#opened(socket, signal);
    if (leaving.aborted) {
      socket.close();
      throw leaving.reason;
    }
    this.#socket = socket;
    this.#fresh = this.#attachments++ > 0;
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      if (data instanceof ArrayBuffer)
        this.#next(socket, () => {
          this.#received(new Uint8Array(data));
        });
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#next(socket, () => {
        this.#closed(code, reason);
      });
    });
    socket.send(callSync(() => this.#terminal.ready()));
    if (this.#size) socket.send(this.#size);
    return this;
  }

  /** Waits for the connection. Why there is none a socket does not tell: the session is asked. */
  async #opened(socket: WebSocket, signal: AbortSignal | undefined): Promise<void> {
    if (await opened(socket, signal)) return;
    await call(() => this.#sandbox.pty(this.sessionId, signal));
    throw new ConnectionError({
      code: "connect_failed",
      message:
        "the terminal's WebSocket was refused, though the session is there: check the token, and that no proxy in between blocks WebSockets",
      retryable: true,
    });
  }

  /** Does what an event of the socket asks for, after a promise of `onReattach`. */
  #next(socket: WebSocket, work: () => void): void {
    const act = () => {
      if (this.#socket === socket) work();
    };
    if (this.#telling) void this.#telling.then(act);
    else act();
  }

  #received(message: Uint8Array): void {
    const news = callSync<unknown>(() => this.#terminal.receive(message)) as News;
    if (this.#fresh) {
      this.#fresh = false;
      const lostBytes = typeof news === "number" ? news : Array.isArray(news) ? undefined : 0;
      if (lostBytes !== 0 && !this.#onReattach && lostBytes !== undefined) {
        this.disconnect();
        this.#fail(
          new ProtocolError({
            code: "output_gap",
            message: `${lostBytes} bytes of the terminal's output are missing: give \`onReattach\` to continue without them`,
          }),
        );
        return;
      }
      try {
        const told = this.#onReattach?.({ lostBytes });
        if (isPromise(told)) {
          this.#telling = this.#tell(told, news);
          return;
        }
      } catch (error) {
        this.#leave(error);
        return;
      }
    }
    this.#deliver(news);
  }

  /** Delivers once a promise of `onReattach` is kept. */
  async #tell(told: PromiseLike<unknown>, news: News): Promise<void> {
    try {
      await told;
      this.#deliver(news);
    } catch (error) {
      this.#leave(error);
    } finally {
      this.#telling = undefined;
    }
  }

  #deliver(news: News): void {
    this.#roomy();
    if (Array.isArray(news)) {
      this.#outlet.deliver(RESET);
      this.#outlet.deliver(news[0]);
    } else if (typeof news === "object") {
      this.#outlet.deliver(news);
    } else {
      this.#consumed(0);
    }
  }

  #closed(code: number, reason: string): void {
    this.#socket = undefined;
    try {
      const exitCode = callSync(() => this.#terminal.closed(code, reason));
      this.#over = true;
      const exited = async (end: PtyExit) => {
        this.#end = end;
        const told = end.signal === null ? end.exitCode : -1;
        const handled = [...this.#exitHandlers].map(async (handler) => handler(told));
        // Each is called, whatever another one does.
        await Promise.allSettled(handled);
        Promise.all(handled).then(() => {
          this.#exited(told);
        }, this.#failed);
      };
      // Handlers first get what was written before.
      const done = this.#outlet.done();
      if (exitCode < 0)
        void Promise.all([endOf(this.#sandbox, this.sessionId), done]).then(([end]) => exited(end));
      else if (done) void done.then(() => exited({ exitCode, signal: null }));
      else void exited({ exitCode, signal: null });
    } catch (error) {
      this.#returning = this.#return(error).finally(() => {
        this.#returning = undefined;
      });
    }
    this.#roomy();
  }

  /** Attaches again, as long as that is allowed and can help. */
  async #return(error: unknown): Promise<void> {
    const leaving = this.#leaving;
    const isLeft = () => this.#leaving !== leaving;
    for (;;) {
      const wait = callSync(() => this.#terminal.again());
      if (wait === undefined) break;
      await pause(wait, leaving.signal);
      if (isLeft()) return;
      try {
        await this.connect({ signal: leaving.signal });
        return;
      } catch (failure) {
        if (isLeft()) return;
        error = failure;
        if (!ShorelineError.is(failure) || !failure.retryable) break;
      }
    }
    this.#fail(error);
  }

  /** A handler has failed: nothing more is delivered, and who waits is told why. */
  #leave(error: unknown): void {
    this.#cause ??= error;
    this.#fail(error);
    this.disconnect();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#failed(error);
  }
}

/** Of a message, as the core has it. */
type News = Uint8Array<ArrayBuffer> | [Uint8Array<ArrayBuffer>] | number | undefined;

function closed(message: string, cause?: unknown): ConnectionError {
  return new ConnectionError({ code: "session_closed", message, cause });
}

function noop(): void {}
