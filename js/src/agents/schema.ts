// Schemas of inputs, with the types that they stand for, and the check of an input. The check knows the keywords that the
// builders below write, and no others.
import { nearest } from "../arguments.js";
import type { JsonSchema, StandardIssue, StandardResult } from "./types.js";

/** A member of an input; `value` is never there, and has its type. */
export interface Field<T = unknown> {
  readonly schema: JsonSchema;
  readonly required: boolean;
  readonly value?: T;
}

export type Fields = Readonly<Record<string, Field>>;

/** What an input with these members is once it is checked. */
export type InputOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

type More = Partial<Omit<JsonSchema, "type" | "description">>;

const field = <T>(type: JsonSchema["type"], description: string, more: More): Field<T> => ({
  schema: { type, description, ...more },
  required: true,
});

export const string = (description: string, more: More = {}): Field<string> =>
  field("string", description, { minLength: 1, maxLength: 100_000, ...more });

export const path = (description: string): Field<string> =>
  string(`${description}: absolute, or from the sandbox's working directory.`, { maxLength: 4096 });

export const integer = (description: string, minimum: number, maximum: number): Field<number> =>
  field("integer", description, { minimum, maximum });

export const seconds = (description: string, minimum: number, maximum: number): Field<number> =>
  field("number", description, { minimum, maximum });

export const boolean = (description: string): Field<boolean> =>
  field("boolean", description, { default: false });

export const oneOf = <T extends string>(description: string, values: readonly T[]): Field<T> =>
  field("string", description, { enum: values });

/** A member that can be left out. `null` stands for that too: models send it. */
export const optional = <T>(
  { schema }: Field<T>,
  byDefault?: string | number | boolean,
): Field<T | undefined> => ({
  schema: byDefault === undefined ? schema : { ...schema, default: byDefault },
  required: false,
});

/** The schema of an object with these members. */
export function object(fields: Fields): JsonSchema {
  const named = Object.entries(fields);
  return {
    type: "object",
    properties: Object.fromEntries(named.map(([name, { schema }]) => [name, schema])),
    required: named.filter(([, { required }]) => required).map(([name]) => name),
    additionalProperties: false,
  };
}

/** Names that models use for a member of one of the tools. */
const ELSEWHERE = new Map([
  ["cmd", "command"],
  ["cwd", "working_dir"],
  ["directory", "path"],
  ["file", "path"],
  ["filename", "path"],
  ["file_path", "path"],
  ["contents", "content"],
  ["text", "content"],
  ["old_string", "old_text"],
  ["new_string", "new_text"],
  ["old_str", "old_text"],
  ["new_str", "new_text"],
  ["query", "pattern"],
  ["regex", "pattern"],
  ["timeout_ms", "timeout_seconds"],
]);
/** The most that is said to be wrong with one input. */
const ISSUES = 5;

/** Checks an input. The value has the members of the schema that are not null. */
export function check(schema: JsonSchema, input: unknown): StandardResult {
  const properties = schema.properties ?? {};
  const known = Object.keys(properties);
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return failed("", `the input must be an object with ${listed(known)}, not ${kind(input)}`);
  const issues: StandardIssue[] = [];
  const value: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(input)) {
    if (issues.length >= ISSUES) break;
    const member = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (!member) issues.push({ message: unknown(name, known), path: [name] });
    else if (given !== null && given !== undefined) {
      const wrong = mismatch(member, given);
      if (wrong) issues.push({ message: `${name} ${wrong}`, path: [name] });
      else value[name] = given;
    }
  }
  for (const name of schema.required ?? [])
    if (!Object.hasOwn(value, name) && !issues.some(({ path: [first] }) => first === name))
      issues.push({ message: `${name} is missing: ${properties[name]?.description ?? ""}`, path: [name] });
  return issues.length > 0 ? { issues } : { value };
}

const failed = (name: string, message: string): StandardResult => ({
  issues: [{ message, path: name === "" ? [] : [name] }],
});

function unknown(name: string, known: string[]): string {
  const shown = shortened(name);
  if (known.length === 0) return `there is no ${shown}: the tool takes no input, pass {}`;
  const other = ELSEWHERE.get(name);
  const near = other !== undefined && known.includes(other) ? other : nearest(name, [...known]);
  return `there is no ${shown}: ${near === undefined ? `the members are ${listed(known)}` : `did you mean ${near}?`}`;
}

/** What is wrong with a value; undefined where nothing is. */
function mismatch(schema: JsonSchema, value: unknown): string | undefined {
  switch (schema.type) {
    case "string":
      return typeof value === "string" ? wrongText(schema, value) : `must be text, not ${kind(value)}`;
    case "integer":
      if (!Number.isInteger(value)) return `must be a whole number, not ${kind(value)}`;
      return wrongNumber(schema, value as number);
    case "number":
      if (typeof value !== "number" || !Number.isFinite(value)) return `must be a number, not ${kind(value)}`;
      return wrongNumber(schema, value);
    case "boolean":
      return typeof value === "boolean" ? undefined : `must be true or false, not ${kind(value)}`;
    default:
      return `cannot be checked as ${schema.type}`;
  }
}

function wrongText({ enum: values, minLength = 0, maxLength = Infinity }: JsonSchema, value: string) {
  if (values && !values.includes(value)) return `must be one of ${listed([...values])}`;
  if (value.length < minLength) return "must not be empty";
  if (value.length > maxLength) return `has ${value.length} characters: the most are ${maxLength}`;
  return undefined;
}

function wrongNumber({ minimum = -Infinity, maximum = Infinity }: JsonSchema, value: number) {
  return value < minimum || value > maximum ? `must be from ${minimum} to ${maximum}` : undefined;
}

function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return `the text ${shortened(value)}`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "object" ? "an object" : typeof value;
}

/** In quotes, and short: it is a model's, of any length. */
const shortened = (text: string) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

const listed = (names: string[]) => (names.length === 0 ? "no members" : names.join(", "));
