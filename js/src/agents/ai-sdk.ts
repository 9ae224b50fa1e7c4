/**
 * Sandboxes for the AI SDK (`ai`, version 7): plain tools, its sandbox session, and the provider of sandboxes of its
 * harness. It imports nothing of the AI SDK.
 *
 * @module shoreline/agents/ai-sdk
 */

import type { SandboxTool, ToolInput, ToolResult } from "./types.js";

export {
  type AiNetworkSession,
  type AiProvider,
  type AiProviderOptions,
  sandboxProvider,
} from "./ai-provider.js";
export {
  type AiCommandOptions,
  type AiPathOptions,
  type AiProcess,
  type AiSession,
  type AiSessionOptions,
  type AiSpawn,
  type AiWritableProcess,
  sandboxSession,
} from "./ai-session.js";
export type { SandboxClass } from "./adapter.js";

/** A tool as `generateText`, `streamText` and `ToolLoopAgent` take it. */
export interface AiTool {
  /** What the tool does, for the model. */
  readonly description: string;
  /** The name for people. */
  readonly title: string;
  /** The schema of the input. */
  readonly inputSchema: {
    /** The schema as a Standard Schema. */
    readonly "~standard": {
      readonly version: 1;
      readonly vendor: "shoreline";
      readonly validate: (value: unknown) => { readonly value: ToolInput };
      readonly jsonSchema: SandboxTool["~standard"]["jsonSchema"];
    };
  };
  /** Calls the tool. */
  readonly execute: (
    input: ToolInput,
    options: { abortSignal?: AbortSignal | undefined },
  ) => Promise<ToolResult>;
  /** The result as the model reads it: the text, or the text of an error. */
  readonly toModelOutput: (options: { output: ToolResult }) => {
    type: "text" | "error-text";
    value: string;
  };
}

/**
 * Makes tools of the AI SDK. A wrong input is answered by the tool, with a text that tells the model what to correct. The
 * `abortSignal` of the call kills the command.
 *
 * @param tools - The tools of `sandboxTools`, or some of them.
 *
 * @example
 * ```ts
 * import { generateText, stepCountIs } from "ai";
 * import { sandboxTools } from "shoreline/agents";
 * import { aiTools } from "shoreline/agents/ai-sdk";
 *
 * const { text } = await generateText({
 *   model,
 *   tools: aiTools(sandboxTools(sandbox)),
 *   stopWhen: stepCountIs(20),
 *   prompt: "Make the tests pass.",
 * });
 * ```
 */
export function aiTools(tools: readonly SandboxTool[]): Record<string, AiTool> {
  return Object.fromEntries(tools.map((tool) => [tool.name, aiTool(tool)]));
}

function aiTool(tool: SandboxTool): AiTool {
  const { description, title, "~standard": standard } = tool;
  return {
    description,
    title,
    // The tool checks its input itself, so that the model learns what was wrong.
    inputSchema: { "~standard": { ...standard, validate: (value) => ({ value: value as ToolInput }) } },
    execute: (input, { abortSignal: signal }) => tool.execute(input, { signal }),
    toModelOutput: ({ output: { isError, text } }) => ({
      type: isError ? "error-text" : "text",
      value: text,
    }),
  };
}
