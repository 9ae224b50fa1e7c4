// A file that is open.
import { useEffect, useRef } from "preact/hooks";
import { printable } from "../../printable.js";
import { Confirm, size } from "../parts.js";
import type { Directory } from "./directory.js";
import { type Opened, SHOWN } from "./open.js";

export function Detail({ directory, file }: { directory: Directory; file: Opened }) {
  const { editing, conflict } = directory;
  const shown = printable(file.path);
  const isDirty = editing.value === "dirty";
  /** Buttons that vanish would take the keyboard with them. */
  const goOn = () => directory.editor?.focus();
  const save = (force = false) => void directory.save(force).then(goOn);
  return (
    <section class="detail" aria-label={shown}>
      <header>
        {isDirty ? (
          <Confirm
            label="← Close"
            sure="Discard the changes?"
            onConfirm={() => {
              directory.shut();
            }}
          />
        ) : (
          <button
            type="button"
            class="back always"
            onClick={() => {
              directory.shut();
            }}
          >
            ← Close
          </button>
        )}
        <code title={shown}>
          {shown}
          {isDirty && <span title="not saved"> ●</span>}
        </code>
        {editing.value === "no" ? (
          file.text !== undefined &&
          file.whole && (
            <button
              type="button"
              onClick={() => {
                editing.value = "clean";
              }}
            >
              Edit
            </button>
          )
        ) : (
          <button type="button" disabled={!isDirty} onClick={() => { save(); }}>
            Save
          </button>
        )}
        <button type="button" onClick={() => void directory.download(file.path, false)}>
          Download
        </button>
        <Confirm
          label="Delete"
          sure="Delete it for good?"
          onConfirm={() => void directory.remove(file.path)}
        />
      </header>
      {conflict.value && <Conflict directory={directory} file={file} conflict={conflict.value} save={save} goOn={goOn} />}
      <Content directory={directory} file={file} />
      {!file.whole && <p class="told">Only the first {size(SHOWN)} are shown. Download the file to view all of it.</p>}
    </section>
  );
}

function Content({ directory, file }: { directory: Directory; file: Opened }) {
  const { path, text, image } = file;
  if (image !== undefined) return <img class="image" src={image} alt={printable(path)} />;
  if (text === undefined) return <p class="empty">Binary file. Download it to view it.</p>;
  if (directory.editing.value !== "no")
    return <TextEditor directory={directory} path={path} text={text} />;
  return (
    <pre class="file" tabIndex={0}>
      {text}
    </pre>
  );
}

function TextEditor({ directory, path, text }: { directory: Directory; path: string; text: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { editor } = directory;
    const shown = printable(path);
    if (editor?.path === shown && place.current) {
      editor.moveTo(place.current);
      return undefined;
    }
    let closed = false;
    import("./editor.js").then(
      ({ edit }) => {
        if (closed || !place.current) return;
        // After a rename the file has another language.
        editor?.close();
        directory.editor = edit(place.current, {
          path: shown,
          text,
          onChange: () => {
            directory.edited();
          },
          onSave: () => void directory.save(),
        });
      },
      (error: unknown) => {
        directory.failed("The editor could not be loaded", error);
      },
    );
    return () => {
      closed = true;
    };
  }, []);
  return <div ref={place} class="editor" />;
}

function Conflict({
  directory,
  file,
  conflict,
  save,
  goOn,
}: {
  directory: Directory;
  file: Opened;
  conflict: "changed" | "removed";
  save: (force: boolean) => void;
  goOn: () => void;
}) {
  return (
    <p class="ask" role="alertdialog" aria-label="Save changes">
      {conflict === "removed"
        ? "The file was deleted since it was opened."
        : "The file was changed since it was opened."}{" "}
      <button
        type="button"
        class="danger"
        onClick={() => {
          save(true);
        }}
      >
        {conflict === "removed" ? "Save it again" : "Overwrite"}
      </button>{" "}
      {conflict === "changed" && (
        <button type="button" onClick={() => void directory.open(file.path, true)}>
          Discard mine and reload
        </button>
      )}{" "}
      <button
        type="button"
        onClick={() => {
          directory.conflict.value = undefined;
          goOn();
        }}
      >
        Keep editing
      </button>
    </p>
  );
}
