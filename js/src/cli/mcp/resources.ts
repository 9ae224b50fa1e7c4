// Resources of the protocol: a sandbox's files, and the output of its processes.
import type {
  Resource,
  ResourceTemplate,
  TextResourceContents,
  BlobResourceContents,
} from "@modelcontextprotocol/sdk/types.js";
import { McpError, ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { type Sandbox, ShorelineError } from "shoreline";

/** The largest file that is read at once. */
const FILE_BYTES = 1_000_000;
/** Bytes of a process's output, its beginning and its end. */
const OUTPUT_BYTES = 200_000;
/** Resources of each kind that are listed. */
const LISTED = 100;
/** The code of a resource that does not exist (specification, server/resources, error handling). */
const NOT_FOUND = -32_002;
const FILE = "shoreline://file";
const PROCESS = /^shoreline:\/\/process\/(\d{1,10})\/output$/;

export const TEMPLATES: ResourceTemplate[] = [
  {
    uriTemplate: `${FILE}{+path}`,
    name: "file",
    title: "File",
    description: "A file in the sandbox, by its absolute path.",
  },
  {
    uriTemplate: "shoreline://process/{pid}/output",
    name: "output",
    title: "Output of a process",
    description: "What a process has written: the beginning and the end, if it is long.",
    mimeType: "text/plain",
  },
];

/** The files in the working directory, and the output of the latest processes. */
export async function listResources(sandbox: Sandbox, signal: AbortSignal): Promise<Resource[]> {
  const [directory, entries, processes] = await Promise.all([
    sandbox.fs.realpath(".", { signal }),
    sandbox.fs.readdir(".", { withFileTypes: true, signal }),
    sandbox.listProcesses({ signal }),
  ]);
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const latest = processes.sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
  return [
    ...files
      .sort()
      .slice(0, LISTED)
      .map((name) => ({ uri: uriOf(`${directory}/${name}`), name, title: name })),
    ...latest.slice(0, LISTED).map(({ pid, status }) => ({
      uri: `shoreline://process/${pid}/output`,
      name: `process ${pid}`,
      title: `Output of process ${pid} (${status})`,
      mimeType: "text/plain",
    })),
  ];
}

/** Reads a file or an output. */
export async function readResource(
  sandbox: Sandbox | undefined,
  uri: string,
  signal: AbortSignal,
): Promise<TextResourceContents | BlobResourceContents> {
  const pid = PROCESS.exec(uri)?.[1];
  const path = pid === undefined ? pathOf(uri) : undefined;
  if (pid === undefined && path === undefined)
    throw new McpError(NOT_FOUND, "Resource not found: see resources/templates/list", { uri });
  if (!sandbox)
    throw new McpError(NOT_FOUND, "Resource not found: the sandbox is made when a tool is first called", {
      uri,
    });
  try {
    return path === undefined
      ? await outputOf(sandbox, Number(pid), uri, signal)
      : await fileOf(sandbox, path, uri, signal);
  } catch (error) {
    if (error instanceof McpError || !ShorelineError.is(error)) throw error;
    const isMissing = ["ENOENT", "ENOTDIR", "not_found"].includes(error.code);
    throw new McpError(isMissing ? NOT_FOUND : ErrorCode.InternalError, error.message, { uri });
  }
}

async function fileOf(sandbox: Sandbox, path: string, uri: string, signal: AbortSignal) {
  const found = await sandbox.fs.stat(path, { signal });
  if (!found.isFile()) throw new McpError(ErrorCode.InvalidParams, `${path} is not a regular file`, { uri });
  if (found.size > FILE_BYTES)
    throw new McpError(
      ErrorCode.InvalidParams,
      `${path} has ${found.size} bytes, more than ${FILE_BYTES}: read a part of it with the tool read_file`,
      { uri },
    );
  const bytes = await sandbox.fs.readFile(path, { signal });
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes("\0")) return { uri, mimeType: "text/plain", text };
  } catch {
    // Not UTF-8.
  }
  return { uri, mimeType: "application/octet-stream", blob: Buffer.from(bytes).toString("base64") };
}

async function outputOf(sandbox: Sandbox, pid: number, uri: string, signal: AbortSignal) {
  const { status } = await sandbox.getProcess(pid, { signal });
  const yieldAfter = status === "running" ? 0.5 : undefined;
  const { text } = await sandbox.excerpt(pid, { yieldAfter, maxBytes: OUTPUT_BYTES, signal });
  return { uri, mimeType: "text/plain", text };
}

const uriOf = (path: string) => `${FILE}${path.split("/").map(encodeURIComponent).join("/")}`;

/** The absolute path in a URI; undefined if there is none. */
function pathOf(uri: string): string | undefined {
  if (!uri.startsWith(`${FILE}/`) || uri.length > 8192) return undefined;
  try {
    return decodeURIComponent(uri.slice(FILE.length));
  } catch {
    return undefined;
  }
}
