// Parts that several views have.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { printable } from "../printable.js";

/** A button that asks before it does something that cannot be undone. */
export function Confirm({ label, sure, onConfirm }: { label: string; sure: string; onConfirm: () => void }) {
  const asking = useSignal(false);
  return (
    <button
      type="button"
      aria-live="polite"
      class={asking.value ? "danger" : ""}
      onClick={() => {
        if (asking.value) onConfirm();
        asking.value = !asking.value;
      }}
      onBlur={() => {
        asking.value = false;
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") asking.value = false;
      }}
    >
      {asking.value ? sure : label}
    </button>
  );
}

/** A field for a line that browsers know nothing about: they neither fill it in nor correct it. */
export function Field({
  text,
  shortcut,
  label,
  hint,
  code = true,
  most,
  wrong = false,
  onKeyDown,
}: {
  text: Signal<string>;
  /** The name by which a key finds it. */
  shortcut?: string;
  label: string;
  hint?: string;
  code?: boolean;
  /** How many characters it takes. */
  most?: number;
  /** Whether what is in it was refused. */
  wrong?: boolean;
  onKeyDown?: (event: KeyboardEvent) => void;
}) {
  return (
    <input
      class={code ? "code" : ""}
      data-key={shortcut}
      aria-label={label}
      aria-invalid={wrong}
      placeholder={hint}
      autocomplete="off"
      autocapitalize="none"
      spellcheck={false}
      maxLength={most}
      value={text.value}
      onInput={(event) => {
        text.value = event.currentTarget.value;
      }}
      onKeyDown={onKeyDown}
    />
  );
}

/** A box to tick. */
export function Check({
  on,
  label,
  title,
  onChange,
}: {
  on: boolean;
  label: string;
  title?: string;
  onChange: (on: boolean) => void;
}) {
  return (
    <label class="check" title={title}>
      <input
        type="checkbox"
        checked={on}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      {label}
    </label>
  );
}

/** Tabs, one of which is chosen (ARIA Authoring Practices, "Tabs"). */
export function Tabs<Id extends string>({
  label,
  tabs,
  chosen,
  onChoose,
}: {
  label: string;
  tabs: readonly { id: Id; title: string }[];
  chosen: Id;
  onChoose: (id: Id) => void;
}) {
  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex(({ id }) => id === chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    onChoose(next.id);
    const list = event.currentTarget as HTMLElement;
    list.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  return (
    <div role="tablist" aria-label={label} class="tabs" onKeyDown={move}>
      {tabs.map(({ id, title }) => (
        <button
          type="button"
          role="tab"
          key={id}
          id={`tab-${id}`}
          data-tab={id}
          aria-selected={id === chosen}
          aria-controls={`panel-${id}`}
          tabIndex={id === chosen ? 0 : -1}
          onClick={() => {
            onChoose(id);
          }}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

/** What a tab shows. */
export function Panel({ id, children }: { id: string; children: ComponentChildren }) {
  return (
    <div role="tabpanel" id={`panel-${id}`} aria-labelledby={`tab-${id}`} class={`panel panel-${id}`}>
      {children}
    </div>
  );
}

/** A button that puts text on the clipboard, where pages may do that. */
export function Copy({ of, title }: { of: () => Promise<Blob>; title?: string }) {
  const said = useSignal("Copy");
  if (!("clipboard" in navigator)) return null;
  const say = (text: string) => {
    said.value = text;
    setTimeout(() => (said.value = "Copy"), 2000);
  };
  return (
    <button
      type="button"
      aria-live="polite"
      title={title}
      onClick={() => {
        // A promise, since a page may write only as long as the click is new.
        const text = of().then((blob) => new Blob([blob], { type: "text/plain" }));
        navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]).then(
          () => {
            say("Copied");
          },
          () => {
            say("Not permitted");
          },
        );
      }}
    >
      {said.value}
    </button>
  );
}

/** Gives a blob to the person as a file. */
export function download(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = printable(name);
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

/** Bytes for people. */
export function size(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const number = bytes / 1000 ** power;
  return `${power === 0 ? number : number.toFixed(1)} ${units[power] ?? ""}`;
}

/** A time for people: today's without the date. */
export function time(date: Date): string {
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
}

/** A duration for people: its two largest units at most. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const at = Math.min(2, units.findIndex(([, length]) => seconds >= length));
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [[large, length] = ["s", 1], [small, part] = ["s", 1]] = units.slice(at);
  const rest = Math.floor((seconds % length) / part);
  return `${Math.floor(seconds / length)} ${large}${rest > 0 ? ` ${rest} ${small}` : ""}`;
}

/** When something was, from now on. */
export function ago(date: Date): string {
  const ms = Date.now() - date.getTime();
  return ms < 10_000 ? "just now" : `${lasting(ms)} ago`;
}
