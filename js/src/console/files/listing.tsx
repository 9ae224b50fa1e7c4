// The entries of a directory, and the actions on each.
import { useSignal } from "@preact/signals";
import type { DirectoryEntry } from "shoreline";
import { printable } from "../../printable.js";
import { Confirm, size, time } from "../parts.js";
import type { Directory } from "./directory.js";
import { NameForm } from "./files.js";
import { join } from "./paths.js";

/** The most entries that are shown. */
const ENTRIES = 2000;

export function Listing({ directory }: { directory: Directory }) {
  const { path, entries } = directory.shown.value ?? {};
  /** The name of the entry whose actions are shown. */
  const chosen = useSignal<string | undefined>(undefined);
  if (path === undefined || entries === undefined) return null;
  return (
    <>
      <table>
        <caption class="hidden">Files in {printable(path)}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Size</th>
            <th scope="col">Changed</th>
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.slice(0, ENTRIES).map((entry) => (
            <Row
              key={entry.name}
              directory={directory}
              entry={entry}
              path={join(path, entry.name)}
              isChosen={chosen.value === entry.name}
              onChoose={(isChosen) => {
                chosen.value = isChosen ? entry.name : undefined;
              }}
            />
          ))}
        </tbody>
      </table>
      {entries.length > ENTRIES && <p class="told">{entries.length - ENTRIES} more are not shown.</p>}
      {entries.length === 0 && <p class="empty">The directory is empty. Drop files or folders here to upload them.</p>}
    </>
  );
}

function Row({
  directory,
  entry: { name, isDir, isLink, size: bytes, modifiedAt },
  path,
  isChosen,
  onChoose,
}: {
  directory: Directory;
  entry: DirectoryEntry;
  path: string;
  isChosen: boolean;
  onChoose: (isChosen: boolean) => void;
}) {
  const shown = printable(name);
  const renaming = useSignal(false);
  return (
    <>
      <tr class={directory.opened.value?.path === path ? "current" : ""}>
        <td>
          <button
            type="button"
            class="link"
            onClick={() => void (isDir ? directory.list(path) : directory.open(name))}
          >
            {shown}
            {isDir ? "/" : isLink ? "@" : ""}
          </button>
        </td>
        <td>{bytes === undefined || isDir ? "" : size(bytes)}</td>
        <td>{modifiedAt ? time(modifiedAt) : ""}</td>
        <td>
          <button
            type="button"
            class="more"
            aria-label={`Actions for ${shown}`}
            aria-expanded={isChosen}
            onClick={() => {
              onChoose(!isChosen);
            }}
          >
            ⋯
          </button>
        </td>
      </tr>
      {isChosen && (
        <tr>
          <td colSpan={4}>
            {renaming.value ? (
              <NameForm
                label={`New name or path of ${shown}`}
                action="Rename"
                initial={name}
                onName={(to) => directory.move(path, to)}
                onDone={() => {
                  renaming.value = false;
                  onChoose(false);
                }}
              />
            ) : (
              <div class="actions">
                <button
                  type="button"
                  onClick={() => {
                    renaming.value = true;
                  }}
                >
                  Rename or move
                </button>
                <button type="button" onClick={() => void directory.download(path, isDir)}>
                  {isDir ? "Download as tar" : "Download"}
                </button>
                <Confirm
                  label="Delete"
                  sure={isDir ? `Delete ${shown} and everything in it?` : `Delete ${shown} for good?`}
                  onConfirm={() => void directory.remove(path)}
                />
              </div>
            )}
          </td>
        </tr>
      )}
    </>
  );
}
