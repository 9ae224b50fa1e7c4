/**
 * Sandboxes for the OpenAI Agents SDK (`@openai/agents`): plain tools, and a `SandboxClient` whose sessions its
 * `SandboxAgent` works in. It imports nothing of the SDK.
 *
 * @module shoreline/agents/openai
 */

import type { JsonSchema, SandboxTool } from "./types.js";

export type { SandboxClass } from "./adapter.js";
export {
  type OpenAiClient,
  type OpenAiClientOptions,
  type OpenAiCreateArgs,
  sandboxClient,
} from "./openai-client.js";
export type {
  OpenAiEditor,
  OpenAiEntry,
  OpenAiManifest,
  OpenAiPatchResult,
  OpenAiPort,
  OpenAiSession,
  OpenAiState,
} from "./openai-session.js";
export type { OpenAiCommand, OpenAiExecResult, OpenAiInput } from "./openai-exec.js";

/** A function tool of the SDK. */
export interface OpenAiTool {
  /** `function`. */
  readonly type: "function";
  /** The name. */
  readonly name: string;
  /** What the tool does, for the model. */
  readonly description: string;
  /** The schema of the input. */
  readonly parameters: {
    type: "object";
    properties: Record<string, JsonSchema>;
    required: string[];
    additionalProperties: boolean;
  };
  /** False: the schema has optional members. */
  readonly strict: false;
  /** Calls the tool with its input as JSON. */
  readonly invoke: (context: unknown, input: string, details?: { signal?: AbortSignal }) => Promise<string>;
  /** Resolves to the option `needsApproval`. */
  readonly needsApproval: () => Promise<boolean>;
  /** Resolves to true. */
  readonly isEnabled: () => Promise<boolean>;
}

/**
 * Makes function tools of the OpenAI Agents SDK. A failure is a text that tells the model what to do next. An abort of the run
 * kills the command.
 *
 * @param tools - The tools of `sandboxTools`, or some of them.
 * @param options - `needsApproval` says for which tools the run waits for an approval. Default: none.
 *
 * @example
 * ```ts
 * import { Agent, run } from "@openai/agents";
 * import { sandboxTools } from "shoreline/agents";
 * import { openaiTools } from "shoreline/agents/openai";
 *
 * const agent = new Agent({ name: "Coder", tools: openaiTools(sandboxTools(sandbox)) });
 * const { finalOutput } = await run(agent, "Make the tests pass.");
 * ```
 */
export function openaiTools(
  tools: readonly SandboxTool[],
  options: { needsApproval?: ((tool: SandboxTool) => boolean) | undefined } = {},
): OpenAiTool[] {
  return tools.map((tool) => {
    const { properties = {}, required = [] } = tool.inputSchema;
    return {
      type: "function",
      name: tool.name,
      description: tool.description,
      parameters: {
        type: "object",
        properties: { ...properties },
        required: [...required],
        additionalProperties: false,
      },
      strict: false,
      invoke: async (_context, input, { signal } = {}) =>
        (await tool.execute(parsed(input), { signal })).text,
      needsApproval: async () => options.needsApproval?.(tool) ?? false,
      isEnabled: async () => true,
    };
  });
}

/** The input; what is not JSON is refused by the tool, in words for the model. */
function parsed(input: string): unknown {
  try {
    return JSON.parse(input || "{}");
  } catch {
    return input;
  }
}
