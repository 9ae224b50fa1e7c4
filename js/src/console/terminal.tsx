// Terminals. Those opened on this page are kept when the connection breaks or the page is reloaded.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Screen } from "@xterm/xterm";
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Pty, PtyInfo } from "shoreline";
import { FOREVER, type Inside, messageOf, type Model } from "./model.js";
import { Check, Confirm, time } from "./parts.js";
import { ofBrowser, ofTab } from "./store.js";

/** `bash` where there is one. */
const SHELL = "command -v bash >/dev/null && exec bash -l; exec sh -l";
const SCROLLBACK = 10_000;
/** What may wait to be shown before the server is slowed down, and from what the server goes on; bytes. */
const WAITING = { most: 128_000, again: 64_000 };
/** The same where the server has no flow control. xterm.js throws away what is beyond 50 million. */
const WAITING_UNCONTROLLED = 4_000_000;
/** Keys that a phone has not, and what they type. */
const KEYS = [
  ["Esc", "\u001b"],
  ["Tab", "\t"],
  ["Ctrl+C", "\u0003"],
  ["Ctrl+D", "\u0004"],
  ["↑", "\u001b[A"],
  ["↓", "\u001b[B"],
] as const;

/** The tokens of terminals, which the server does not tell again; they live as long as the tab. */
const tokenOf = (session: string) => ofTab.get(`terminal-${session}`);
const keepToken = (session: string, token: string | undefined) => {
  ofTab.set(`terminal-${session}`, token);
};

export function Terminals({ model, inside }: { model: Model; inside: Inside }) {
  const chosen = useSignal<string | undefined>(undefined);
  /** Those of this page. One that has ended stays until it is closed, also when the server has forgotten it. */
  const known = useSignal<PtyInfo[]>([]);
  const all = inside.terminals.value;
  useSignalEffect(() => {
    const listed = inside.terminals.value.filter(({ sessionId }) => tokenOf(sessionId) !== undefined);
    const gone = known.peek().filter((each) => listed.every(({ sessionId }) => sessionId !== each.sessionId));
    known.value = [...gone, ...listed];
  });
  const mine = known.value;
  const session = mine.find(({ sessionId }) => sessionId === chosen.value) ?? mine.at(-1);
  const isAlive = (id: string) => all.some((each) => each.sessionId === id && each.isAlive);
  const elsewhere = all.filter((each) => each.isAlive && tokenOf(each.sessionId) === undefined).length;
  const close = (id: string) => {
    keepToken(id, undefined);
    known.value = known.value.filter(({ sessionId }) => sessionId !== id);
  };
  const open = () =>
    model.act("Opening a terminal failed", async () => {
      const pty = await inside.sandbox.createPty({
        command: "sh",
        args: ["-c", SHELL],
        env: { TERM: "xterm-256color" },
      });
      keepToken(pty.sessionId, pty.token);
      pty.disconnect();
      inside.terminals.value = await inside.sandbox.listPtys();
      chosen.value = pty.sessionId;
    });
  return (
    <>
      <div class="toolbar" role="toolbar" aria-label="Terminals">
        <button type="button" class="primary" onClick={() => void open()}>
          New terminal
        </button>
        {mine.map(({ sessionId, createdAt }, i) => (
          <button
            type="button"
            key={sessionId}
            aria-pressed={sessionId === session?.sessionId}
            title={`Opened ${time(createdAt)}`}
            onClick={() => {
              chosen.value = sessionId;
            }}
          >
            Terminal {i + 1}
            {!isAlive(sessionId) && " (ended)"}
          </button>
        ))}
        {session && isAlive(session.sessionId) && (
          <Confirm
            key={session.sessionId}
            label="End"
            sure="End it for good?"
            onConfirm={() =>
              void model
                .act("Ending it failed", () => inside.sandbox.killPty(session.sessionId))
                .then((ended) => {
                  if (ended) close(session.sessionId);
                })
            }
          />
        )}
        {session && !isAlive(session.sessionId) && (
          <button
            type="button"
            onClick={() => {
              close(session.sessionId);
            }}
          >
            Close
          </button>
        )}
        {elsewhere > 0 && <span class="told">{elsewhere} opened elsewhere: only there can they be seen</span>}
      </div>
      {session ? (
        <View key={session.sessionId} model={model} inside={inside} session={session.sessionId} />
      ) : (
        <p class="empty">No terminal is open.</p>
      )}
    </>
  );
}

/** Colours as the page's style has them. */
function themeOf(element: Element) {
  const { backgroundColor: background, color: foreground } = getComputedStyle(element);
  return { background, foreground, cursor: foreground, cursorAccent: background, selectionBackground: "#5a96dc55" };
}

function View({ model, inside, session }: { model: Model; inside: Inside; session: string }) {
  const place = useRef<HTMLDivElement>(null);
  const state = useSignal("connecting");
  const reader = useSignal(ofBrowser.get("screen-reader") === "true");
  const screen = useRef<Screen>(null);
  useEffect(() => {
    const element = place.current;
    const token = tokenOf(session);
    if (!element || token === undefined) return undefined;
    const terminal = new Screen({
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: 13,
      scrollback: SCROLLBACK,
      theme: themeOf(element),
      // Programs choose colours for a dark background (WCAG 1.4.3).
      minimumContrastRatio: 4.5,
      screenReaderMode: reader.value,
    });
    screen.current = terminal;
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(element);
    fit.fit();
    terminal.focus();
    // Tab belongs to the terminal: without this, keyboards would not get out.
    terminal.attachCustomKeyEventHandler((event) => {
      const leaves = event.ctrlKey && event.shiftKey && event.key === "ArrowUp";
      if (leaves && event.type === "keydown") {
        (element.getRootNode() as ShadowRoot).querySelector<HTMLElement>("#tab-terminal")?.focus();
      }
      return !leaves;
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
    const observer = new ResizeObserver(resize);
    observer.observe(element);
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
      return controlled && waiting > WAITING.most
        ? new Promise((resolve) => (proceed = resolve))
        : undefined;
    };
    terminal.onData((data) => void type(data));
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
    const attach = async () => {
      pty = await connected;
      state.value = "connected";
      resize();
      const code = await pty.wait();
      const known = code === -1 ? "ended by a signal" : `ended with exit code ${code}`;
      over(code === null ? "ended; the exit status is unknown" : known);
    };
    attach().catch(lost);
    return () => {
      abort.abort();
      observer.disconnect();
      dark.removeEventListener("change", colour);
      element.removeEventListener("themechange", colour);
      pty?.disconnect();
      terminal.dispose();
    };
  }, [session, inside.sandbox]);
  return (
    <>
      <div class="screen" ref={place} />
      <div class="keys" role="toolbar" aria-label="Keys">
        {KEYS.map(([label, data]) => (
          <button
            type="button"
            key={label}
            onClick={() => {
              screen.current?.input(data);
              screen.current?.focus();
            }}
          >
            {label}
          </button>
        ))}
      </div>
      <p class="hint">
        <span role="status">{state.value}</span> · Ctrl+Shift+↑ leaves the terminal ·{" "}
        <Check
          on={reader.value}
          label="for screen readers"
          onChange={(on) => {
            reader.value = on;
            ofBrowser.set("screen-reader", String(on));
            if (screen.current) screen.current.options.screenReaderMode = on;
          }}
        />
      </p>
    </>
  );
}
