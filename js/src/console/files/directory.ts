// State and actions of the file view: the directory that is shown, the file that is open, and transfers.
import { type Signal, signal } from "@preact/signals";
import {
  type DirectoryEntry,
  FileSystemError,
  type FileWatcher,
  type Sandbox,
  ShorelineError,
} from "shoreline";
import { readArchive } from "shoreline/tree";
import type { Model } from "../model.js";
import { download, size } from "../parts.js";
import type { Editor } from "./editor.js";
import { isSame, open, type Opened } from "./open.js";
import { join, nameOf, parentOf } from "./paths.js";
import type { Upload } from "./uploads.js";

/** Changes of a directory within this time, ms, are one reason to list it again. */
const SETTLE = 150;
/** Between two attempts to watch a directory whose watch failed, ms. */
const RETRY = 3000;

/** Directories of a console whose open file has unsaved changes while another view is shown, by sandbox id. */
const kept = new WeakMap<Model, Map<string, Directory>>();

/** Returns the directory of a sandbox: the kept one, or a new one. */
export function directoryOf(model: Model, sandbox: Sandbox, field: Signal<string>): Directory {
  return kept.get(model)?.get(sandbox.sandboxId) ?? new Directory(model, sandbox, field);
}

/** Discards the unsaved changes of a console that is taken off the page. */
export function discardAll(model: Model): void {
  for (const directory of kept.get(model)?.values() ?? []) directory.shut();
  kept.delete(model);
}

