// One session of the protocol: its tools, its resources, and its sandbox.
// McpServer takes schemas of zod; ours are JSON Schemas.
/* eslint-disable @typescript-eslint/no-deprecated */
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";
import type { Sandbox } from "shoreline";
import { type SandboxTool, sandboxTools, type ToolProgress, type ToolResult } from "shoreline/agents";
import { listResources, readResource, TEMPLATES } from "./resources.js";
import type { Box, SandboxSource } from "./source.js";

export interface Settings {
  version: string;
  commandTimeout: number | undefined;
}

const INSTRUCTIONS = `These tools work in a sandbox: a Linux machine of its own, apart from the user's files and processes. Run commands with run_command, and servers with start_process. Paths are those of the sandbox, and relative ones begin in its working directory. A result with isError has a code and says what to do next.`;

export class Session {
  readonly server: Server;
  readonly #source: SandboxSource;
  readonly #tools: Map<string, SandboxTool>;
  readonly #ended = new AbortController();
  /** Every sandbox that the session has had: one that was lost is ended too, if it is still there. */
  readonly #boxes: Promise<Box>[] = [];
  #current: Sandbox | undefined;

  constructor(source: SandboxSource, { version, commandTimeout }: Settings) {
    this.#source = source;
    const tools = sandboxTools(() => this.#sandbox(), { commandTimeout });
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    const info = { name: "shoreline", title: "Shoreline sandbox", version };
    const capabilities = { tools: {}, resources: {} };
    const life = source.isNamed
      ? "The sandbox goes on after this session."
      : "The sandbox is made on first use, and ends with this session, with its files.";
    this.server = new Server(info, { capabilities, instructions: `${INSTRUCTIONS} ${life}` });
    this.server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(described) }));
    this.server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const { _meta: { progressToken } = {} } = params;
      const onProgress = async ({ text, elapsedMs }: ToolProgress) => {
        if (progressToken === undefined) return;
        const progress = { progressToken, progress: elapsedMs / 1000, message: text };
        await extra.sendNotification({ method: "notifications/progress", params: progress });
      };
      return this.#call(
        params.name,
        params.arguments,
        extra.signal,
        progressToken === undefined ? undefined : onProgress,
      );
    });
    this.server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
      resourceTemplates: TEMPLATES,
    }));
    this.server.setRequestHandler(ListResourcesRequestSchema, async (_, { signal }) => ({
      // A list makes no sandbox: clients ask for it at once.
      resources: this.#current ? await listResources(this.#current, signal) : [],
    }));
    this.server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }, { signal }) => ({
      contents: [await readResource(this.#current, uri, signal)],
    }));
    // Protocol errors that have no request are nobody's to answer.
    this.server.onerror = () => undefined;
  }

  /** Cancels what is under way, and ends the sandbox. */
  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    await this.server.close().catch(() => undefined);
    const boxes = await Promise.allSettled(this.#boxes);
    for (const box of boxes) if (box.status === "fulfilled") await box.value.release();
  }

  async #sandbox(): Promise<Sandbox> {
    if (this.#ended.signal.aborted) throw new Error("the session has ended");
    const box = this.#source.box();
    this.#boxes.push(box);
    this.#current = (await box).sandbox;
    return this.#current;
  }

  async #call(
    name: string,
    input: unknown,
    signal: AbortSignal,
    onProgress: ((progress: ToolProgress) => unknown) | undefined,
  ): Promise<CallToolResult> {
    const tool = this.#tools.get(name);
    if (!tool) {
      const names = [...this.#tools.keys()].join(", ");
      const message = `There is no tool ${JSON.stringify(name.slice(0, 60))}. The tools are ${names}.`;
      const structured = { error: { code: "unknown_tool", message } };
      return answer({ text: `Error (unknown_tool): ${message}`, structured, isError: true });
    }
    const controller = new AbortController();
    const abort = () => {
      controller.abort();
    };
    const signals = [signal, this.#ended.signal];
    for (const each of signals) each.addEventListener("abort", abort);
    try {
      if (signals.some(({ aborted }) => aborted)) abort();
      return answer(await tool.execute(input ?? {}, { signal: controller.signal, onProgress }));
    } finally {
      for (const each of signals) each.removeEventListener("abort", abort);
    }
  }
}

/** A tool as the protocol describes it. */
function described({ name, title, description, inputSchema, outputSchema, annotations }: SandboxTool): Tool {
  return {
    name,
    title,
    description,
    inputSchema: inputSchema as unknown as Tool["inputSchema"],
    outputSchema: outputSchema as unknown as NonNullable<Tool["outputSchema"]>,
    annotations: { title, ...annotations },
  };
}

function answer({ text, structured, isError }: ToolResult): CallToolResult {
  return { content: [{ type: "text", text }], structuredContent: { ...structured }, isError };
}
