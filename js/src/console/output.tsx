// A process's output: rows for those lines that are in sight, however many there are.
import { effect, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { ProcessInfo } from "shoreline";
import { printable } from "../printable.js";
import type { Span } from "./sgr.js";
import { Follower } from "./follower.js";
import { addressOf, type Inside, type Model } from "./model.js";
import type { Line, OutputBuffer } from "./output-buffer.js";
import { Check, Copy, download } from "./parts.js";
import { ofBrowser } from "./store.js";

/** The height of a row, px; the style has the same. */
const ROW = 20;
/** Rows above and below what is in sight. */
const BEYOND = 20;
/** What is shown of a line: one of a megabyte would hold the page up. */
const SHOWN = 10_000;

export function Output({ model, inside, process }: { model: Model; inside: Inside; process: ProcessInfo }) {
  // One that was started again has new output under its old name.
  const follower = useMemo(
    () => new Follower(inside.sandbox, addressOf(process)),
    [inside.sandbox, process.pid],
  );
  useEffect(
    () =>
      effect(() => {
        // How it ended is told by a look at the server.
        if (follower.following.value.state === "ended") model.refresh();
      }),
    [follower],
  );
  useEffect(
    () => () => {
      follower.close();
    },
    [follower],
  );
  const { buffer } = follower;
  const sticks = useSignal(true);
  const query = useSignal("");
  /** Which of the matches is looked at. */
  const at = useSignal<number | undefined>(undefined);
  /** How many lines there were when the newest was in sight last. */
  const paused = useRef(0);
  const view = useRef<HTMLDivElement>(null);

  const goTo = (number: number) => {
    sticks.value = false;
    const element = view.current;
    if (element) element.scrollTop = (number - buffer.dropped) * ROW - element.clientHeight / 2;
  };
  const times = useSignal(ofBrowser.get("times") === "true");
  const step = (by: number) => {
    const { matches } = buffer;
    if (matches.length === 0) return;
    const now = at.value === undefined ? -1 : matches.indexOf(at.value);
    const first = now === -1 && by < 0 ? matches.length - 1 : now + by;
    at.value = matches[(first + matches.length) % matches.length];
    goTo(at.value ?? 0);
  };
  const find = (text: string) => {
    query.value = text;
    at.value = undefined;
    buffer.search(text);
    if (text !== "") step(1);
  };
  const end = follower.shown.value.end;
  const { matches } = buffer;
  if (sticks.value) paused.current = end;
  const fresh = end - paused.current;

  return (
    <div class="output">
      <div class="toolbar" role="toolbar" aria-label="Output">
        <input
          type="search"
          data-key="search"
          aria-label="Search the output"
          placeholder="Search output"
          value={query.value}
          onInput={(event) => {
            find(event.currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
            if (event.key === "Escape") find("");
          }}
        />
        {query.value !== "" && (
          <>
            <output class="count" aria-live="polite">
              {matches.length === 0
                ? "No match"
                : `${(at.value === undefined ? 0 : matches.indexOf(at.value)) + 1} of ${matches.length}`}
            </output>
            <button type="button" aria-label="Previous match" onClick={() => { step(-1); }}>
              ↑
            </button>
            <button type="button" aria-label="Next match" onClick={() => { step(1); }}>
              ↓
            </button>
          </>
        )}
        <button
          type="button"
          data-key="follow"
          title="Whether the newest line stays in sight"
          onClick={() => {
            sticks.value = !sticks.value;
          }}
        >
          {sticks.value ? "Pause" : `Follow${fresh > 0 ? ` (${fresh.toLocaleString("en")} new)` : ""}`}
        </button>
        <button
          type="button"
          onClick={() => {
            void model.act("The output was not saved", async () => {
              download(`output-${process.pid}.txt`, await follower.whole());
            });
          }}
        >
          Save
        </button>
        <Copy title="All of the output, as Save has it" of={() => follower.whole()} />
        {buffer.firstError !== undefined && (
          <button
            type="button"
            onClick={() => {
              at.value = buffer.firstError;
              goTo(at.value ?? 0);
            }}
          >
            First error
          </button>
        )}
        <Check
          on={times.value}
          label="Times"
          title="When the server read each line"
          onChange={(on) => {
            times.value = on;
            ofBrowser.set("times", on ? "true" : undefined);
          }}
        />
        <Told model={model} follower={follower} />
      </div>
      <Rows buffer={buffer} follower={follower} view={view} sticks={sticks} current={at.value} times={times.value} label={`Output of ${printable(process.command)}`} />
    </div>
  );
}

/** How the output comes, and how much there is. */
function Told({ model, follower }: { model: Model; follower: Follower }) {
  const end = follower.shown.value.end;
  const { dropped } = follower.buffer;
  const following = follower.following.value;
  return (
    <span class="told">
      <span data-lines={end}>
        {end.toLocaleString("en")} {end === 1 ? "line" : "lines"}
        {dropped > 0 && `, the first ${dropped.toLocaleString("en")} no longer shown (Save has them)`}
      </span>
      {/* Nothing tells that a stream is back which has nothing to say. */}
      {following.state === "again" && model.link.value.state !== "online" && <span class="warn"> · reconnecting</span>}
      {following.state === "ended" && <span> · complete</span>}
      {following.state === "failed" && (
        <span class="warn" role="alert">
          {" "}
          · {following.message}{" "}
          <button
            type="button"
            onClick={() => {
              void follower.follow();
            }}
          >
            Try again
          </button>
        </span>
      )}
    </span>
  );
}

interface RowsProps {
  buffer: OutputBuffer;
  follower: Follower;
  view: { current: HTMLDivElement | null };
  sticks: { value: boolean };
  current: number | undefined;
  times: boolean;
  label: string;
}

function Rows({ buffer, follower, view, sticks, current, times, label }: RowsProps) {
  const end = follower.shown.value.end;
  const top = useSignal(0);
  const height = useSignal(0);
  const before = useRef(buffer.dropped);
  useEffect(() => {
    const element = view.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      height.value = element.clientHeight;
      if (sticks.value) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  useLayoutEffect(() => {
    const element = view.current;
    if (!element) return;
    // What was let go was above: what is looked at stays in its place.
    const gone = buffer.dropped - before.current;
    before.current = buffer.dropped;
    if (sticks.value) element.scrollTop = element.scrollHeight;
    else if (gone > 0) element.scrollTop -= gone * ROW;
    // A scroll draws lines too: to go to the end then would stop a smooth scroll upwards at its first step.
  }, [end, buffer.dropped]);
  useSignalEffect(() => {
    const element = view.current;
    if (sticks.value && element) element.scrollTop = element.scrollHeight;
  });
  const first = Math.max(0, Math.floor(top.value / ROW) - BEYOND);
  const count = Math.ceil(height.value / ROW) + 2 * BEYOND;
  const from = buffer.dropped + first;
  const lines = buffer.slice(from, from + count);
  return (
    <div
      ref={view}
      class="rows"
      role="log"
      aria-live="off"
      aria-label={label}
      tabIndex={0}
      onScroll={(event) => {
        const element = event.currentTarget;
        const up = element.scrollTop < top.value;
        top.value = element.scrollTop;
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
      <div class="all" style={{ height: `${(end - buffer.dropped) * ROW}px` }}>
        <div class="window" style={{ transform: `translateY(${first * ROW}px)` }}>
          {lines.map((line, i) => (
            <Row
              key={from + i}
              number={from + i}
              line={line}
              pattern={buffer.pattern}
              current={from + i === current}
              times={times}
            />
          ))}
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
  const more = text.length - SHOWN;
  const shown = more > 0 ? shorten(spans ?? [{ text, className: "" }]) : (spans ?? [{ text, className: "" }]);
  return (
    <div class={`row ${stream ?? ""} ${current ? "current" : ""}`}>
      <span class="number" aria-hidden="true">
        {number + 1}
      </span>
      {times && <span class="time">{timeMs === undefined ? "" : clock(new Date(timeMs))}</span>}
      {stream === "stderr" && <span class="mark">stderr: </span>}
      <span class="text">
        {shown.flatMap((span) => marked(span, pattern))}
        {more > 0 && <em> … {more.toLocaleString("en")} more characters</em>}
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