export class Directory {
  /** The directory that is shown, absolute, and what is in it. */
  readonly shown: Signal<{ path: string; entries: DirectoryEntry[] } | undefined> = signal(undefined);
  readonly opened: Signal<Opened | undefined> = signal(undefined);
  /** Whether the open file is edited; `dirty` after its first change. */
  readonly editing: Signal<"no" | "clean" | "dirty"> = signal("no");
  /** Set if the file could not be saved since it is another one than was opened. */
  readonly conflict: Signal<"changed" | "removed" | undefined> = signal(undefined);
  /** The editor of the open file. It stays, with its text, its history and its cursor, while another view is shown. */
  editor: Editor | undefined;
  readonly transfer: Signal<string | undefined> = signal(undefined);
  /** Uploads that would replace something. */
  readonly asked: Signal<Upload[]> = signal([]);
  readonly #model: Model;
  readonly #sandbox: Sandbox;
  /** Text of the field for the directory. */
  readonly #field: Signal<string>;
  #watched: string | undefined;
  #watcher: FileWatcher | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Changes in the editor. */
  #edits = 0;
  readonly #onLeave = (event: BeforeUnloadEvent): void => {
    const { sandboxId } = this.#sandbox;
    const info = this.#model.sandboxes.value.find((each) => each.sandboxId === sandboxId);
    // Changes for a sandbox that has ended cannot be saved any more.
    if (info && info.status !== "terminated" && info.status !== "timeout") event.preventDefault();
  };

  constructor(model: Model, sandbox: Sandbox, field: Signal<string>) {
    this.#model = model;
    this.#sandbox = sandbox;
    this.#field = field;
  }

  /** Begins to show the directory, where it was left or in the sandbox's working directory. */
  enter(): void {
    this.#closed = false;
    kept.get(this.#model)?.delete(this.#sandbox.sandboxId);
    void this.list(this.shown.value?.path ?? this.#field.value);
  }

  /** Ends what `enter` began. An open file stays open only if it has unsaved changes. */
  leave(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unwatch();
    if (this.editing.value !== "dirty") {
      this.#shut();
      return;
    }
    const ofModel = kept.get(this.#model) ?? new Map<string, Directory>();
    kept.set(this.#model, ofModel.set(this.#sandbox.sandboxId, this));
  }

  failed(what: string, error: unknown): void {
    this.#model.fail(what, error);
  }

  /** Shows a directory. Whether that went well. */
  list(path: string): Promise<boolean> {
    return this.#model.act(`${path} could not be listed`, async () => {
      const listed = await this.#sandbox.listDirectory(await this.#sandbox.fs.realpath(path));
      if (this.#closed) return;
      this.shown.value = listed;
      this.#field.value = listed.path;
      void this.#watch(listed.path);
    });
  }

  /** Lists the directory again. */
  async #again(): Promise<void> {
    const path = this.shown.value?.path ?? ".";
    const listed = await this.#sandbox.listDirectory(path).catch((error: unknown) => {
      // A directory that is gone is left. After a lost connection the next change or watch lists again.
      return ShorelineError.is(error) && error.code === "not_found" ? ("gone" as const) : undefined;
    });
    if (this.#closed || this.shown.value?.path !== path || !listed) return;
    if (listed === "gone") await this.list(parentOf(path) ?? "/");
    else this.shown.value = listed;
    await this.#look();
  }

  /** Takes over a change of the open file, unless that is edited. */
  async #look(): Promise<void> {
    const file = this.opened.value;
    if (!file || this.editing.value !== "no") return;
    const now = await this.#sandbox.fs.stat(file.path).catch(() => undefined);
    if (this.opened.value === file && now && !isSame(file.version, now)) await this.open(file.path);
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#again();
      if (this.#watched === undefined && this.shown.value) void this.#watch(this.shown.value.path);
    }, ms);
  }

  #unwatch(): void {
    this.#watched = undefined;
    void this.#watcher?.return();
    this.#watcher = undefined;
  }

  /** Lists the directory again whenever it changes, as long as it is shown. */
  async #watch(path: string): Promise<void> {
    if (this.#watched === path) return;
    this.#unwatch();
    this.#watched = path;
    try {
      const watcher = await this.#sandbox.fs.watch(path);
      if (this.#watched !== path) {
        await watcher.return();
        return;
      }
      this.#watcher = watcher;
      // The directory may have changed before the watch began.
      this.#later(SETTLE);
      for (let next = await watcher.next(); !next.done; next = await watcher.next()) this.#later(SETTLE);
    } catch (error) {
      const lacks = ShorelineError.is(error) && error.code === "missing_capability";
      if (this.#watched !== path || lacks) return;
      this.#watched = undefined;
      this.#later(RETRY);
    }
  }

  /** Whether the open file has changes that are not saved. It then asks for them to be saved. */
  #isUnsaved(): boolean {
    const file = this.opened.value;
    if (!file || this.editing.value !== "dirty") return false;
    this.#model.warn(`${nameOf(file.path)} has changes that are not saved: save or close it first`);
    return true;
  }

  /** Opens a file of the directory, or one by its absolute path. With `discard`, unsaved changes are lost. */
  open(name: string, discard = false): Promise<boolean> {
    if (!discard && this.#isUnsaved()) return Promise.resolve(false);
    return this.#model.act(`${name} could not be opened`, async () => {
      const file = await open(this.#sandbox, join(this.shown.value?.path ?? "/", name));
      this.#shut();
      if (!this.#closed) this.opened.value = file;
    });
  }

  /** Notes a change in the editor. */
  edited(): void {
    this.#edits++;
    this.editing.value = "dirty";
    addEventListener("beforeunload", this.#onLeave);
  }

  #edited(editing: "no" | "clean"): void {
    this.editing.value = editing;
    removeEventListener("beforeunload", this.#onLeave);
  }

  /** Closes the file that is open. */
  shut(): void {
    this.#shut();
  }

  #shut(): void {
    const { image } = this.opened.value ?? {};
    if (image !== undefined) URL.revokeObjectURL(image);
    this.editor?.close();
    this.editor = undefined;
    this.opened.value = undefined;
    this.#edited("no");
    this.conflict.value = undefined;
  }

  /** Saves the text in the editor. With `force`, also if the file was changed or removed. */
  save(force = false): Promise<boolean> {
    const file = this.opened.value;
    const text = this.editor?.text();
    if (!file || text === undefined) return Promise.resolve(false);
    const edits = this.#edits;
    return this.#model.act(`${file.path} was not saved`, async () => {
      const { fs } = this.#sandbox;
      if (!force) {
        const now = await fs.stat(file.path).catch((error: unknown) => {
          if (FileSystemError.is(error) && error.code === "ENOENT") return undefined;
          throw error;
        });
        if (!now || !isSame(file.version, now)) {
          this.conflict.value = now ? "changed" : "removed";
          return;
        }
      }
      await fs.writeFile(file.path, text);
      const version = await fs.stat(file.path);
      if (this.opened.value !== file) return;
      this.opened.value = { ...file, text, version };
      // Text typed meanwhile is not saved.
      if (this.#edits === edits) this.#edited("clean");
      this.conflict.value = undefined;
      this.#model.say(`${nameOf(file.path)} was saved.`);
    });
  }

  /** Makes a file, which is opened, or a directory. */
  make(name: string, isDirectory: boolean): Promise<boolean> {
    const path = join(this.shown.value?.path ?? ".", name);
    return this.#model.act(`${name} could not be made`, async () => {
      if (isDirectory) await this.#sandbox.fs.mkdir(path);
      else await this.#sandbox.fs.writeFile(path, "", { flag: "wx" });
      await this.#again();
      if (isDirectory) return;
      if (await this.open(path)) this.editing.value = "clean";
    });
  }

  /** Renames or moves a file or directory. Nothing is replaced. */
  move(path: string, to: string): Promise<boolean> {
    const target = join(parentOf(path) ?? "/", to);
    // The editor is of a path.
    if (`${this.opened.value?.path ?? ""}/`.startsWith(`${path}/`) && this.#isUnsaved())
      return Promise.resolve(false);
    return this.#model.act(`${nameOf(path)} was not renamed`, async () => {
      if (await this.#isThere(target)) throw new Error(`${target} exists already: delete it first`);
      await this.#sandbox.fs.rename(path, target);
      const file = this.opened.value;
      if (file && (file.path === path || file.path.startsWith(`${path}/`)))
        this.opened.value = { ...file, path: target + file.path.slice(path.length) };
      await this.#again();
    });
  }

  remove(path: string): Promise<boolean> {
    return this.#model.act(`${path} was not deleted`, async () => {
      await this.#sandbox.fs.rm(path, { recursive: true });
      const file = this.opened.value?.path;
      if (file !== undefined && (file === path || file.startsWith(`${path}/`))) this.#shut();
      await this.#again();
    });
  }

  /** Gives a file to the person, or a directory as a tar archive. */
  async download(path: string, isDirectory: boolean): Promise<void> {
    await this.#model.act(`${path} was not downloaded`, async () => {
      const report = (transferred: number, total?: number) => {
        const of = total === undefined ? "" : ` of ${size(total)}`;
        this.transfer.value = `Downloading ${nameOf(path)}: ${size(transferred)}${of}`;
      };
      if (isDirectory) {
        const parts: Uint8Array<ArrayBuffer>[] = [];
        let bytes = 0;
        for await (const part of readArchive(this.#sandbox, path)) {
          parts.push(part);
          report((bytes += part.length));
        }
        download(`${nameOf(path)}.tar`, new Blob(parts, { type: "application/x-tar" }));
        return;
      }
      const stream = await this.#sandbox.readFileStream(path, {
        onProgress: ({ transferred, total }) => {
          report(transferred, total);
        },
      });
      download(nameOf(path), await new Response(stream).blob());
    });
    this.transfer.value = undefined;
  }

  /** Sends what replaces nothing, and asks about the rest. */
  async upload(uploads: Upload[]): Promise<void> {
    const isThere = await Promise.all(
      uploads.map(({ directory, name }) => this.#isThere(join(directory, name))),
    ).catch((error: unknown) => {
      this.#model.fail("Nothing was uploaded", error);
    });
    if (!isThere) return;
    this.asked.value = [...this.asked.value, ...uploads.filter((_, at) => isThere[at])];
    await this.put(uploads.filter((_, at) => !isThere[at]));
  }

  async put(uploads: Upload[]): Promise<void> {
    for (const upload of uploads) {
      const done = await this.#model.act(`Uploading ${upload.name} failed`, () =>
        upload.send(this.#sandbox, (text) => {
          this.transfer.value = text;
        }),
      );
      if (done) this.#model.say(`${upload.name} was uploaded.`);
    }
    this.transfer.value = undefined;
    await this.#again();
  }

  async #isThere(path: string): Promise<boolean> {
    try {
      await this.#sandbox.fs.lstat(path);
      return true;
    } catch (error) {
      if (FileSystemError.is(error) && error.code === "ENOENT") return false;
      throw error;
    }
  }
}
