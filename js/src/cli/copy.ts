// cp, in both directions.
import { lstat, stat } from "node:fs/promises";
import { posix } from "node:path";
import type { Command } from "commander";
import { type Sandbox, ShorelineError, type TreeResult } from "shoreline";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure, misused } from "./exit.js";
import { each, json } from "./options.js";
import { clean, note, print, printRecord } from "./print.js";
import { ProgressLine } from "./progress.js";

/** A path in a sandbox, or here. */
interface Place {
  sandbox?: string;
  path: string;
}

interface Options {
  recursive?: boolean;
  archive?: boolean;
  followLinks?: boolean;
  exclude?: string[];
  skipSpecial?: boolean;
  json?: boolean;
}

/** `ID:/path`; a prefix of one letter is no sandbox, as on Windows it is a drive. */
function place(text: string): Place {
  const [, sandbox, path] = /^([A-Za-z0-9_-]{2,}):(.*)$/s.exec(text) ?? [];
  return sandbox === undefined || path === undefined ? { path: text } : { sandbox, path };
}

export function addCopying(program: Command): void {
  program
    .command("cp <source> <destination>")
    .summary("copy files to or from a sandbox")
    .description(
      "Copies a file, or a directory with -r. A path in a sandbox is written SANDBOX:/path. Permissions, links, empty directories and modification times are kept; owners are not.",
    )
    .option("-r, --recursive", "copy directories")
    .option("-a, --archive", "the same as -r")
    .option("-L, --follow-links", "follow symbolic links and copy their targets")
    .option(
      "--exclude <pattern>",
      "skip files and directories with this name, or with this path if it contains a /; * matches any characters except /; can be repeated",
      each(String),
    )
    .option("--skip-special", "skip FIFOs, devices, sockets and files whose names cannot be copied")
    .addOption(json())
    .addHelpText("after", HELP)
    .action(async (source: string, destination: string, options: Options) => {
      const [from, to] = [place(source), place(destination)];
      if ((from.sandbox === undefined) === (to.sandbox === undefined))
        throw misused("one of the two must be in a sandbox: SANDBOX:/path");
      using interrupts = new Interrupts();
      const sandbox = await sandboxOf(program.opts(), from.sandbox ?? to.sandbox ?? "");
      const signal = interrupts.abort;
      const result = await copy(sandbox, from, to, options, signal).catch(told);
      if (options.json) {
        printRecord(result);
        return;
      }
      for (const path of result.skipped) note(`Skipped ${path}`);
      const files = result.files === 1 ? "" : ` in ${result.files} files`;
      const skipped = result.skipped.length > 0 ? `, ${result.skipped.length} skipped` : "";
      print(`${source} -> ${destination} (${result.bytes} bytes${files}${skipped})`);
    });
}

const HELP = `
The rules for the destination are those of cp and docker cp:
- If the destination is an existing directory, the copy is placed in it under the source's name. If the source ends
  in . or .., its content is copied into the directory itself.
- Otherwise the destination is the name of the copy. It may end in / only if a directory is copied.
- Missing parent directories are created in a sandbox. On this machine they must exist.
- A directory does not replace a file, and a file does not replace a directory. An existing directory is merged:
  files with the same name are replaced.
- With -r, symbolic links are copied as links. Without -r, they are followed.
A copy is renamed to its final name when it is complete. A merge into a directory of a sandbox is not atomic: after an
error or Ctrl-C, the files copied so far remain.`;

/** What is at a path. */
type Kind = "directory" | "other" | "missing";

async function copy(
  sandbox: Sandbox,
  from: Place,
  to: Place,
  options: Options,
  signal: AbortSignal,
): Promise<TreeResult> {
  const recursive = options.recursive ?? options.archive ?? false;
  const followLinks = options.followLinks ?? !recursive;
  const isUpload = from.sandbox === undefined;
  const source = from.path === "" ? "." : from.path;
  const kindHere = (path: string) => localKind(path, followLinks);
  const kindThere = (path: string) => remoteKind(sandbox, path, signal);
  const [sourceKind, kind] = isUpload
    ? [await kindHere(source), await kindThere(to.path || ".")]
    : [await kindThere(source), await localKind(to.path, true)];
  if (sourceKind === "missing") {
    const where = isUpload
      ? `on this machine (in ${process.cwd()})`
      : `in sandbox ${from.sandbox ?? ""}: paths without a leading / are relative to its working directory`;
    throw new Failure(
      isUpload ? EXIT.failure : EXIT.notFound,
      `no file or directory ${clean(source)} ${where}`,
    );
  }
  if (sourceKind === "directory" && !recursive) throw misused(`${source} is a directory: copy it with -r`);
  const target = destinationOf(source, sourceKind, to.path, kind);
  using line = new ProgressLine(nameOf(source) || source);
  const { exclude, skipSpecial } = options;
  const how = { followLinks, exclude, skipSpecial, signal, onProgress: line.show };
  return isUpload ? await sandbox.upload(source, target, how) : await sandbox.download(source, target, how);
}

/** The path of the copy. */
export function destinationOf(source: string, sourceKind: Kind, to: string, kind: Kind): string {
  const name = nameOf(source);
  if (kind === "directory") return name === "" ? to || "." : posix.join(to || ".", name);
  if (sourceKind === "directory" && kind === "other")
    throw misused(`${to} is not a directory, and ${source} is one`);
  if (sourceKind !== "directory" && to.endsWith("/")) throw misused(`${to} is not a directory`);
  return to;
}

/** The name that a copy gets; empty if only what is in the source is copied. */
function nameOf(source: string): string {
  const name = posix.basename(source.replaceAll(/\/+/g, "/"));
  return name === "." || name === ".." ? "" : name;
}

async function localKind(path: string, followLinks: boolean): Promise<Kind> {
  const look = followLinks ? stat : lstat;
  try {
    return (await look(path)).isDirectory() ? "directory" : "other";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return "missing";
    // A name under a file: what is there is no directory.
    if (code === "ENOTDIR") return "other";
    throw error;
  }
}

/** Servers take no path with `..` for their files. */
const KIND = '[ -d "$1" ] && exit 0; { [ -e "$1" ] || [ -L "$1" ]; } && exit 1; exit 2';

async function remoteKind(sandbox: Sandbox, path: string, signal: AbortSignal): Promise<Kind> {
  if (path.split("/").includes("..")) {
    const { exitCode } = await sandbox.run("sh", { args: ["-c", KIND, "sh", path], signal });
    return exitCode === 0 ? "directory" : exitCode === 1 ? "other" : "missing";
  }
  try {
    await sandbox.listDirectory(path, { signal });
    return "directory";
  } catch (error) {
    if (!ShorelineError.is(error)) throw error;
    if (error.code === "not_found") return "missing";
    if (error.code === "invalid_request") return "other";
    throw error;
  }
}

/** Errors about files here are failures, not wrong uses. */
function told(error: unknown): never {
  if (ShorelineError.is(error)) {
    if (error.code === "aborted" && error.message.includes("was there before")) note(error.message);
    if (error.code === "invalid_argument")
      throw Object.assign(new Failure(EXIT.failure, error.message), { cause: error.cause });
  }
  throw error;
}
