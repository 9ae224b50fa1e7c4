/**
 * Tools for models: run commands, follow processes, and read, write and search files in a sandbox. Without a framework:
 * names, descriptions, schemas and `execute`.
 *
 * @module shoreline/agents
 */

import type { Sandbox } from "../sandbox.js";
import type { SandboxTool, SandboxToolsOptions } from "./types.js";

export type {
  ExecuteOptions,
  JsonSchema,
  SandboxTool,
  SandboxToolsOptions,
  StandardIssue,
  StandardProperties,
  StandardResult,
  ToolAnnotations,
  ToolError,
  ToolInput,
  ToolName,
  ToolProgress,
  ToolResult,
} from "./types.js";

/** Makes the tools of a sandbox. */
export function sandboxTools(
  sandbox: Sandbox | (() => Promise<Sandbox>),
  options: SandboxToolsOptions = {},
): SandboxTool[] {
  void sandbox;
  void options;
  return [];
}
