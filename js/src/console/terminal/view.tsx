// A terminal that is shown, and what can be set for all of them.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Inside, Model } from "../model.js";
import { Check } from "../parts.js";
import { ofBrowser } from "../store.js";
import { Keys, withCtrl } from "./keys.js";
import { AskToPaste, isRisky } from "./paste.js";
import { type Attached, attach } from "./screen.js";
import { Search } from "./search.js";

/** Sizes of the font, px. */
const FONT = { least: 8, usual: 13, most: 32 };

function rememberedSize(): number {
  const size = Number(ofBrowser.get("terminal-font-size"));
  return Number.isInteger(size) && size >= FONT.least && size <= FONT.most ? size : FONT.usual;
}

export function View({
  model,
  inside,
  session,
  token,
  onTitle,
}: {
  model: Model;
  inside: Inside;
  session: string;
  token: string | undefined;
  /** The program has set a title. */
  onTitle: (title: string) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const attached = useRef<Attached | undefined>(undefined);
  const state = useSignal("connecting");
  const reader = useSignal(ofBrowser.get("screen-reader") === "true");
  // Browsers have it in secure contexts only.
  const canCopy = "clipboard" in navigator;
  const copies = useSignal(canCopy && ofBrowser.get("terminal-copies") === "true");
  const fontSize = useSignal(rememberedSize());
  const searching = useSignal(false);
  /** Whether the next key has Ctrl. */
  const ctrl = useSignal(false);
  const pasted = useSignal<string | undefined>(undefined);
  // Not at once: in WebKit, the Enter that has chosen a button would reach the terminal too.
  const focus = () => {
    setTimeout(() => {
      attached.current?.screen.focus();
    });
  };
  useEffect(() => {
    const element = place.current;
    if (!element || token === undefined) return undefined;
    const made = attach(element, {
      model,
      inside,
      session,
      token,
      state,
      fontSize: fontSize.value,
      screenReaderMode: reader.value,
      typed: (data) => {
        const changed = ctrl.value ? withCtrl(data) : undefined;
        if (changed !== undefined) ctrl.value = false;
        return changed ?? data;
      },
      onSearch: () => {
        searching.value = true;
        element.parentElement?.querySelector<HTMLElement>('[data-key="search"]')?.focus();
      },
    });
    attached.current = made;
    const { screen } = made;
    screen.onTitleChange(onTitle);
    screen.onSelectionChange(() => {
      const text = screen.getSelection();
      // A search selects its matches.
      if (!copies.value || searching.value || text === "") return;
      navigator.clipboard.writeText(text).catch((error: unknown) => {
        model.fail("The selection was not copied", error);
      });
    });
    const onPaste = (event: ClipboardEvent) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (screen.options.disableStdin || !isRisky(text, screen.modes.bracketedPasteMode)) return;
      event.preventDefault();
      event.stopPropagation();
      pasted.value = text;
    };
    // Before xterm.js has it.
    element.addEventListener("paste", onPaste, true);
    return () => {
      element.removeEventListener("paste", onPaste, true);
      attached.current = undefined;
      made.close();
    };
  }, [session, inside.sandbox]);
  const scale = (by: number) => {
    fontSize.value = Math.min(FONT.most, Math.max(FONT.least, fontSize.value + by));
    ofBrowser.set("terminal-font-size", String(fontSize.value));
    if (!attached.current) return;
    attached.current.screen.options.fontSize = fontSize.value;
    attached.current.resize();
  };
  return (
    <>
      {searching.value && (
        <Search
          search={() => attached.current?.search}
          onClose={() => {
            searching.value = false;
            focus();
          }}
        />
      )}
      {pasted.value !== undefined && (
        <AskToPaste
          text={pasted.value}
          onPaste={() => {
            attached.current?.screen.paste(pasted.value ?? "");
            pasted.value = undefined;
            focus();
          }}
          onCancel={() => {
            pasted.value = undefined;
            focus();
          }}
        />
      )}
      <div class="screen" ref={place} />
      <Keys screen={() => attached.current?.screen} ctrl={ctrl} />
      <div class="hint">
        <span role="status">{state.value}</span>
        <span class="leave">· Ctrl+Shift+↑ leaves the terminal</span>
        <button
          type="button"
          title="Ctrl+Shift+F"
          aria-expanded={searching.value}
          onClick={() => {
            searching.value = !searching.value;
          }}
        >
          Search
        </button>
        <span aria-hidden="true">text size</span>
        <button
          type="button"
          aria-label="Smaller text"
          title={`Smaller text (${fontSize.value} px now)`}
          disabled={fontSize.value === FONT.least}
          onClick={() => {
            scale(-1);
          }}
        >
          −
        </button>
        <button
          type="button"
          aria-label="Larger text"
          title={`Larger text (${fontSize.value} px now)`}
          disabled={fontSize.value === FONT.most}
          onClick={() => {
            scale(1);
          }}
        >
          +
        </button>
        {canCopy && (
          <Check
            on={copies.value}
            label="copy on selection"
            onChange={(on) => {
              copies.value = on;
              ofBrowser.set("terminal-copies", String(on));
            }}
          />
        )}
        <Check
          on={reader.value}
          label="for screen readers"
          onChange={(on) => {
            reader.value = on;
            ofBrowser.set("screen-reader", String(on));
            if (attached.current) attached.current.screen.options.screenReaderMode = on;
          }}
        />
      </div>
    </>
  );
}
