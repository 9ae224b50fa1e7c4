// One terminal: what xterm.js shows, and its connection to the server.
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Terminal as Screen } from "@xterm/xterm";
import type { Signal } from "@preact/signals";
import type { Pty } from "shoreline";
import { FOREVER, type Inside, messageOf, type Model } from "../model.js";
import { onResize } from "../resize.js";

const SCROLLBACK = 10_000;
/** What may wait to be shown before the server is slowed down, and from what the server goes on; bytes. */
const WAITING = { most: 128_000, again: 64_000 };
/** The same where the server has no flow control. xterm.js throws away what is beyond 50 million. */
const WAITING_UNCONTROLLED = 4_000_000;

export interface Attached {
  screen: Screen;
  search: SearchAddon;
  /** Fits rows and columns to the element and the font. */
  resize: () => void;
  close: () => void;
}

/** Colours as the page's style has them. */
function themeOf(element: Element) {
  const { backgroundColor: background, color: foreground } = getComputedStyle(element);
  return {
    background,
    foreground,
    cursor: foreground,
    cursorAccent: background,
    selectionBackground: "#5a96dc55",
  };
}

/** Shows a terminal in an element, and connects it. */
export function attach(
  element: HTMLElement,
  {
    model,
    inside,
    session,
    token,
    state,
    fontSize,
    screenReaderMode,
    typed,
    onSearch,
  }: {
    model: Model;
    inside: Inside;
    session: string;
    token: string;
    /** Set to what the connection does. */
    state: Signal<string>;
    fontSize: number;
    screenReaderMode: boolean;
    /** Changes the data of a key before it is sent. */
    typed: (data: string) => string;
    /** Ctrl+Shift+F was pressed. */
    onSearch: () => void;
  },
): Attached {
  const terminal = new Screen({
    // Matches of a search are marked by decorations, which xterm.js calls proposed.
    allowProposedApi: true,
    fontFamily: getComputedStyle(element).fontFamily,
    fontSize,
    scrollback: SCROLLBACK,
    theme: themeOf(element),
    // Programs choose colours for a dark background (WCAG 1.4.3).
    minimumContrastRatio: 4.5,
    screenReaderMode,
  });
  const fit = new FitAddon();
  const search = new SearchAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  terminal.open(element);
  fit.fit();
  terminal.focus();
  terminal.attachCustomKeyEventHandler((event) => {
    if (!event.ctrlKey || !event.shiftKey || event.altKey) return true;
    // Tab belongs to the terminal: without this, keyboards would not get out.
    const leaves = event.key === "ArrowUp";
    const searches = event.key.toLowerCase() === "f";
    if (event.type === "keydown" && leaves)
      (element.getRootNode() as ShadowRoot).querySelector<HTMLElement>("#tab-terminal")?.focus();
    if (event.type === "keydown" && searches) {
      event.preventDefault();
      onSearch();
    }
    return !leaves && !searches;
  });
  const abort = new AbortController();
  let pty: Pty | undefined;
  /** While it is left because too much waits to be shown. */
  let attached: Promise<unknown> | undefined;
  let shown = (): void => undefined;
  let missing = 0;
  const lost = (error: unknown) => {
    over(`the terminal is lost: ${messageOf(error)}`);
  };
  const resize = () => {
    fit.fit();
    // Between two connections it is kept, and sent with the next.
    pty?.resize(terminal.cols, terminal.rows).catch(() => undefined);
  };
  const stopFitting = onResize(element, resize);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = () => {
    terminal.options.theme = themeOf(element);
  };
  dark.addEventListener("change", colour);
  element.addEventListener("themechange", colour);
  const type = async (data: string | Uint8Array) => {
    try {
      await connected;
      await attached;
      await pty?.sendInput(data);
    } catch (error) {
      model.fail("What was typed may be lost", error);
    }
  };
  let waiting = 0;
  let proceed = (): void => undefined;
  /**
   * Shows what comes, and slows down who writes faster than that. A server without flow control is left for as long
   * as it takes.
   */
  const show = (data: Uint8Array): Promise<void> | undefined => {
    const controlled = pty?.hasFlowControl === true;
    waiting += data.length;
    if (!controlled && waiting > WAITING_UNCONTROLLED && attached === undefined) {
      pty?.disconnect();
      attached = new Promise<void>((resolve) => (shown = resolve))
        .then(() => pty?.connect({ signal: abort.signal }))
        .catch(lost)
        .finally(() => (attached = undefined));
    }
    terminal.write(data, () => {
      waiting -= data.length;
      if (waiting === 0) shown();
      if (waiting <= WAITING.again) proceed();
    });
    return controlled && waiting > WAITING.most ? new Promise((resolve) => (proceed = resolve)) : undefined;
  };
  terminal.onData((data) => void type(typed(data)));
  terminal.onBinary((data) => {
    void type(Uint8Array.from(data, (char) => char.charCodeAt(0)));
  });
  const over = (text: string) => {
    if (abort.signal.aborted) return;
    state.value = text;
    terminal.write(`\r\n\u001b[2m[${text}]\u001b[0m\r\n`);
    terminal.options.disableStdin = true;
    model.refresh();
  };
  const connected = inside.sandbox.connectPty(session, token, {
    signal: abort.signal,
    reattach: FOREVER,
    onData: show,
    onReattach: ({ lostBytes }) => {
      if (lostBytes === 0) return;
      missing += lostBytes ?? NaN;
      const count = Number.isNaN(missing) ? "Some" : `${missing.toLocaleString("en")} bytes`;
      model.warn(`${count} of this terminal's output can no longer be had.`);
    },
  });
  const follow = async () => {
    pty = await connected;
    state.value = "connected";
    resize();
    const code = await pty.wait();
    const known = code === -1 ? "ended by a signal" : `ended with exit code ${code}`;
    over(code === null ? "ended; the exit status is unknown" : known);
  };
  follow().catch(lost);
  return {
    screen: terminal,
    search,
    resize,
    close: () => {
      abort.abort();
      stopFitting();
      dark.removeEventListener("change", colour);
      element.removeEventListener("themechange", colour);
      pty?.disconnect();
      terminal.dispose();
    },
  };
}
