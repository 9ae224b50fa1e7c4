// Keys that a phone has not.
import type { Signal } from "@preact/signals";
import type { Terminal as Screen } from "@xterm/xterm";

/** What each key types. */
const KEYS = [
  ["Esc", "\u001b"],
  ["Tab", "\t"],
  ["Ctrl+C", "\u0003"],
  ["Ctrl+D", "\u0004"],
  ["←", "\u001b[D"],
  ["↑", "\u001b[A"],
  ["↓", "\u001b[B"],
  ["→", "\u001b[C"],
] as const;

/** Arrow keys in both cursor key modes (xterm, "PC-Style Function Keys"). */
const ARROW = /^\u001b[[O]([A-D])$/;

/** What a key types with Ctrl; undefined if the data is not of one key, such as an answer to a program's query. */
export function withCtrl(data: string): string | undefined {
  const arrow = ARROW.exec(data)?.[1];
  if (arrow !== undefined) return `\u001b[1;5${arrow}`;
  if (data.length !== 1) return undefined;
  if (data === " ") return "\u0000";
  if (data === "?") return "\u007f";
  return /[@-_a-z]/.test(data) ? String.fromCharCode(data.charCodeAt(0) & 0x1f) : data;
}

export function Keys({ screen, ctrl }: { screen: () => Screen | undefined; ctrl: Signal<boolean> }) {
  const press = (data: string) => {
    const isApplication = screen()?.modes.applicationCursorKeysMode === true;
    screen()?.input(isApplication && ARROW.test(data) ? data.replace("[", "O") : data);
    screen()?.focus();
  };
  return (
    <div class="keys" role="toolbar" aria-label="Keys">
      <button
        type="button"
        aria-pressed={ctrl.value}
        title="Holds Ctrl for the next key"
        onClick={() => {
          ctrl.value = !ctrl.value;
          screen()?.focus();
        }}
      >
        Ctrl
      </button>
      {KEYS.map(([label, data]) => (
        <button
          type="button"
          key={label}
          onClick={() => {
            press(data);
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
