// Terminals. Those opened on this page are kept when the connection breaks or the page is reloaded.
import { useSignal, useSignalEffect } from "@preact/signals";
import type { PtyInfo } from "shoreline";
import { printable } from "../printable.js";
import type { Inside, Model } from "./model.js";
import { Confirm, time } from "./parts.js";
import { ofTab } from "./store.js";
import { View } from "./terminal/view.js";

/** `bash` where there is one. */
const SHELL = "command -v bash >/dev/null && exec bash -l; exec sh -l";
/** The most characters of a terminal's name. */
const NAME = 40;

/** The tokens of terminals, which the server does not tell again; they live as long as the tab. */
const tokenOf = (session: string) => ofTab.get(`terminal-${session}`);
const keepToken = (session: string, token: string | undefined) => {
  ofTab.set(`terminal-${session}`, token);
};
/** Titles that programs have set, which the server does not tell. */
const titleOf = (session: string) => ofTab.get(`terminal-title-${session}`);

/** A title as a name: plain text that is not too long, and undefined if nothing is left of it. */
function named(title: string): string | undefined {
  const name = Array.from(printable(title.trim().slice(0, 10 * NAME)));
  if (name.length === 0) return undefined;
  return name.length > NAME ? `${name.slice(0, NAME - 1).join("")}…` : name.join("");
}

export function Terminals({ model, inside }: { model: Model; inside: Inside }) {
  const chosen = useSignal<string | undefined>(undefined);
  /** Those of this page. One that has ended stays until it is closed, also when the server has forgotten it. */
  const known = useSignal<PtyInfo[]>([]);
  const all = inside.terminals.value;
  /** Titles that were set while the page shows terminals. */
  const titles = useSignal<Readonly<Record<string, string | undefined>>>({});
  const entitle = (id: string, title: string | undefined) => {
    if (titleOf(id) === title) return;
    ofTab.set(`terminal-title-${id}`, title);
    titles.value = { ...titles.value, [id]: title };
  };
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
    entitle(id, undefined);
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
            class="name"
            title={`Terminal ${i + 1}, opened ${time(createdAt)}`}
            onClick={() => {
              chosen.value = sessionId;
            }}
          >
            <bdi>{titles.value[sessionId] ?? titleOf(sessionId) ?? `Terminal ${i + 1}`}</bdi>
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
        <View
          key={session.sessionId}
          model={model}
          inside={inside}
          session={session.sessionId}
          token={tokenOf(session.sessionId)}
          onTitle={(title) => {
            entitle(session.sessionId, named(title));
          }}
        />
      ) : (
        <p class="empty">No terminal is open.</p>
      )}
    </>
  );
}
