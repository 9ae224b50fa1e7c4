// The ports of a sandbox.
import { checkPort, optionsOf } from "./arguments.js";
import { callSync } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { machine } from "./host.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { Trees } from "./trees.js";
import { openTunnel, type Tunnel, type TunnelOptions } from "./tunnel.js";
import { fetchPort } from "./port-fetch.js";

/** Options of `createTunnel`. */
export interface CreateTunnelOptions extends CallOptions {
  /** The port to listen on, from 0 to 65535; 0 chooses a free one. Default: the port in the sandbox. */
  localPort?: number | undefined;
  /**
   * Called when a connection could not be forwarded, for example with `connect_failed` if nothing listens on the port.
   * `from` is the address of its client. Other connections and the listener are not affected.
   */
  onError?: ((error: unknown, from: string) => void) | undefined;
}

/** Address of a listener. */
export interface TunnelAddress {
  /** The address: `127.0.0.1`. */
  host: string;
  /** The port. */
  port: number;
}

/** A listener on this machine that forwards connections to a port in a sandbox. It keeps the program running until closed. */
export interface TcpTunnel extends AsyncDisposable {
  /** The port in the sandbox. */
  readonly remotePort: number;
  /** The address that it listens on: `127.0.0.1`. */
  readonly localHost: string;
  /** The port that it listens on. */
  readonly localPort: number;
  /** The address that it listens on. */
  address(): TunnelAddress;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** The part of a sandbox for its ports. */
export abstract class Ports extends Trees {
  readonly #options: ClientOptions;

  /** @internal */
  constructor(core: Glue.Sandbox, options: ClientOptions) {
    super(core);
    this.#options = options;
  }

  /** @internal */
  protected get options(): ClientOptions {
    return this.#options;
  }

  /**
   * Connects to a TCP port in the sandbox, exposed or not. This needs a WebSocket class that sends headers: on Node the
   * package `ws`, elsewhere the option `WebSocket`.
   *
   * @param port - The port in the sandbox, from 1 to 65535.
   * @param options - With `allowHalfOpen`, the port can end its side before the caller ends the other.
   * @throws {@link ShorelineError} `missing_capability` without such a class, `connect_failed` if nothing listens.
   */
  openTunnel(port: number, options?: TunnelOptions): Promise<Tunnel> {
    return openTunnel(this.core, this.options, port, options);
  }

  /**
   * Listens on 127.0.0.1 and forwards each connection to a TCP port in the sandbox, exposed or not. Every
   * user of this machine reaches the port while the tunnel is open. In Node, Bun and Deno.
   *
   * @param port - The port in the sandbox, from 1 to 65535. Nothing needs to listen there yet.
   * @param options - The local port; a `signal` that aborts closes the tunnel.
   * @returns The tunnel, once it listens.
   * @throws {@link ShorelineError} `missing_capability` in other runtimes; `invalid_argument` if the local port is
   * taken.
   *
   * @example
   * ```ts
   * await using tunnel = await sandbox.createTunnel(8000, { localPort: 0 });
   * await fetch(`http://127.0.0.1:${tunnel.localPort}/`);
   * ```
   */
  async createTunnel(port: number, options?: CreateTunnelOptions): Promise<TcpTunnel> {
    const { listen } = await machine("listen on a port");
    return listen((how) => this.openTunnel(port, how), port, options);
  }

  /** Does nothing: connections end with their calls, and the sandbox keeps running. Exists since other clients have it. */
  close(): void {
    // Nothing is kept open.
  }

  /**
   * The address of a port in the sandbox. It can be reached while the port is exposed (`exposedPorts`), with the API key
   * unless `allowUnauthenticatedAccess` is set.
   *
   * @param port - From 1 to 65535. 9501 is the management API, whose address is that of the sandbox.
   * @returns An address without a path, for example `https://8000-my-env.sandbox.tensorlake.ai`. That of a local server
   * is below `localhost`, which browsers and curl resolve, but not every runtime.
   * @throws {@link ShorelineError} `unsupported` if ports have no addresses, for example behind a relay.
   */
  urlForPort(port: number): string {
    checkPort(port);
    return callSync(() => this.core.portUrl(port));
  }

  /**
   * Makes an HTTP request to a port in the sandbox. If the port is exposed, the request goes to its address; otherwise
   * it goes through a tunnel, in Node, Bun and Deno. The API key is sent only to the address of an exposed port that
   * needs it (`allowUnauthenticatedAccess` is not set): the server's proxy checks it there.
   *
   * A tunnel follows redirects on the same port; any other redirect is the answer. It asks for an answer without
   * compression.
   *
   * @param port - From 1 to 65535.
   * @param path - The path with its query, for example `/api?page=2`. Default: `/`.
   * @param init - As of `fetch`. Its `signal` aborts the request and the answer's body.
   * @returns The answer of the port's server, whatever its status.
   * @throws {@link ShorelineError} `connect_failed` if nothing listens; `connection_lost` if the connection broke;
   * `missing_capability` if the port is not exposed and this runtime has no tunnels; `invalid_argument` and
   * others.
   *
   * @example
   * ```ts
   * const answer = await sandbox.fetch(8000, "/health");
   * console.log(answer.status, await answer.text());
   * ```
   */
  async fetch(port: number, path = "/", init?: RequestInit): Promise<Response> {
    return fetchPort(
      this.core,
      this.options,
      (how) => this.openTunnel(port, how),
      port,
      path,
      optionsOf(init),
    );
  }
}
