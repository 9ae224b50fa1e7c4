// The sandbox session of the OpenAI Agents SDK.
import type { FileContent } from "../files.js";
import type { Sandbox } from "../sandbox.js";
import { messageOf, textOf, unlessMissing, unsupported } from "./adapter.js";
import {
  Commands,
  type OpenAiCommand,
  type OpenAiExecResult,
  type OpenAiInput,
  shown,
} from "./openai-exec.js";

/** The members of a manifest of the SDK that a session needs. */
export interface OpenAiManifest {
  /** The root of the workspace, an absolute path. */
  readonly root: string;
  /** Files, directories and others, by their paths from the root. */
  readonly entries: Record<string, OpenAiEntry>;
  /** The users that it asks for. */
  readonly users: readonly unknown[];
  /** The groups that it asks for. */
  readonly groups: readonly unknown[];
  /** Its variables, with those that are functions called. */
  resolveEnvironment(): Promise<Record<string, string>>;
}

/** An entry of a manifest. */
export interface OpenAiEntry {
  /** `file`, `dir`, `local_file` and `local_dir` are written. Others are refused. */
  readonly type: string;
}

/** An entry with what the types that are written have. */
interface AnyEntry extends OpenAiEntry {
  readonly content?: string | Uint8Array;
  readonly src?: string;
  readonly children?: Record<string, AnyEntry>;
}

/** The state of a session. */
export interface OpenAiState<M = OpenAiManifest> {
  /** What the workspace has. */
  manifest: M;
  /** Whether the workspace is ready. */
  workspaceReady?: boolean;
  /** The variables of each command. */
  environment?: Record<string, string>;
  /** The sandbox. */
  sandboxId: string;
  /** Other members are the SDK's. */
  [key: string]: unknown;
}

/** The result of a patch. */
export interface OpenAiPatchResult {
  /** Whether it was applied. */
  status: "completed" | "failed";
  /** What happened, for the model. */
  output: string;
}

/** Applies patches of the model to files. */
export interface OpenAiEditor {
  /** Creates a file. */
  createFile(operation: { path: string; diff: string }): Promise<OpenAiPatchResult>;
  /** Changes a file, and moves it with `moveTo`. */
  updateFile(operation: {
    path: string;
    diff: string;
    moveTo?: string | undefined;
  }): Promise<OpenAiPatchResult>;
  /** Deletes a file. */
  deleteFile(operation: { path: string }): Promise<OpenAiPatchResult>;
}

/** The address of a port. */
export interface OpenAiPort {
  /** The host name. */
  host: string;
  /** The port at that host. */
  port: number;
  /** Whether it is HTTPS. */
  tls: boolean;
  /** The address. */
  url: string;
  [key: string]: unknown;
}

/** A session of the SDK in a sandbox. Paths are absolute, or begin at the root of the workspace. */
export interface OpenAiSession<M = OpenAiManifest> {
  /** The state. */
  state: OpenAiState<M>;
  /** Whether the sandbox runs. */
  running(): Promise<boolean>;
  /** Returns the editor for `apply_patch`. */
  createEditor(runAs?: string): OpenAiEditor;
  /** Runs a command until it ends or `yieldTimeMs` have passed. */
  exec(args: OpenAiCommand): Promise<OpenAiExecResult>;
  /** Runs a command, with the result as text for the model. */
  execCommand(args: OpenAiCommand): Promise<string>;
  /** Writes to a command that runs, or reads more of its output. */
  writeStdin(args: OpenAiInput): Promise<string>;
  /** Reads an image of at most 10 MiB. */
  viewImage(args: { path: string; runAs?: string }): Promise<{
    type: "image";
    image: { data: Uint8Array<ArrayBuffer>; mediaType: string };
  }>;
  /** Reads a file, or its first `maxBytes` bytes. */
  readFile(args: { path: string; runAs?: string; maxBytes?: number }): Promise<Uint8Array>;
  /** Lists a directory. */
  listDir(args: {
    path: string;
    runAs?: string;
  }): Promise<{ name: string; path: string; type: "file" | "dir" | "other" }[]>;
  /** Whether a path exists. */
  pathExists(path: string, runAs?: string): Promise<boolean>;
  /** Whether a path is a directory. */
  directoryExists(path: string, runAs?: string): Promise<boolean>;
  /** Writes an entry of a manifest. */
  materializeEntry(args: { path: string; entry: OpenAiEntry; runAs?: string }): Promise<void>;
  /** Writes the entries of a manifest, and adds its variables. */
  applyManifest(manifest: OpenAiManifest, runAs?: string): Promise<void>;
  /** The address of an exposed port. */
  resolveExposedPort(port: number): Promise<OpenAiPort>;
  /** True. */
  supportsPty(): boolean;
  /** Terminates the sandbox. */
  close(): Promise<void>;
}

/** `applyDiff` of `@openai/agents`. */
export type ApplyDiff = (input: string, diff: string, mode?: "default" | "create") => string;

const IMAGE_BYTES = 10 * 1024 * 1024;
const IMAGES: readonly (readonly [RegExp, string])[] = [
  [/^\x89PNG\r\n\x1a\n/, "image/png"],
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^GIF8[79]a/, "image/gif"],
  [/^RIFF[^]{4}WEBP/, "image/webp"],
];

