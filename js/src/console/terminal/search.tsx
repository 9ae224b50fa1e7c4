// Search in what a terminal shows and its scrollback.
import { useSignal } from "@preact/signals";
import type { ISearchOptions, SearchAddon } from "@xterm/addon-search";
import { useEffect, useRef } from "preact/hooks";

/** From that many matches on, xterm.js does not count further. */
const COUNTED = 1000;

/** Colours of matches as the page's style has them. */
function markedIn(element: Element): ISearchOptions["decorations"] {
  const { caretColor: found, color } = getComputedStyle(element);
  return {
    matchBackground: found,
    matchOverviewRuler: found,
    activeMatchBackground: found,
    activeMatchBorder: color,
    activeMatchColorOverviewRuler: found,
  };
}

export function Search({ search, onClose }: { search: () => SearchAddon | undefined; onClose: () => void }) {
  const bar = useRef<HTMLDivElement>(null);
  const query = useSignal("");
  const found = useSignal({ resultIndex: -1, resultCount: 0 });
  useEffect(() => {
    bar.current?.querySelector("input")?.focus();
    const listening = search()?.onDidChangeResults((results) => (found.value = results));
    return () => {
      listening?.dispose();
      search()?.clearDecorations();
    };
  }, []);
  const step = (by: number, incremental = false) => {
    const screen = bar.current?.parentElement?.querySelector(".screen");
    if (!screen) return;
    const decorations = markedIn(screen);
    const options = { incremental, ...(decorations && { decorations }) };
    if (by < 0) search()?.findPrevious(query.value, options);
    else search()?.findNext(query.value, options);
  };
  const { resultIndex, resultCount } = found.value;
  const count = `${resultCount.toLocaleString("en")}${resultCount >= COUNTED ? " or more" : ""}`;
  return (
    <div ref={bar} class="toolbar" role="search" aria-label="Terminal">
      <input
        type="search"
        data-key="search"
        aria-label="Search the terminal"
        placeholder="Search terminal"
        title="Enter goes up, Shift+Enter down"
        maxLength={1000}
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          if (query.value === "") {
            search()?.clearDecorations();
            found.value = { resultIndex: -1, resultCount: 0 };
          }
          // From the end, which is the newest.
          else step(-1, true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && query.value !== "") step(event.shiftKey ? 1 : -1);
          if (event.key === "Escape") onClose();
        }}
      />
      {query.value !== "" && (
        <>
          <output class="count" aria-live="polite">
            {resultCount === 0
              ? "No match"
              : resultIndex < 0
                ? `${count} matches`
                : `${(resultIndex + 1).toLocaleString("en")} of ${count}`}
          </output>
          <button type="button" aria-label="Previous match" onClick={() => { step(-1); }}>
            ↑
          </button>
          <button type="button" aria-label="Next match" onClick={() => { step(1); }}>
            ↓
          </button>
        </>
      )}
      <button type="button" aria-label="Close the search" onClick={onClose}>
        ✕
      </button>
    </div>
  );
}
