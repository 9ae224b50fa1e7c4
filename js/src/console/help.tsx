// The keys, and where they count.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Check } from "./parts.js";
import { ofBrowser } from "./store.js";

const KEYS = [
  ["?", "This help"],
  ["s", "Sandboxes"],
  ["1 2 3", "Processes, Terminal, Files"],
  ["r", "Run a command"],
  ["/", "Search the output; Enter and Shift+Enter go to the next and the last match"],
  ["f", "Follow the output, or pause"],
  ["p", "Directory to go to"],
  ["Ctrl+Shift+F", "Search a terminal; Enter and Shift+Enter go up and down"],
  ["Ctrl+Shift+↑", "Out of a terminal"],
] as const;

/** Whether a key is one of ours: not where somebody types, and only where they are wanted (WCAG 2.1.4). */
export function shortcut(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return false;
  if (ofBrowser.get("keys") === "off") return false;
  const target = event.target as HTMLElement;
  return !target.closest("input:not([type=checkbox]), textarea, select, .screen, .editor, dialog");
}

export function Help({ open }: { open: Signal<boolean> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const off = useSignal(ofBrowser.get("keys") === "off");
  useEffect(() => {
    if (open.value) dialog.current?.showModal();
  }, [open.value]);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help"
      onClose={() => {
        open.value = false;
      }}
    >
      <h2 id="help">Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Check
        on={!off.value}
        label="Single keys are shortcuts"
        onChange={(on) => {
          off.value = !on;
          ofBrowser.set("keys", on ? undefined : "off");
        }}
      />
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  );
}