/** Makes a session. */
export function sessionOf<M extends OpenAiManifest>(
  sandbox: Sandbox,
  state: OpenAiState<M>,
  applyDiff: ApplyDiff,
): OpenAiSession<M> {
  const commands = new Commands(sandbox, () => state.environment ?? {});
  const { fs } = sandbox;
  const at = (path = ".") => (path.startsWith("/") ? path : `${state.manifest.root}/${path}`);
  const exec = async (args: OpenAiCommand) => commands.exec(args, at(args.workdir));
  const write = (path: string, content: FileContent) => sandbox.writeFile(at(path), content);
  const stat = (path: string, runAs?: string) => {
    asItself(runAs);
    return unlessMissing(fs.stat(at(path)), undefined);
  };
  const read = (path: string, runAs?: string) => {
    asItself(runAs);
    return fs.readFile(at(path));
  };
  const materialize = async (path: string, entry: OpenAiEntry): Promise<void> => {
    const { type, content = "", src = "", children = {} }: AnyEntry = entry;
    if (type === "file") await write(path, content);
    else if (type === "local_file") await sandbox.uploadFile(src, at(path));
    else if (type === "local_dir") await sandbox.upload(src, at(path));
    else if (type === "dir") {
      await fs.mkdir(at(path), { recursive: true });
      for (const [name, child] of Object.entries(children)) await materialize(`${path}/${name}`, child);
    } else
      throw unsupported(
        `an entry of type ${entry.type} (${path}) cannot be made: use file, dir, local_file or local_dir`,
      );
  };
  const patched = async (work: () => Promise<string>): Promise<OpenAiPatchResult> => {
    try {
      return { status: "completed", output: await work() };
    } catch (error) {
      return { status: "failed", output: messageOf(error) };
    }
  };
  return {
    state,
    running: async () => (await sandbox.status()) === "running",
    exec,
    execCommand: async (args) => shown(await exec(args)),
    writeStdin: async (args) => shown(await commands.input(args)),
    supportsPty: () => true,
    createEditor: (runAs) => {
      asItself(runAs);
      return {
        createFile: ({ path, diff }) =>
          patched(async () => {
            await write(path, applyDiff("", diff, "create"));
            return `Created ${path}`;
          }),
        updateFile: ({ path, diff, moveTo }) =>
          patched(async () => {
            const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await read(path));
            await write(moveTo ?? path, applyDiff(text, diff));
            if (moveTo !== undefined && at(moveTo) !== at(path)) await fs.rm(at(path));
            return `Updated ${moveTo ?? path}`;
          }),
        deleteFile: ({ path }) =>
          patched(async () => {
            await fs.rm(at(path));
            return `Deleted ${path}`;
          }),
      };
    },
    viewImage: async ({ path, runAs }) => {
      const size = (await stat(path, runAs))?.size ?? 0;
      if (size > IMAGE_BYTES) throw unsupported(`${path} exceeds the 10 MB limit of images: make it smaller`);
      const data = await read(path);
      const head = String.fromCharCode(...data.subarray(0, 16));
      const mediaType =
        IMAGES.find(([start]) => start.test(head))?.[1] ??
        (textOf(data.subarray(0, 1000)).includes("<svg") ? "image/svg+xml" : undefined);
      if (mediaType === undefined)
        throw unsupported(`${path} is not a supported image: use PNG, JPEG, GIF, WebP or SVG`);
      return { type: "image", image: { data, mediaType } };
    },
    readFile: async ({ path, runAs, maxBytes }) => (await read(path, runAs)).subarray(0, maxBytes),
    listDir: async ({ path, runAs }) => {
      asItself(runAs);
      const entries = await fs.readdir(at(path), { withFileTypes: true });
      const prefix = path === "." || path === "" ? "" : `${path.replace(/\/+$/, "")}/`;
      return entries.map((entry) => ({
        name: entry.name,
        path: prefix + entry.name,
        type: entry.isFile() ? "file" : entry.isDirectory() ? "dir" : "other",
      }));
    },
    pathExists: async (path, runAs) => (await stat(path, runAs)) !== undefined,
    directoryExists: async (path, runAs) => (await stat(path, runAs))?.isDirectory() ?? false,
    materializeEntry: async ({ path, entry, runAs }) => {
      asItself(runAs);
      await materialize(path, entry);
    },
    applyManifest: async (manifest, runAs) => {
      asItself(runAs);
      if (manifest.users.length + manifest.groups.length > 0)
        throw unsupported(
          "a manifest with users or groups cannot be applied: make them in the sandbox's image",
        );
      await fs.mkdir(state.manifest.root, { recursive: true });
      for (const [path, entry] of Object.entries(manifest.entries)) await materialize(path, entry);
      state.environment = { ...state.environment, ...(await manifest.resolveEnvironment()) };
    },
    resolveExposedPort: async (port) => {
      const url = sandbox.urlForPort(port);
      const { hostname: host, port: own, protocol } = new URL(url);
      const tls = protocol === "https:";
      return { host, port: Number(own) || (tls ? 443 : 80), tls, url };
    },
    close: () => unlessMissing(sandbox.terminate(), undefined),
  };
}

/** Refuses another user: the files of a sandbox are those of its user. */
function asItself(runAs: string | undefined): void {
  if (runAs !== undefined)
    throw unsupported(`files are read and written as the sandbox's user, not as ${runAs}: omit \`runAs\``);
}
