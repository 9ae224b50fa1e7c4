// What a tool is: for models, for frameworks, and for programs that call it themselves.

/** A JSON Schema (draft 2020-12), of the kinds that the tools' inputs and results need. */
export interface JsonSchema {
  /** The type of the value. */
  readonly type: "object" | "array" | "string" | "number" | "integer" | "boolean";
  /** What the value means. */
  readonly description?: string;
  /** The members of an object. */
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  /** The members that an object must have. */
  readonly required?: readonly string[];
  /** Whether an object may have other members: the tools refuse them in their input. */
  readonly additionalProperties?: boolean;
  /** What an array has. */
  readonly items?: JsonSchema;
  /** The values that are allowed. */
  readonly enum?: readonly string[];
  /** What an absent value means. */
  readonly default?: string | number | boolean;
  /** The smallest number. */
  readonly minimum?: number;
  /** The largest number. */
  readonly maximum?: number;
  /** The fewest characters of a string. */
  readonly minLength?: number;
  /** The most characters of a string. */
  readonly maxLength?: number;
  /** The fewest items of an array. */
  readonly minItems?: number;
  /** The most items of an array. */
  readonly maxItems?: number;
}

/** What a tool does, as hints for programs that ask a person before a call. They are those of the Model Context Protocol. */
export interface ToolAnnotations {
  /** Whether the tool changes nothing. */
  readonly readOnlyHint: boolean;
  /** Whether the tool can overwrite, remove or end something. False for a tool that only adds. */
  readonly destructiveHint: boolean;
  /** Whether calling it again with the same input changes nothing more. */
  readonly idempotentHint: boolean;
  /** Whether it can reach what is outside of the sandbox, such as the internet. */
  readonly openWorldHint: boolean;
}

/** What a call has led to. */
export interface ToolResult {
  /** The result for a model, at most `maxResultBytes` of UTF-8. */
  readonly text: string;
  /**
   * The result as data, by the tool's `outputSchema`. After a failure its `error` has a stable `code` and a `message` that
   * says what to do next.
   */
  readonly structured: Readonly<Record<string, unknown>> & {
    /** Why the call failed. */
    readonly error?: ToolError;
  };
  /** Whether the call failed: the input was refused, the sandbox refused it, or the command did not exit with 0. */
  readonly isError: boolean;
}

/** Why a call failed. */
export interface ToolError {
  /**
   * A stable code: `invalid_input` for an input that does not match the schema, `busy` for too many calls at once,
   * `aborted` after a cancellation, `command_failed`, `no_match` and `too_many_matches` of `edit_file`, else the code of the
   * `ShorelineError`, such as `ENOENT` or `connection_lost`.
   */
  readonly code: string;
  /** What happened, and what to do next. */
  readonly message: string;
}

/** How far a call has come. */
export interface ToolProgress {
  /** The last line of the command's output, or what the call waits for. */
  readonly text: string;
  /** Milliseconds since the call began. */
  readonly elapsedMs: number;
}

/** Options of a call. */
export interface ExecuteOptions {
  /** Cancels the call. A command that the call runs is killed. */
  signal?: AbortSignal | undefined;
  /** Called about once a second while a command runs. Its errors are ignored. */
  onProgress?: ((progress: ToolProgress) => unknown) | undefined;
}

/** A tool for a model. It is a Standard Schema of its input, too. */
export interface SandboxTool {
  /** The name, in snake_case, for example `run_command`. */
  readonly name: ToolName;
  /** The name for people. */
  readonly title: string;
  /** What the tool does and when to use it, for a model. */
  readonly description: string;
  /** The schema of its input: an object that has no other members. */
  readonly inputSchema: JsonSchema;
  /** The schema of `structured` of its results. */
  readonly outputSchema: JsonSchema;
  /** What the tool does, as hints. */
  readonly annotations: ToolAnnotations;
  /** The tool as a Standard Schema, and a Standard JSON Schema, of its input. */
  readonly "~standard": StandardProperties;
  /**
   * Calls the tool. A wrong input, a refusal and a failing command are results with `isError`; the promise does not reject.
   *
   * @param input - The input as the model made it. It is checked.
   *
   * @example
   * ```ts
   * const { text, isError } = await tool.execute({ command: "npm test" }, { signal });
   * ```
   */
  execute(input: unknown, options?: ExecuteOptions): Promise<ToolResult>;
}

/** The names of the tools. */
export type ToolName =
  | "run_command"
  | "start_process"
  | "read_output"
  | "write_stdin"
  | "kill_process"
  | "list_processes"
  | "read_file"
  | "write_file"
  | "edit_file"
  | "list_directory"
  | "find_files"
  | "search_files"
  | "list_ports"
  | "expose_port";

/** The interface of Standard Schema, version 1, with that of Standard JSON Schema. */
export interface StandardProperties {
  /** The version of the interface. */
  readonly version: 1;
  /** Who made the schema. */
  readonly vendor: "shoreline";
  /** Checks an input. */
  readonly validate: (value: unknown) => StandardResult;
  /** The schema of the input as a JSON Schema. */
  readonly jsonSchema: {
    /** The schema before the check. */
    readonly input: (options?: unknown) => Record<string, unknown>;
    /** The schema after the check, which is the same. */
    readonly output: (options?: unknown) => Record<string, unknown>;
  };
  /** The types of the input, before and after the check. */
  readonly types?:
    | {
        /** Before the check. */
        readonly input: ToolInput;
        /** After it. */
        readonly output: ToolInput;
      }
    | undefined;
}

/** The input of a tool. */
export type ToolInput = Record<string, unknown>;

/** What a check has found: the value, or what is wrong with it. */
export type StandardResult =
  | {
      /** The input. */
      readonly value: ToolInput;
      /** Absent. */
      readonly issues?: undefined;
    }
  | {
      /** What is wrong, one or more. */
      readonly issues: readonly StandardIssue[];
    };

/** What is wrong with an input. */
export interface StandardIssue {
  /** What is wrong, and what is allowed. */
  readonly message: string;
  /** The member that is wrong. */
  readonly path: readonly string[];
}

/** Options of `sandboxTools`. */
export interface SandboxToolsOptions {
  /** Bytes of UTF-8 that the text of a result may have, from 2000 to 1,000,000. Default: 30,000. */
  maxResultBytes?: number | undefined;
  /** Seconds after which a command of `run_command` is killed if the call sets no limit, from 1 to 86,400. Default: 600. */
  commandTimeout?: number | undefined;
  /**
   * Seconds after which `run_command` returns although its command is still running, if the call does not say, from 1 to
   * 3600. The command goes on, and `read_output` reads more. Default: 30.
   */
  yieldAfter?: number | undefined;
  /** Calls at once, from 1 to 64. Others wait, 64 at most; a call beyond that is `busy`. Default: 8. */
  concurrency?: number | undefined;
}
