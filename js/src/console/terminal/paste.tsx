// The question before several lines are pasted.
import { useEffect, useRef } from "preact/hooks";
import { printable } from "../../printable.js";

/** The most lines that are shown, and characters of each. */
const LINES = 8;
const LENGTH = 200;
/** Ends a bracketed paste. xterm.js sends the one in a text, and the program takes the rest as typed. */
const END = "\u001b[201~";

const linesOf = (text: string) => text.replace(/(\r\n?|\n)$/, "").split(/\r\n?|\n/);

/** Whether a program may run parts of a pasted text before somebody has seen them. */
export function isRisky(text: string, isBracketed: boolean): boolean {
  return isBracketed ? text.includes(END) : linesOf(text).length > 1;
}

export function AskToPaste({ text, onPaste, onCancel }: { text: string; onPaste: () => void; onCancel: () => void }) {
  const paste = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    paste.current?.focus();
  }, []);
  const lines = linesOf(text);
  const more = lines.length - LINES;
  return (
    <div
      class="ask"
      role="alertdialog"
      aria-label="Paste"
      aria-describedby="pasted"
      onKeyDown={(event) => {
        if (event.key === "Escape") onCancel();
      }}
    >
      <p id="pasted">
        Paste {lines.length.toLocaleString("en")} {lines.length === 1 ? "line" : "lines"}? The program may run each line
        at once.
      </p>
      <pre class="pasted" tabIndex={0} aria-label="Pasted text">
        {lines
          .slice(0, LINES)
          .map((line) => printable(line.slice(0, LENGTH), "\t") + (line.length > LENGTH ? "…" : ""))
          .join("\n")}
        {more > 0 && `\n… ${more.toLocaleString("en")} more`}
      </pre>
      <button ref={paste} type="button" class="danger" onClick={onPaste}>
        Paste
      </button>{" "}
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
