// The files of a sandbox.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { printable } from "../../printable.js";
import type { Inside, Model } from "../model.js";
import { Field } from "../parts.js";
import { Detail } from "./detail.js";
import { type Directory, directoryOf } from "./directory.js";
import { Listing } from "./listing.js";
import { parentOf } from "./paths.js";
import { ofDrop, ofFiles, type Upload } from "./uploads.js";

export function Files({ model, inside, path }: { model: Model; inside: Inside; path: Signal<string> }) {
  const directory = useMemo(() => directoryOf(model, inside.sandbox, path), [inside.sandbox]);
  useEffect(() => {
    directory.enter();
    return () => {
      directory.leave();
    };
  }, [directory]);
  const { shown, opened, transfer, asked } = directory;
  const isOver = useSignal(false);
  const upload = (uploads: Upload[]) => void directory.upload(uploads);
  return (
    <div
      class={`split files ${opened.value ? "has-detail" : ""} ${isOver.value ? "drop" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => {
        isOver.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        if (shown.value) upload(ofDrop(shown.value.path, event.dataTransfer));
      }}
    >
      <div class="list">
        <Toolbar directory={directory} path={path} upload={upload} />
        {asked.value.length > 0 && <Replace directory={directory} />}
        <Listing directory={directory} />
        {/* Below the rows, which then stay where they are when it comes and goes. */}
        {transfer.value && (
          <p class="transfer told" role="status">
            {printable(transfer.value)}
          </p>
        )}
      </div>
      {opened.value && <Detail key={opened.value.path} directory={directory} file={opened.value} />}
    </div>
  );
}

function Toolbar({
  directory,
  path,
  upload,
}: {
  directory: Directory;
  path: Signal<string>;
  upload: (uploads: Upload[]) => void;
}) {
  const { shown } = directory;
  const up = parentOf(shown.value?.path ?? "/");
  /** The kind of entry to create. */
  const making = useSignal<"file" | "directory" | undefined>(undefined);
  return (
    <>
      <form
        class="toolbar"
        onSubmit={(event) => {
          event.preventDefault();
          void directory.list(path.value);
        }}
      >
        <button
          type="button"
          aria-label="Parent directory"
          disabled={up === undefined}
          onClick={() => void directory.list(up ?? "/")}
        >
          ↰
        </button>
        <Field text={path} shortcut="path" label="Directory" />
        <button type="submit">Go</button>
        <button
          type="button"
          onClick={() => {
            making.value = "file";
          }}
        >
          New file
        </button>
        <button
          type="button"
          onClick={() => {
            making.value = "directory";
          }}
        >
          New folder
        </button>
        <Chooser label="Upload" directory={directory} upload={upload} />
        <Chooser label="Upload folder" isFolder directory={directory} upload={upload} />
      </form>
      {making.value && (
        <NameForm
          label={making.value === "file" ? "Name of the new file" : "Name of the new folder"}
          action="Create"
          onName={(name) => directory.make(name, making.value === "directory")}
          onDone={() => {
            making.value = undefined;
          }}
        />
      )}
    </>
  );
}

function Chooser({
  label,
  isFolder = false,
  directory,
  upload,
}: {
  label: string;
  isFolder?: boolean;
  directory: Directory;
  upload: (uploads: Upload[]) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        onClick={() => {
          input.current?.click();
        }}
      >
        {label}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        {...(isFolder && { webkitdirectory: true })}
        onChange={(event) => {
          const chosen = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          const { path } = directory.shown.value ?? {};
          if (path !== undefined) upload(ofFiles(path, chosen));
        }}
      />
    </>
  );
}

/** A field for a name. It stays open until the name was good. */
export function NameForm({
  label,
  action,
  initial = "",
  onName,
  onDone,
}: {
  label: string;
  action: string;
  initial?: string;
  onName: (name: string) => Promise<boolean>;
  onDone: () => void;
}) {
  const name = useSignal(initial);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const field = form.current?.querySelector("input");
    field?.focus();
    // The part before the extension, as file managers do.
    field?.setSelectionRange(0, initial.lastIndexOf(".") > 0 ? initial.lastIndexOf(".") : initial.length);
  }, []);
  return (
    <form
      ref={form}
      class="toolbar"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.value === "" || name.value === initial) onDone();
        else
          void onName(name.value).then((done) => {
            if (done) onDone();
          });
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onDone();
      }}
    >
      <Field text={name} label={label} hint={label} />
      <button type="submit">{action}</button>
      <button type="button" onClick={onDone}>
        Cancel
      </button>
    </form>
  );
}

function Replace({ directory }: { directory: Directory }) {
  const { asked } = directory;
  return (
    <p class="ask" role="alertdialog" aria-label="Replace files">
      {printable(asked.value.map(({ name }) => name).join(", "))} {asked.value.length === 1 ? "is" : "are"} there
      already.{" "}
      <button
        type="button"
        class="danger"
        onClick={() => {
          const uploads = asked.value;
          asked.value = [];
          void directory.put(uploads);
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
  );
}
