// The provider of sandboxes for the AI SDK's harness.
import { optionsOf } from "../arguments.js";
import type { CallOptions, ClientOptions, CreateOptions } from "../options.js";
import type { Sandbox } from "../sandbox.js";
import { nameFor, type SandboxClass, unlessMissing } from "./adapter.js";
import { type AiSession, sandboxSession } from "./ai-session.js";

/** A session of the harness: the sandbox session, with the sandbox's ports and its end. */
export interface AiNetworkSession extends AiSession {
  /** The sandbox's name, or the id of a sandbox without a name. */
  readonly id: string;
  /** The sandbox's working directory, an absolute path. */
  readonly defaultWorkingDirectory: string;
  /** The ports that the sandbox exposes. */
  readonly ports: readonly number[];
  /** The address of an exposed port, and the headers that requests to it need. */
  readonly getPortEndpoint: (options: {
    port: number;
    protocol?: "http" | "https" | "ws";
  }) => Promise<{ url: string; headers?: Readonly<Record<string, string>> }>;
  /** The address of an exposed port. */
  readonly getPortUrl: (options: { port: number; protocol?: "http" | "https" | "ws" }) => Promise<string>;
  /** Suspends a sandbox with a name, so that `resumeSession` finds it; terminates one without. */
  readonly stop: () => Promise<void>;
  /** Terminates the sandbox. */
  readonly destroy: () => Promise<void>;
  /** The session without ports and end, for tools. */
  readonly restricted: () => AiSession;
}

/** The provider of sandboxes that `HarnessAgent` takes as `sandbox`. */
export interface AiProvider {
  /** The version of the interface. */
  readonly specificationVersion: "harness-sandbox-v1";
  /** `shoreline`. */
  readonly providerId: string;
  /** Creates the sandbox of a session, or attaches to it. */
  readonly createSession: (options?: {
    sessionId?: string;
    abortSignal?: AbortSignal;
    identity?: string;
    onFirstCreate?: (session: AiSession, options: { abortSignal?: AbortSignal }) => Promise<void>;
  }) => Promise<AiNetworkSession>;
  /** Attaches to the sandbox of a session, and resumes it. */
  readonly resumeSession: (options: {
    sessionId: string;
    abortSignal?: AbortSignal;
  }) => Promise<AiNetworkSession>;
}

/** Options of `sandboxProvider`. */
export interface AiProviderOptions {
  /** Address and key of the client. Default: those of the environment. */
  client?: ClientOptions | undefined;
  /** What each new sandbox is like: its image, resources, `timeoutSecs`, `exposedPorts`. */
  create?: Omit<CreateOptions, keyof ClientOptions | keyof CallOptions | "name" | "wait"> | undefined;
  /** The headers that requests to exposed ports need, such as `Authorization`. Default: none. */
  portHeaders?: Readonly<Record<string, string>> | undefined;
}

/**
 * Makes a provider of sandboxes for the AI SDK's harness (`@ai-sdk/harness`). The name of a session's sandbox is made of the
 * session's id, so that another process finds it again.
 *
 * @param Sandbox - The class `Sandbox` of `shoreline`.
 *
 * @example
 * ```ts
 * import { Sandbox } from "shoreline";
 * import { sandboxProvider } from "shoreline/agents/ai-sdk";
 *
 * const provider = sandboxProvider(Sandbox, { create: { exposedPorts: [4000], timeoutSecs: 3600 } });
 * const agent = new HarnessAgent({ harness, sandbox: provider });
 * ```
 */
export function sandboxProvider(Sandbox: SandboxClass, options?: AiProviderOptions): AiProvider {
  const given: AiProviderOptions = optionsOf(options, "client create portHeaders");
  const { client, create } = given;
  const opened = async (sandbox: Sandbox, signal: AbortSignal | undefined) =>
    networkSession(sandbox, await sandbox.fs.realpath(".", { signal }), given);
  return {
    specificationVersion: "harness-sandbox-v1",
    providerId: "shoreline",
    createSession: async ({ sessionId, abortSignal: signal, onFirstCreate } = {}) => {
      const how = { ...client, ...create, signal };
      const sandbox =
        sessionId === undefined
          ? await Sandbox.create(how)
          : await Sandbox.getOrCreate(await nameFor(sessionId), how);
      const session = await opened(sandbox, signal);
      if (onFirstCreate && (sandbox.bindOutcome ?? "created") === "created") {
        try {
          await onFirstCreate(session.restricted(), signal ? { abortSignal: signal } : {});
        } catch (error) {
          // Another session would take a sandbox that is prepared halfway for one that is ready.
          await sandbox.terminate().catch(() => undefined);
          throw error;
        }
      }
      return session;
    },
    resumeSession: async ({ sessionId, abortSignal: signal }) => {
      const sandbox = await Sandbox.connect(await nameFor(sessionId), { ...client, signal });
      await sandbox.resume({ signal });
      return opened(sandbox, signal);
    },
  };
}

function networkSession(
  sandbox: Sandbox,
  defaultWorkingDirectory: string,
  { create, portHeaders }: AiProviderOptions,
): AiNetworkSession {
  const restricted = () => sandboxSession(sandbox);
  const destroy = () => unlessMissing(sandbox.terminate(), undefined);
  const getPortUrl: AiNetworkSession["getPortUrl"] = async ({ port, protocol }) => {
    const url = sandbox.urlForPort(port);
    return protocol === "ws" ? url.replace(/^http/, "ws") : url;
  };
  return {
    ...restricted(),
    id: sandbox.name ?? sandbox.sandboxId,
    defaultWorkingDirectory,
    ports: create?.exposedPorts ?? [],
    getPortUrl,
    getPortEndpoint: async (options) => ({
      url: await getPortUrl(options),
      ...(portHeaders && { headers: portHeaders }),
    }),
    stop: () => (sandbox.name === undefined ? destroy() : unlessMissing(sandbox.suspend(), undefined)),
    destroy,
    restricted,
  };
}
