// What tools have in common: the schema, the check of the input, and failures as results.
import { ShorelineError } from "../errors.js";
import type { Sandbox } from "../sandbox.js";
import { failed, Refusal } from "./failure.js";
import type { Lane } from "./lane.js";
import type { Limits } from "./limits.js";
import { check, type Field, type Fields, type InputOf, object } from "./schema.js";
import type {
  ExecuteOptions,
  JsonSchema,
  SandboxTool,
  ToolAnnotations,
  ToolInput,
  ToolName,
  ToolResult,
} from "./types.js";

/** What the tools of one call of `sandboxTools` share. */
export interface Shared {
  sandbox(): Promise<Sandbox>;
  /** Makes the next call ask for a sandbox again. */
  lost(): void;
  readonly maxResultBytes: number;
  readonly commandTimeout: number;
  readonly yieldAfter: number;
  /** Of calls that wait for a command. */
  readonly commands: Lane;
  /** Of other calls, so that a process can be killed while commands have taken every turn. */
  readonly others: Lane;
  /** Of calls that read something and write it back. */
  readonly changes: Lane;
  readonly limits: Limits;
}

/** What a call has beside its input. */
export interface Call extends ExecuteOptions {
  readonly sandbox: Sandbox;
  readonly shared: Shared;
}

export interface Definition<F extends Fields> {
  name: ToolName;
  title: string;
  description: string;
  input: F;
  output: Fields;
  annotations: ToolAnnotations;
  lane: "commands" | "others";
  run(input: InputOf<F>, call: Call): Promise<ToolResult>;
}

/** What the result of every tool may have. */
const ERROR: JsonSchema = {
  type: "object",
  description: "Why the call failed.",
  properties: {
    code: { type: "string", description: "A stable code." },
    message: { type: "string", description: "What happened, and what to do next." },
  },
  required: ["code", "message"],
};

/** Makes a tool. */
export function tool<F extends Fields>(definition: Definition<F>, shared: Shared): SandboxTool {
  const { name, title, description, annotations, lane } = definition;
  const inputSchema = object(definition.input);
  const plain = () => structuredClone(inputSchema) as unknown as Record<string, unknown>;
  return {
    name,
    title,
    description,
    inputSchema,
    outputSchema: resultSchema(definition.output),
    annotations,
    "~standard": {
      version: 1,
      vendor: "shoreline",
      validate: (value) => check(inputSchema, value),
      jsonSchema: { input: plain, output: plain },
    },
    execute: async (input, options = {}) => {
      try {
        const value = checked(inputSchema, input) as InputOf<F>;
        const { signal, onProgress } = options;
        return await shared[lane].run(signal, async () => {
          if (signal?.aborted) throw canceled();
          const sandbox = await shared.sandbox();
          return await definition.run(value, { sandbox, shared, signal, onProgress });
        });
      } catch (error) {
        if (!(await isGone(shared, error)))
          return failed(options.signal?.aborted && !(error instanceof Refusal) ? canceled() : error);
        shared.lost();
        return failed(
          new Refusal(
            "sandbox_not_found",
            "The sandbox has ended, with its files and processes. If another call succeeds, it has a new sandbox: begin again there.",
          ),
        );
      }
    },
  };
}

/** Whether a call has failed since the sandbox has ended. Some servers answer as if it were about to start. */
async function isGone(shared: Shared, error: unknown): Promise<boolean> {
  if (!ShorelineError.is(error)) return false;
  if (error.code !== "unavailable") return error.code === "sandbox_not_found";
  return shared
    .sandbox()
    .then((sandbox) => sandbox.status())
    .then(
      (status) => ["terminated", "timeout", "failed"].includes(status),
      (why: unknown) => ShorelineError.is(why) && why.code === "sandbox_not_found",
    );
}

const canceled = () => new Refusal("aborted", "The call was canceled.");

function checked(schema: JsonSchema, input: unknown): ToolInput {
  const { issues, value } = { value: {}, ...check(schema, input) };
  if (!issues) return value;
  const words = issues.map(({ message }) => message.replace(/\.$/, "")).join("; ");
  throw new Refusal("invalid_input", `Nothing was done: ${words}. Call again with a corrected input.`);
}

/** Results that failed have an error and may lack the rest. */
function resultSchema(output: Fields): JsonSchema {
  const { properties = {} } = object(output);
  return { type: "object", properties: { ...properties, error: ERROR } };
}

/** Members of results, which are never checked. */
export const result = {
  string: (description: string): Field => ({ schema: { type: "string", description }, required: false }),
  integer: (description: string): Field => ({ schema: { type: "integer", description }, required: false }),
  number: (description: string): Field => ({ schema: { type: "number", description }, required: false }),
  boolean: (description: string): Field => ({ schema: { type: "boolean", description }, required: false }),
  list: (description: string, items: JsonSchema): Field => ({
    schema: { type: "array", description, items },
    required: false,
  }),
  object: (description: string, fields: Fields): Field => ({
    schema: { type: "object", description, properties: object(fields).properties ?? {} },
    required: false,
  }),
};
