/**
 * Tools for models: run commands, follow processes, and read, write and search files in a sandbox. Without a framework:
 * names, descriptions, schemas and `execute`.
 *
 * @module shoreline/agents
 */

import { invalid, optionsOf } from "../arguments.js";
import type { Sandbox } from "../sandbox.js";
import { commandTools } from "./commands.js";
import { fileTools } from "./files.js";
import { Lane } from "./lane.js";
import { Limits } from "./limits.js";
import { portTools } from "./ports.js";
import { processTools } from "./processes.js";
import { searchTools } from "./search.js";
import type { Shared } from "./tool.js";
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

/** What an option may be, and what it is if it is left out. */
const BOUNDS = {
  maxResultBytes: [2000, 1_000_000, 30_000],
  commandTimeout: [1, 86_400, 600],
  yieldAfter: [1, 3600, 30],
  concurrency: [1, 64, 8],
} as const;

/**
 * Makes the tools of a sandbox, for an agent loop of your own or for a framework. One set of tools belongs to one
 * conversation: it bounds the calls that run at once, and carries out changes of files one after the other.
 *
 * @param sandbox - The sandbox, or a function that returns it. The function is called when a tool needs the sandbox for the
 * first time, and again after it has failed or the sandbox has ended.
 * @throws `ShorelineError` `invalid_argument`, synchronously, for a wrong option.
 *
 * @example
 * ```ts
 * import { sandboxTools } from "shoreline/agents";
 *
 * const tools = sandboxTools(sandbox);
 * const run = tools.find(({ name }) => name === "run_command");
 * console.log((await run?.execute({ command: "uname" }))?.text); // prints: Linux, and [exit code 0]
 * ```
 */
export function sandboxTools(
  sandbox: Sandbox | (() => Promise<Sandbox>),
  options?: SandboxToolsOptions,
): SandboxTool[] {
  const { maxResultBytes, commandTimeout, yieldAfter, concurrency } = settings(options);
  let given: Promise<Sandbox> | undefined;
  const shared: Shared = {
    sandbox: () => {
      if (typeof sandbox !== "function") return Promise.resolve(sandbox);
      given ??= sandbox().catch((error: unknown) => {
        given = undefined;
        throw error;
      });
      return given;
    },
    lost: () => {
      given = undefined;
    },
    maxResultBytes,
    commandTimeout,
    yieldAfter,
    commands: new Lane(concurrency),
    others: new Lane(concurrency),
    changes: new Lane(1),
    limits: new Limits(),
  };
  return [
    ...commandTools(shared),
    ...processTools(shared),
    ...fileTools(shared),
    ...searchTools(shared),
    ...portTools(shared),
  ];
}

function settings(options: SandboxToolsOptions | undefined) {
  const given: SandboxToolsOptions = optionsOf(options, Object.keys(BOUNDS).join(" "));
  const one = (name: keyof typeof BOUNDS) => {
    const [least, most, byDefault] = BOUNDS[name];
    const value = given[name] ?? byDefault;
    if (!Number.isInteger(value) || value < least || value > most)
      throw invalid(`\`${name}\` must be a whole number from ${least} to ${most}`);
    return value;
  };
  return {
    maxResultBytes: one("maxResultBytes"),
    commandTimeout: one("commandTimeout"),
    yieldAfter: one("yieldAfter"),
    concurrency: one("concurrency"),
  };
}
