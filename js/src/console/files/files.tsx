// The files of a sandbox.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { DirectoryEntry, Sandbox } from "shoreline";
import { printable } from "../printable.js";
import type { Inside, Model } from "./model.js";
import { Confirm, download, Field, size, time } from "./parts.js";

/** What is shown of a directory. */
const ENTRIES = 2000;
/** What is shown of a file, bytes. */
const SHOWN = 1024 * 1024;

interface Opened {
  path: string;
  /** Missing where it is no text. */
  text: string | undefined;
  whole: boolean;
}

/** A file for a directory, whichever is shown by then. */
interface Upload {
  directory: string;
  file: File;
}

const join = (directory: string, name: string) => `${directory.replace(/\/$/, "")}/${name}`;

/** Above the sandbox's own directory nothing can be named from it. */
function parentOf(directory: string): string | undefined {
  const path = directory.replace(/\/+$/, "");
  if (path === "" || path === ".") return undefined;
  const at = path.lastIndexOf("/");
  return at === -1 ? "." : path.slice(0, at) || "/";
}

export function Files({ model, inside, path }: { model: Model; inside: Inside; path: Signal<string> }) {
  const { sandbox } = inside;
  /** The directory that is shown, absolute, and what is in it. */
  const shown = useSignal<{ path: string; entries: DirectoryEntry[] } | undefined>(undefined);
  const opened = useSignal<Opened | undefined>(undefined);
  const transfer = useSignal<string | undefined>(undefined);
  /** What would replace others, and where. */
  const asked = useSignal<Upload[]>([]);
  const input = useRef<HTMLInputElement>(null);

  const list = (directory: string) =>
    model.act(`${directory} could not be listed`, async () => {
      shown.value = await sandbox.listDirectory(directory);
      path.value = shown.value.path;
    });
  useEffect(() => {
    void list(path.value);
  }, [sandbox]);

  const open = (name: string) =>
    model.act(`${name} could not be opened`, async () => {
      const file = join(shown.value?.path ?? "/", name);
      opened.value = await look(sandbox, file);
    });
  const save = (file: string) =>
    model.act(`${file} was not downloaded`, async () => {
      const stream = await sandbox.readFileStream(file, {
        onProgress: ({ transferred, total }) => {
          transfer.value = `Downloading: ${size(transferred)}${total === undefined ? "" : ` of ${size(total)}`}`;
        },
      });
      download(file.slice(file.lastIndexOf("/") + 1), await new Response(stream).blob());
    }).finally(() => {
      transfer.value = undefined;
    });
  const put = async (uploads: Upload[]) => {
    for (const { directory, file } of uploads) {
      const done = await model.act(`Uploading ${file.name} failed`, () =>
        sandbox.writeFile(join(directory, file.name), file, {
          onProgress: ({ transferred }) => {
            transfer.value = `Uploading ${file.name}: ${size(transferred)} of ${size(file.size)}`;
          },
        }),
      );
      if (done) model.say(`${file.name} was uploaded.`);
    }
    transfer.value = undefined;
    await list(shown.value?.path ?? ".");
  };
  const upload = async (files: File[]) => {
    const directory = shown.value?.path;
    // What is there now, not what was there when it was listed.
    if (directory === undefined || !(await list(directory))) return;
    const names = new Set(shown.value?.entries.map(({ name }) => name));
    const uploads = files.map((file) => ({ directory, file }));
    const isThere = ({ file }: Upload) => names.has(file.name);
    asked.value = [...asked.value, ...uploads.filter(isThere)];
    await put(uploads.filter((each) => !isThere(each)));
  };

  const up = parentOf(shown.value?.path ?? ".");
  return (
    <div
      class={`split files ${opened.value ? "has-detail" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
      }}
      onDrop={(event) => {
        event.preventDefault();
        void upload([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <div class="list">
        <form
          class="toolbar"
          onSubmit={(event) => {
            event.preventDefault();
            void list(path.value);
          }}
        >
          <button
            type="button"
            aria-label="Parent directory"
            disabled={up === undefined}
            onClick={() => void list(up ?? ".")}
          >
            ↰
          </button>
          <Field text={path} shortcut="path" label="Directory" />
          <button type="submit">Go</button>
          <button
            type="button"
            onClick={() => {
              input.current?.click();
            }}
          >
            Upload
          </button>
          <input
            ref={input}
            type="file"
            multiple
            hidden
            onChange={(event) => {
              const chosen = [...(event.currentTarget.files ?? [])];
              event.currentTarget.value = "";
              void upload(chosen);
            }}
          />
        </form>
        {transfer.value && (
          <p class="told" role="status">
            {transfer.value}
          </p>
        )}
        {asked.value.length > 0 && (
          <p class="ask" role="alertdialog" aria-label="Replace files">
            {printable(asked.value.map(({ file }) => file.name).join(", "))} {asked.value.length === 1 ? "is" : "are"} there already.{" "}
            <button
              type="button"
              class="danger"
              onClick={() => {
                const uploads = asked.value;
                asked.value = [];
                void put(uploads);
              }}
            >
              Replace
            </button>{" "}
            <button
              type="button"
              onClick={() => {
                asked.value = [];
              }}
            >
              Leave
            </button>
          </p>
        )}
        <table>
          <caption class="hidden">Files in {printable(shown.value?.path ?? "")}</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Size</th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {shown.value?.entries.slice(0, ENTRIES).map(({ name, isDir, size: bytes, modifiedAt }) => (
              <tr key={name}>
                <td>
                  <button
                    type="button"
                    class="link"
                    onClick={() => void (isDir ? list(join(shown.value?.path ?? "/", name)) : open(name))}
                  >
                    {printable(name)}
                    {isDir && "/"}
                  </button>
                </td>
                <td>{bytes === undefined || isDir ? "" : size(bytes)}</td>
                <td>{modifiedAt ? time(modifiedAt) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {shown.value && shown.value.entries.length > ENTRIES && (
          <p class="told">{shown.value.entries.length - ENTRIES} more are not shown.</p>
        )}
        {shown.value?.entries.length === 0 && <p class="empty">The directory is empty. Drop files here to upload them.</p>}
      </div>
      {opened.value && (
        <section class="detail" aria-label={printable(opened.value.path)}>
          <header>
            <button
              type="button"
              class="back always"
              onClick={() => {
                opened.value = undefined;
              }}
            >
              ← Close
            </button>
            <code title={printable(opened.value.path)}>{printable(opened.value.path)}</code>
            <button type="button" onClick={() => void save(opened.value?.path ?? "")}>
              Download
            </button>
            <Confirm
              label="Delete"
              sure="Delete it for good?"
              onConfirm={() => {
                const file = opened.value?.path ?? "";
                void model
                  .act(`${file} was not deleted`, () => sandbox.deleteFile(file))
                  .then(async (deleted) => {
                    if (deleted) opened.value = undefined;
                    await list(shown.value?.path ?? "/");
                  });
              }}
            />
          </header>
          {opened.value.text === undefined ? (
            <p class="empty">This is no text. Download it to see it.</p>
          ) : (
            <pre class="file" tabIndex={0}>
              {opened.value.text}
            </pre>
          )}
          {!opened.value.whole && <p class="told">Only the first {size(SHOWN)} are shown.</p>}
        </section>
      )}
    </div>
  );
}

/** The beginning of a file. */
async function look(sandbox: Sandbox, path: string): Promise<Opened> {
  const stream = await sandbox.readFileStream(path);
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text: string | undefined = "";
  let bytes = 0;
  let whole = false;
  while (bytes < SHOWN) {
    const { done, value } = await reader.read();
    if (done) {
      whole = true;
      text = decoded(decoder, text);
      break;
    }
    text = decoded(decoder, text, value);
    bytes += value.length;
    if (text === undefined) break;
  }
  await reader.cancel();
  return { path, text, whole: whole || text === undefined };
}

/** With these bytes, or at the end; nothing where it is no text. */
function decoded(decoder: TextDecoder, before: string, bytes?: Uint8Array): string | undefined {
  try {
    return bytes?.includes(0) ? undefined : before + decoder.decode(bytes, { stream: bytes !== undefined });
  } catch {
    return undefined;
  }
}
