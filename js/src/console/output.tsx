// A process's output: what is searched, filtered and saved of it, and its rows.
import { effect, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { ProcessInfo } from "shoreline";
import { printable } from "../printable.js";
import type { Follower } from "./follower.js";
import { Layout } from "./layout.js";
import type { Inside, Model } from "./model.js";
import { Check, Copy, download } from "./parts.js";
import { columnsOf, ROW, Rows } from "./rows.js";
import { ofBrowser, ofTab } from "./store.js";

/** Columns of a row until they are measured. */
const COLUMNS = 80;

export function Output({ model, inside, process }: { model: Model; inside: Inside; process: ProcessInfo }) {
  // One that was started again has new output under its old name.
  const follower = useMemo(
    () => model.outputs.of(inside.sandbox, process),
    [inside.sandbox, process.pid],
  );
  useMemo(() => {
    // It may have been left while something was looked for.
    follower.buffer.search("");
  }, [follower]);
  const isOver = inside.isOver.value;
  useEffect(
    () =>
      effect(() => {
        // How it ended is told by a look at the server.
        if (follower.following.value.state === "ended") model.refresh();
      }),
    [follower],
  );
  useEffect(() => {
    if (isOver) return undefined;
    void follower.follow();
    return () => {
      follower.rest();
    };
  }, [follower, isOver]);
  const { buffer } = follower;
  const wraps = useSignal(ofTab.get("wrap") === "true");
  const onlyStderr = useSignal(ofTab.get("stderr") === "true");
  const columns = useSignal(COLUMNS);
  const wrapped = wraps.value ? columns.value : undefined;
  const layout = useMemo(() => {
    buffer.showStderrOnly(onlyStderr.value);
    return new Layout(buffer, wrapped, columnsOf);
  }, [buffer, wrapped, onlyStderr.value]);
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
    if (element) element.scrollTop = layout.rowOf(number) * ROW - element.clientHeight / 2;
  };
  const times = useSignal(ofBrowser.get("times") === "true");
  const found = () =>
    layout.least === buffer.dropped ? buffer.matches : buffer.matches.filter((number) => number >= layout.least);
  const step = (by: number) => {
    const matches = found();
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
  const { end } = follower.shown.value;
  layout.update();
  const matches = found();
  if (sticks.value) paused.current = end;
  // The server has nothing of a sandbox that has ended.
  const whole = () => (isOver ? Promise.resolve(buffer.text()) : follower.whole(onlyStderr.value));
  const what = onlyStderr.value ? "stderr" : "output";
  const fresh = layout.countFrom(paused.current);

  return (
    <div class="output">
      <div class="toolbar" role="toolbar" aria-label="Output">
        <div class="find">
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
        </div>
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
        <Copy
          title={isOver ? "What is shown" : onlyStderr.value ? "All of standard error" : "All of the output"}
          of={whole}
        />
        <button
          type="button"
          onClick={() => {
            void model.act("The output was not saved", async () => {
              download(`${what}-${process.pid}.txt`, await whole());
            });
          }}
        >
          Save
        </button>
        <div class="checks">
          <Check
            on={times.value}
            label="Times"
            title="When the server read each line"
            onChange={(on) => {
              times.value = on;
              ofBrowser.set("times", on ? "true" : undefined);
            }}
          />
          <Check
            on={wraps.value}
            label="Wrap"
            title="Wraps lines that are longer than a row, as a terminal does"
            onChange={(on) => {
              wraps.value = on;
              ofTab.set("wrap", on ? "true" : undefined);
            }}
          />
          <Check
            on={onlyStderr.value}
            label="Stderr only"
            title="Hides standard output"
            onChange={(on) => {
              onlyStderr.value = on;
              at.value = undefined;
              ofTab.set("stderr", on ? "true" : undefined);
            }}
          />
        </div>
        <Told model={model} follower={follower} isOver={isOver} layout={layout} shown={onlyStderr.value ? layout.count : undefined} />
      </div>
      {isOver && end === 0 && follower.following.value.state !== "ended" && <p class="empty">This page had not read any output of this process.</p>}
      {!isOver && end === 0 && (
        <p class="empty">
          {follower.following.value.state === "ended" ? "The process has written nothing." : "No output yet."}
        </p>
      )}
      {onlyStderr.value && layout.count === 0 && end > 0 && <p class="empty">Nothing was written to standard error.</p>}
      <Rows
        buffer={buffer}
        layout={layout}
        end={end}
        view={view}
        sticks={sticks}
        current={at.value}
        times={times.value}
        wraps={wraps.value}
        label={`Output of ${printable(process.command)}`}
        onColumns={(count) => {
          columns.value = count;
        }}
      />
    </div>
  );
}

interface ToldProps {
  model: Model;
  follower: Follower;
  isOver: boolean;
  layout: Layout;
  /** How many lines are shown, where some are hidden. */
  shown: number | undefined;
}

/** How the output comes, and how much there is. */
function Told({ model, follower, isOver, layout, shown }: ToldProps) {
  const end = follower.shown.value.end;
  const dropped = layout.least;
  const following = follower.following.value;
  return (
    <span class="told">
      <span data-lines={end}>
        {shown !== undefined && `${shown.toLocaleString("en")} of `}
        {end.toLocaleString("en")} {end === 1 ? "line" : "lines"}
        {dropped > 0 &&
          `, the first ${dropped.toLocaleString("en")} no longer shown${isOver ? "" : " (Save has them)"}`}
      </span>
      {isOver && following.state !== "ended" && <span class="warn"> · ends with the sandbox</span>}
      {/* Nothing tells that a stream is back which has nothing to say. */}
      {!isOver && following.state === "again" && model.link.value.state !== "online" && <span class="warn"> · reconnecting</span>}
      {following.state === "ended" && <span> · complete</span>}
      {!isOver && following.state === "failed" && (
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
