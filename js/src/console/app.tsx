// The console as a whole: the connection, the sandboxes, and the views of the one that is chosen.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { SandboxInfo } from "shoreline";
import { About } from "./about.js";
import { Files } from "./files/files.js";
import { Help, shortcut } from "./help.js";
import { printable } from "../printable.js";
import { type Inside, isOver, type Link, type Model } from "./model.js";
import { Panel, Tabs } from "./parts.js";
import { Processes } from "./processes/processes.js";
import { nameOf, Sandboxes } from "./sandboxes.js";
import { ofBrowser } from "./store.js";
import { Terminals } from "./terminal.js";

const TABS = [
  { id: "processes", title: "Processes" },
  { id: "terminal", title: "Terminal" },
  { id: "files", title: "Files" },
] as const;

const THEMES = ["auto", "light", "dark"] as const;

export function App({ model }: { model: Model }) {
  const root = useRef<HTMLDivElement>(null);
  const theme = useSignal(ofBrowser.get("theme") ?? "auto");
  const help = useSignal(false);
  const listed = useSignal(false);
  useEffect(() => {
    root.current?.querySelector(".screen")?.dispatchEvent(new Event("themechange"));
  }, [theme.value]);
  const nextTheme = () => {
    const at = THEMES.findIndex((name) => name === theme.value);
    theme.value = THEMES[(at + 1) % THEMES.length] ?? "auto";
    ofBrowser.set("theme", theme.value);
  };
  return (
    <div
      ref={root}
      class="app"
      tabIndex={-1}
      data-theme={theme.value}
      onKeyDown={(event) => {
        if (!root.current || !shortcut(event)) return;
        if (event.key === "?") help.value = true;
        else if (/^[1-3]$/.test(event.key)) model.view.value = TABS[Number(event.key) - 1]?.id ?? model.view.value;
        else if (event.key === "f") root.current.querySelector<HTMLElement>('[data-key="follow"]')?.click();
        else if (event.key === "s") {
          listed.value = true;
          // It may have been hidden until now.
          requestAnimationFrame(() => {
            const all = root.current?.querySelectorAll<HTMLElement>('[data-key="sandbox"]') ?? [];
            const chosen = [...all].find((each) => each.getAttribute("aria-current") === "true") ?? all[0];
            (chosen ?? root.current?.querySelector<HTMLElement>('[data-key="new"]'))?.focus();
          });
        } else {
          const name = { "/": "search", r: "run", p: "path" }[event.key];
          const field = name && root.current.querySelector<HTMLElement>(`[data-key="${name}"]`);
          if (!field) return;
          field.focus();
        }
        event.preventDefault();
      }}
    >
      <header class="top">
        <button
          type="button"
          class="menu"
          aria-expanded={listed.value}
          aria-controls="sandboxes"
          onClick={() => {
            listed.value = !listed.value;
          }}
        >
          ☰ <span class="hidden">Sandboxes</span>
        </button>
        <h1>Shoreline</h1>
        <Connection model={model} />
        <button type="button" onClick={nextTheme} aria-label={`Colours: ${theme.value}`} title="Light, dark or as the system">
          {{ auto: "◐", light: "☀", dark: "☾" }[theme.value] ?? "◐"}
        </button>
        <button
          type="button"
          aria-label="Help"
          title="Keys (?)"
          onClick={() => {
            help.value = true;
          }}
        >
          ?
        </button>
      </header>
      <Notice model={model} />
      <div class={`body ${listed.value ? "listed" : ""}`}>
        <Sandboxes model={model} onChosen={() => { listed.value = false; }} />
        <Chosen model={model} />
      </div>
      <Help open={help} />
    </div>
  );
}

const said: Record<Link["state"], string> = {
  connecting: "Connecting…",
  online: "Connected",
  lost: "Connection lost; trying again",
  refused: "Not allowed",
};

function Connection({ model }: { model: Model }) {
  const link = model.link.value;
  return (
    <div class={`connection ${link.state}`}>
      <span class="dot" aria-hidden="true" />
      <span role="status">
        {said[link.state]}
      </span>
      {"message" in link && (
        <>
          <button
            type="button"
            onClick={() => {
              model.refresh();
            }}
          >
            Try now
          </button>
          <small title={link.message}>{link.message}</small>
        </>
      )}
    </div>
  );
}

/** What happened last; failures stay until they are put away. */
function Notice({ model }: { model: Model }) {
  const notice = model.notice.value;
  return (
    <div class="notices">
      <div class="hidden" role="status">
        {notice && !notice.failed && notice.text}
      </div>
      {notice?.failed && (
        <div class="notice" role="alert">
          <span>{notice.text}</span>
          <button
            type="button"
            aria-label="Dismiss"
            onClick={() => {
              model.notice.value = undefined;
            }}
          >
            ✕
          </button>
        </div>
      )}
    </div>
  );
}

function Chosen({ model }: { model: Model }) {
  const info = model.info.value;
  const inside = model.inside.value;
  if (!info) {
    return (
      <section class="chosen" aria-label="Sandbox">
        <p class="empty">{model.link.value.state === "connecting" ? "Connecting…" : "Choose a sandbox, or make one."}</p>
      </section>
    );
  }
  const view = model.view.value;
  return (
    <section class="chosen" aria-label={`Sandbox ${nameOf(info)}`}>
      <About key={info.sandboxId} model={model} info={info} inside={inside} />
      {info.status !== "running" && <p class="empty">{printable(whyNot(info, inside))}</p>}
      {isOver(info) && inside && (
        <div class="panel panel-processes">
          <Processes key={info.sandboxId} model={model} inside={inside} chosen={model.process} />
        </div>
      )}
      {info.status === "running" && !inside && <p class="empty">Connecting…</p>}
      {info.status === "running" && inside && (
        <>
          <Tabs
            label="Views"
            tabs={TABS}
            chosen={view}
            onChoose={(id) => {
              model.view.value = id;
            }}
          />
          <Panel id={view} key={`${info.sandboxId} ${view} ${model.visits.value}`}>
            {view === "processes" && <Processes model={model} inside={inside} chosen={model.process} />}
            {view === "terminal" && <Terminals model={model} inside={inside} />}
            {view === "files" && <Files model={model} inside={inside} path={model.directory} />}
          </Panel>
        </>
      )}
    </section>
  );
}

function whyNot(info: SandboxInfo, inside: Inside | undefined): string {
  const { status, terminationReason, pendingReason } = info;
  if (status === "suspended") return "It is suspended: everything in it stands still until it is resumed.";
  if (isOver(info)) {
    const ended = `It has ended${terminationReason ? ` (${terminationReason})` : ""}.`;
    return inside ? `${ended} Only the output that this page had read before is still here.` : ended;
  }
  return pendingReason ? `It is ${status}: ${pendingReason}` : `It is ${status}.`;
}
