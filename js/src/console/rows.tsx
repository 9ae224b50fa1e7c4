// The rows of output: elements for those lines that are in sight, however many there are.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Layout } from "./layout.js";
import { onResize } from "./resize.js";
import { widthOf } from "./layout.js";
import type { Line, OutputBuffer } from "./output-buffer.js";
import type { Span } from "./sgr.js";

/** The height of a row, px; the style has the same. */
export const ROW = 20;
/** Rows above and below what is in sight. */
const BEYOND = 20;
/** Characters that are shown of a line: one of a megabyte would block the page. */
const SHOWN = 10_000;
const MARK = "stderr: ";

/** How many columns a line takes without the number and the time. */
export function columnsOf({ text, stream }: Line): number {
  const mark = stream === "stderr" ? MARK.length : 0;
  return mark + (text.length > SHOWN ? SHOWN + more(text).length : widthOf(text));
}

const more = (text: string) => ` … ${(text.length - SHOWN).toLocaleString("en")} more characters`;

interface RowsProps {
  buffer: OutputBuffer;
  layout: Layout;
  /** How many lines there have been. */
  end: number;
  view: { current: HTMLDivElement | null };
  sticks: { value: boolean };
  current: number | undefined;
  times: boolean;
  wraps: boolean;
  label: string;
  /** Called with the columns that a row has. */
  onColumns: (columns: number) => void;
}

export function Rows({ buffer, layout, end, view, sticks, current, times, wraps, label, onColumns }: RowsProps) {
  const top = useSignal(0);
  const height = useSignal(0);
  const width = useSignal(0);
  const corrected = useSignal(0);
  const probe = useRef<HTMLSpanElement>(null);
  /** The line at the top, with the row in which it began. */
  const anchor = useRef({ number: 0, row: 0 });
  useEffect(() => {
    const element = view.current;
    if (!element) return undefined;
    return onResize(element, () => {
      height.value = element.clientHeight;
      width.value = element.clientWidth;
      if (sticks.value) element.scrollTop = element.scrollHeight;
    });
  }, []);
  /** Keeps the line at the top in its place when lines above it go, come or take other rows. */
  const keep = () => {
    const element = view.current;
    if (!element) return;
    const row = layout.rowOf(anchor.current.number);
    if (sticks.value) element.scrollTop = element.scrollHeight;
    else if (row !== anchor.current.row) element.scrollTop += (row - anchor.current.row) * ROW;
    anchor.current.row = row;
    // A scroll draws lines too: to go to the end then would stop a smooth scroll upwards at its first step.
  };
  useLayoutEffect(keep, [layout, layout.rows, layout.least, corrected.value]);
  useLayoutEffect(() => {
    const element = view.current;
    const line = element?.querySelector(".line");
    const character = (probe.current?.getBoundingClientRect().width ?? 0) / 10;
    if (wraps && line && character > 0)
      onColumns(Math.max(1, Math.floor(line.getBoundingClientRect().width / character + 0.01)));
  }, [wraps, times, width.value, end === 0, String(end).length]);
  // Fonts have characters of other widths than Unicode says.
  useLayoutEffect(() => {
    if (!wraps) return;
    const drawn = [...(view.current?.querySelectorAll<HTMLElement>(".row") ?? [])];
    const wrong = drawn.filter((row) => layout.correct(Number(row.dataset.line), Math.round(row.offsetHeight / ROW)));
    if (wrong.length > 0) corrected.value++;
  });
  useSignalEffect(() => {
    const element = view.current;
    if (sticks.value && element) element.scrollTop = element.scrollHeight;
  });
  const first = Math.max(0, Math.floor(top.value / ROW) - BEYOND);
  const { numbers, row } = layout.slice(first, first + Math.ceil(height.value / ROW) + 2 * BEYOND);
  return (
    <div
      ref={view}
      class={`rows ${wraps ? "wraps" : ""}`}
      role="log"
      aria-live="off"
      aria-label={label}
      tabIndex={0}
      onScroll={(event) => {
        const element = event.currentTarget;
        const up = element.scrollTop < top.value;
        top.value = element.scrollTop;
        anchor.current = layout.lineAt(Math.floor(element.scrollTop / ROW));
        const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < ROW;
        // The first step of a smooth scroll upwards is still at the end: only a way down leads back to following.
        // Who looks at a match stays there, wherever it is.
        if (atEnd && !up && current === undefined) sticks.value = true;
        else if (up && !atEnd) sticks.value = false;
      }}
      onWheel={(event) => {
        if (event.deltaY < 0) sticks.value = false;
      }}
    >
      <span ref={probe} class="probe" aria-hidden="true">
        0000000000
      </span>
      <div class="all" style={{ height: `${layout.rows * ROW}px` }}>
        <div class="window" style={{ transform: `translateY(${row * ROW}px)` }}>
          {numbers.map((number) => {
            const line = buffer.line(number);
            return (
              line && (
                <Row
                  key={number}
                  number={number}
                  line={line}
                  pattern={buffer.pattern}
                  current={number === current}
                  times={times}
                />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  number: number;
  line: Line;
  pattern: RegExp | undefined;
  current: boolean;
  times: boolean;
}

function Row({ number, line, pattern, current, times }: RowProps) {
  const { text, spans, stream, timeMs } = line;
  const shown = text.length > SHOWN ? shorten(spans ?? [{ text, className: "" }]) : (spans ?? [{ text, className: "" }]);
  return (
    <div class={`row ${stream ?? ""} ${current ? "current" : ""}`} data-line={number}>
      <span class="number" aria-hidden="true">
        {number + 1}
      </span>
      {times && <span class="time">{timeMs === undefined ? "" : clock(new Date(timeMs))}</span>}
      <span class="line">
        {stream === "stderr" && <span class="mark">{MARK}</span>}
        <span class="text">
          {shown.flatMap((span) => marked(span, pattern))}
          {text.length > SHOWN && <em>{more(text)}</em>}
        </span>
      </span>
    </div>
  );
}

/** A time of day with milliseconds. */
const clock = (date: Date) => `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;

function shorten(spans: Span[]): Span[] {
  let left = SHOWN;
  const kept: Span[] = [];
  for (const span of spans) {
    kept.push({ ...span, text: span.text.slice(0, left) });
    left -= span.text.length;
    if (left <= 0) break;
  }
  return kept;
}

/** A span with what is looked for in it. */
function marked({ text, className, color, background, underline }: Span, pattern: RegExp | undefined) {
  const style = {
    ...(color && { color }),
    ...(background && { background }),
    ...(underline && { textDecorationColor: underline }),
  };
  const plain = (part: string) =>
    className || color || background ? (
      <span class={className} style={style}>
        {part}
      </span>
    ) : (
      part
    );
  if (!pattern) return [plain(text)];
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > done) parts.push(plain(text.slice(done, match.index)));
    parts.push(<mark>{match[0]}</mark>);
    done = match.index + match[0].length;
  }
  if (done < text.length) parts.push(plain(text.slice(done)));
  return parts;
}
