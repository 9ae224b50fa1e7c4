// cp, in both directions.
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { Sandbox } from "shoreline";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./execute.js";
import { EXIT, Failure, misused } from "./exit.js";
import { clean, coloured, print } from "./print.js";

/** A path in a sandbox, or here. */
interface Place {
  sandbox?: string;
  path: string;
}

/** `ID:/path`; a prefix of one letter is no sandbox, as on Windows it is a drive. */
function place(text: string): Place {
  const [, sandbox, path] = /^([A-Za-z0-9_-]{2,}):(.*)$/s.exec(text) ?? [];
  return sandbox === undefined || path === undefined ? { path: text } : { sandbox, path };
}

export function addCopying(program: Command): void {
  program
    .command("cp <source> <destination>")
    .summary("copy files into a sandbox or out of it")
    .description(
      "Copies a file, or with -r a directory. The sandbox's side is ID:/path. A destination that ends in / or is a directory takes the source's name. Each file appears under its name when it is whole, not before.",
    )
    .option("-r, --recursive", "directories too")
    .action(async (source: string, destination: string, options: { recursive?: boolean }) => {
      const [from, to] = [place(source), place(destination)];
      if ((from.sandbox === undefined) === (to.sandbox === undefined)) {
        throw misused("one of the two must be in a sandbox: SANDBOX:/path");
      }
      using interrupts = new Interrupts();
      const sandbox = await sandboxOf(program.opts(), from.sandbox ?? to.sandbox ?? "");
      const copy = new Copy(sandbox, options.recursive ?? false, interrupts.abort);
      await (from.sandbox === undefined ? copy.in(from.path, to.path) : copy.out(from.path, to.path));
      print(`${source} -> ${destination} (${copy.bytes} bytes${copy.count})`);
    });
}

class Copy {
  bytes = 0;
  #files = 0;

  constructor(
    readonly sandbox: Sandbox,
    readonly recursive: boolean,
    readonly signal: AbortSignal,
  ) {}

  get count(): string {
    return this.#files === 1 ? "" : ` in ${this.#files} files`;
  }

  async in(from: string, to: string): Promise<void> {
    const about = await stat(from);
    const target =
      to === "" || to.endsWith("/") || (await this.#isDirectory(to)) ? posix.join(to, basename(from)) : to;
    if (!about.isDirectory()) return this.#upload(from, target, about.size);
    this.#mustBeRecursive(from);
    for (const entry of await readdir(from, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      const under = path.slice(from.replace(/\/+$/, "").length + 1);
      await this.#upload(path, posix.join(target, under), (await stat(path)).size);
    }
  }

  async out(from: string, to: string): Promise<void> {
    const here = await stat(to).catch(() => undefined);
    const target = to.endsWith("/") || here?.isDirectory() ? join(to, posix.basename(from)) : to;
    if (!(await this.#isDirectory(from))) return this.#download(from, target);
    this.#mustBeRecursive(from);
    await this.#downloadBelow(from, target);
  }

  async #downloadBelow(from: string, to: string): Promise<void> {
    await mkdir(to, { recursive: true });
    for (const { name, isDir } of (await this.sandbox.listDirectory(from, { signal: this.signal })).entries) {
      // What runs in a sandbox gives its files their names: none may lead out of the directory here.
      if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name))
        throw new Failure(EXIT.failure, `a file in ${from} has a name that cannot be kept: ${clean(name)}`);
      const path = posix.join(from, name);
      if (isDir) await this.#downloadBelow(path, join(to, name));
      else await this.#download(path, join(to, name));
    }
  }

  #mustBeRecursive(path: string): void {
    if (!this.recursive) throw misused(`${path} is a directory: copy it with -r`);
  }

  async #isDirectory(path: string): Promise<boolean> {
    try {
      await this.sandbox.listDirectory(path, { signal: this.signal });
      return true;
    } catch {
      // What is wrong with it is told by the copy itself.
      this.signal.throwIfAborted();
      return false;
    }
  }

  async #upload(from: string, to: string, size: number): Promise<void> {
    const bar = new Bar(from, size);
    const body = Readable.toWeb(createReadStream(from)) as ReadableStream<Uint8Array>;
    await this.sandbox.writeFile(to, body, { signal: this.signal, onProgress: bar.show });
    this.#done(bar);
  }

  /** A file is written beside its place and put there when it is whole. */
  async #download(from: string, to: string): Promise<void> {
    const bar = new Bar(from, undefined);
    const part = join(dirname(to), `.${basename(to)}.${randomUUID()}.part`);
    try {
      const body = await this.sandbox.readFileStream(from, { signal: this.signal, onProgress: bar.show });
      await pipeline(Readable.fromWeb(body as never), createWriteStream(part, { flags: "wx" }), {
        signal: this.signal,
      });
      await rename(part, to);
    } catch (error) {
      await rm(part, { force: true });
      throw explained(error, to);
    }
    this.#done(bar);
  }

  #done(bar: Bar): void {
    bar.end();
    this.bytes += bar.transferred;
    this.#files++;
  }
}

/** What Node's errors about files mean. */
function explained(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const sentences: Record<string, string> = {
    ENOSPC: `the disk is full: nothing was left of ${path}; make room and copy again`,
    EDQUOT: `the quota is used up: nothing was left of ${path}; make room and copy again`,
    EACCES: `${path} cannot be written: it is not yours`,
    ENOENT: `the directory for ${path} is not there: make it first`,
    EISDIR: `${path} is a directory`,
  };
  const sentence = code === undefined ? undefined : sentences[code];
  return sentence === undefined
    ? error
    : Object.assign(new Failure(EXIT.failure, sentence), { cause: error });
}

/** How often the progress is drawn, ms. */
const DRAWN = 100;
const WIDTH = 30;

/** A file's progress, on a terminal. */
class Bar {
  transferred = 0;
  #drawn = 0;
  readonly #name: string;
  readonly #size: number | undefined;

  constructor(path: string, size: number | undefined) {
    this.#name = clean(basename(path));
    this.#size = size;
  }

  readonly show = ({
    transferred,
    total = this.#size,
  }: {
    transferred: number;
    total?: number | undefined;
  }): void => {
    this.transferred = transferred;
    if (!coloured(process.stderr) || Date.now() - this.#drawn < DRAWN) return;
    this.#drawn = Date.now();
    const share = total ? Math.min(1, transferred / total) : 0;
    const filled = "#".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, "-");
    const percent = total ? ` ${Math.floor(share * 100)} %` : "";
    process.stderr.write(`\r${this.#name} [${filled}]${percent} ${transferred} bytes\u001b[K`);
  };

  end(): void {
    if (this.#drawn > 0) process.stderr.write("\r\u001b[K");
  }
}
