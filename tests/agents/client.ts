// The command `shoreline mcp` and clients of the official SDK that use it.
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { after } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { environment, PROGRAM, shoreline, start } from "../cli/program.js";

export const KEY = "a-key-of-these-tests";

/** Ids of the sandboxes that there are. */
export async function sandboxes(): Promise<string[]> {
  const { stdout, code, stderr } = await shoreline("ls", "--json");
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout || "[]") as { sandbox_id: string }[]).map((one) => one.sandbox_id);
}

const env = Object.fromEntries(
  Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
);

/** A client that has started the program. */
export async function overStdio(...args: string[]): Promise<Client> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [PROGRAM, "mcp", ...args],
    env,
    stderr: "ignore",
  });
  return connected(transport);
}

/** A server over HTTP. */
export interface Http {
  url: string;
  child: ChildProcess;
}

/** Starts the program with HTTP on a free port. */
export async function http(...args: string[]): Promise<Http> {
  const child = start(["mcp", "--http", "--port", "0", ...args], { SHORELINE_MCP_KEY: KEY });
  after(() => child.kill("SIGKILL"));
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += String(chunk);
      if (text.endsWith("\n")) resolve(text.trim());
    });
    child.once("exit", (code) => {
      reject(new Error(`it exited with ${code}: ${text}`));
    });
  });
  return { url, child };
}

/** A client of a server over HTTP. */
export async function overHttp({ url }: Http, key = KEY): Promise<Client> {
  const requestInit = { headers: { Authorization: `Bearer ${key}` } };
  return connected(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
}

async function connected(transport: Transport): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  after(() => client.close());
  return client;
}

/** What a call has given. */
export interface Answer {
  text: string;
  isError: boolean;
  data: Record<string, unknown> & { error?: { code: string; message: string } };
}

/** Calls a tool. */
export async function call(
  client: Client,
  name: string,
  input: Record<string, unknown> = {},
  options: Parameters<Client["callTool"]>[2] = {},
): Promise<Answer> {
  const { content, isError, structuredContent } = await client.callTool(
    { name, arguments: input },
    undefined,
    options,
  );
  const [part] = content as { type: string; text: string }[];
  return {
    text: part?.text ?? "",
    isError: isError === true,
    data: structuredContent as Answer["data"],
  };
}
