// The client of sandboxes for the OpenAI Agents SDK.
import { invalid, optionsOf } from "../arguments.js";
import type { CallOptions, ClientOptions, CreateOptions } from "../options.js";
import { type SandboxClass, unlessMissing, unsupported } from "./adapter.js";
import {
  type ApplyDiff,
  type OpenAiManifest,
  type OpenAiSession,
  type OpenAiState,
  sessionOf,
} from "./openai-session.js";

/** What `create` is called with. */
export interface OpenAiCreateArgs {
  /** What the workspace has: a `Manifest`, or its members. */
  manifest?: object;
  /** Snapshots of the SDK are refused, except `{ type: "noop" }`. */
  snapshot?: object;
}

/** A `SandboxClient` of the SDK. */
export interface OpenAiClient<M = OpenAiManifest> {
  /** `shoreline`. */
  readonly backendId: string;
  /** Creates a sandbox with the workspace of a manifest. */
  create(args?: OpenAiCreateArgs | M): Promise<OpenAiSession<M>>;
  /** Attaches to the sandbox of a state, and resumes it. */
  resume(state: OpenAiState<M>): Promise<OpenAiSession<M>>;
  /** Terminates the sandbox of a state. */
  delete(state: OpenAiState<M>): Promise<void>;
  /** The members of a state that find its sandbox again. Variables are left out, since they can be secrets. */
  serializeSessionState(state: OpenAiState<M>): Promise<Record<string, unknown>>;
  /** The state with these members. */
  deserializeSessionState(state: Record<string, unknown>): Promise<OpenAiState<M>>;
}

/** Options of `sandboxClient`. */
export interface OpenAiClientOptions<M extends OpenAiManifest> {
  /** `Manifest` of `@openai/agents/sandbox`. */
  Manifest: new (init?: { root?: string }) => M;
  /** `applyDiff` of `@openai/agents`. */
  applyDiff: ApplyDiff;
  /** Address and key of the client. Default: those of the environment. */
  client?: ClientOptions | undefined;
  /** What each new sandbox is like: its image, resources, `timeoutSecs`, `exposedPorts`. */
  create?: Omit<CreateOptions, keyof ClientOptions | keyof CallOptions | "name" | "wait"> | undefined;
}

/**
 * Makes a client of sandboxes for `SandboxAgent` of the OpenAI Agents SDK. The SDK terminates the sandbox at the end of the
 * run, unless it keeps the session.
 *
 * @param Sandbox - The class `Sandbox` of `shoreline`.
 *
 * @example
 * ```ts
 * import { applyDiff, run } from "@openai/agents";
 * import { Manifest, SandboxAgent } from "@openai/agents/sandbox";
 * import { Sandbox } from "shoreline";
 * import { sandboxClient } from "shoreline/agents/openai";
 *
 * const agent = new SandboxAgent({ name: "Coder" });
 * const client = sandboxClient(Sandbox, { Manifest, applyDiff });
 * const { finalOutput } = await run(agent, "Make the tests pass.", { sandbox: { client } });
 * ```
 */
export function sandboxClient<M extends OpenAiManifest>(
  Sandbox: SandboxClass,
  options: OpenAiClientOptions<M>,
): OpenAiClient<M> {
  const given = optionsOf(options, "Manifest applyDiff client create") as OpenAiClientOptions<M>;
  const { Manifest, applyDiff, client, create } = given;
  for (const name of ["Manifest", "applyDiff"] as const)
    if (typeof given[name] !== "function")
      throw invalid(`\`${name}\` is missing: import it from @openai/agents, and pass it on`);
  const isManifest = (value: object): value is M => value instanceof Manifest;
  return {
    backendId: "shoreline",
    create: async (args = {}) => {
      const { manifest, snapshot }: OpenAiCreateArgs = isManifest(args) ? { manifest: args } : args;
      const type = (snapshot as { type?: unknown } | undefined)?.type ?? "noop";
      if (type !== "noop")
        throw unsupported("snapshots of the SDK are not restored: pass `snapshotId` in `create` instead");
      const own = manifest && isManifest(manifest) ? manifest : new Manifest(manifest);
      const sandbox = await Sandbox.create({ ...client, ...create });
      const state = { manifest: own, sandboxId: sandbox.sandboxId, environment: {} };
      const session = sessionOf(sandbox, state, applyDiff);
      try {
        await session.applyManifest(own);
      } catch (error) {
        await session.close().catch(() => undefined);
        throw error;
      }
      session.state.workspaceReady = true;
      return session;
    },
    resume: async (state) => {
      const sandbox = await Sandbox.connect(state.sandboxId, client);
      if ((await sandbox.status()) !== "running") await sandbox.resume();
      return sessionOf(sandbox, state, applyDiff);
    },
    delete: async ({ sandboxId }) => {
      const sandbox = await unlessMissing(Sandbox.connect(sandboxId, client), undefined);
      await (sandbox && unlessMissing(sandbox.terminate(), undefined));
    },
    serializeSessionState: async ({ sandboxId, manifest: { root } }) => ({ sandboxId, root }),
    deserializeSessionState: async ({ sandboxId, root }) => {
      if (typeof sandboxId !== "string" || typeof root !== "string")
        throw invalid("the state of the session has no sandbox: create another session");
      return { manifest: new Manifest({ root }), sandboxId, workspaceReady: true, environment: {} };
    },
  };
}
