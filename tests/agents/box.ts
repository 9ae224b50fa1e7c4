// A sandbox with its tools, for a test file.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Sandbox } from "shoreline";
import { type SandboxTool, sandboxTools, type SandboxToolsOptions, type ToolResult } from "shoreline/agents";
import { type LocalServer, startLocal } from "shoreline/local";

export let server: LocalServer;
export let sandbox: Sandbox;
before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
});
after(() => server.close());

/** Calls tools by their names. */
export type Tools = (
  name: string,
  input: unknown,
  options?: Parameters<SandboxTool["execute"]>[1],
) => Promise<ToolResult>;

/** A set of tools. */
export function toolsOf(options?: SandboxToolsOptions): Tools {
  const tools = new Map(sandboxTools(() => Promise.resolve(sandbox), options).map((one) => [one.name, one]));
  return (name, input, how) => {
    const tool = tools.get(name as SandboxTool["name"]);
    assert.ok(tool, `there is no tool ${name}`);
    return tool.execute(input, how);
  };
}

/** A result that succeeded. */
export async function good(promise: Promise<ToolResult>): Promise<ToolResult & { data: Data }> {
  const result = await promise;
  assert.equal(result.isError, false, result.text);
  assert.equal(result.structured.error, undefined);
  return { ...result, data: result.structured as unknown as Data };
}

/** A result that failed with this code, and says these words. */
export async function bad(promise: Promise<ToolResult>, code: string, words: RegExp) {
  const result = await promise;
  assert.equal(result.isError, true, result.text);
  assert.equal(result.structured.error?.code, code, result.text);
  assert.match(result.structured.error.message, words);
  assert.ok(result.text.includes(result.structured.error.message), result.text);
  return { ...result, data: result.structured as unknown as Data };
}

/** What results have, by the schemas. */
export interface Data {
  pid: number;
  output: string;
  running: boolean;
  exit_code?: number;
  signal?: number;
  timed_out?: boolean;
  cursor: string;
  omitted?: { lines: number; bytes: number; cursor: string };
  path: string;
  content: string;
  last_line: number;
  more?: boolean;
  truncated: boolean;
  paths: string[];
  matches: { path: string; line: number; text: string }[];
  entries: { name: string; type: string }[];
  processes: { pid: number; command: string; status: string; exit_code?: number }[];
  ports: { port: number; listening: boolean; exposed: boolean; url?: string }[];
  url: string;
  first_line: number;
  replacements: number;
}
