// The console as a whole: the connection, the sandboxes, and the views of the one that is chosen.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ProcessAddress, SandboxInfo } from "shoreline";
import { Files } from "./files/files.js";
import { Help, shortcut } from "./help.js";
import { printable } from "../printable.js";
import type { Link, Model } from "./model.js";
import { Check, Confirm, Field, Panel, Tabs, time } from "./parts.js";
import { Processes } from "./processes/processes.js";
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
  const tab = useSignal<string>("processes");
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
        else if (/^[1-3]$/.test(event.key)) tab.value = TABS[Number(event.key) - 1]?.id ?? tab.value;
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
        <Chosen model={model} tab={tab} />
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

const nameOf = ({ name, sandboxId }: SandboxInfo) => printable(name ?? sandboxId);
const isOver = ({ status }: SandboxInfo) => status === "terminated" || status === "timeout";

function Sandboxes({ model, onChosen }: { model: Model; onChosen: () => void }) {
  const name = useSignal("");
  const ended = useSignal(false);
  const all = model.sandboxes.value;
  const shown = all.filter((info) => ended.value || !isOver(info));
  return (
    <nav id="sandboxes" class="sandboxes" aria-label="Sandboxes">
      <form
        class="new"
        onSubmit={(event) => {
          event.preventDefault();
          void model.create(name.value.trim());
          name.value = "";
          onChosen();
        }}
      >
        <Field
          text={name}
          shortcut="new"
          label="Name of a new sandbox"
          hint="Name (may be empty)"
          code={false}
          most={63}
        />
        <button type="submit" class="primary">
          New
        </button>
      </form>
      <ul>
        {shown.map((info) => (
          <li key={info.sandboxId}>
            <button
              type="button"
              class="item"
              data-key="sandbox"
              aria-current={info.sandboxId === model.selected.value}
              onClick={() => {
                model.select(info.sandboxId);
                onChosen();
              }}
            >
              <span class={`dot ${info.status}`} aria-hidden="true" />
              <strong>{nameOf(info)}</strong>
              <small>
                {printable(info.status)}
                {info.createdAt && ` · ${time(info.createdAt)}`}
              </small>
            </button>
          </li>
        ))}
      </ul>
      {shown.length === 0 && model.link.value.state === "online" && <p class="empty">No sandbox yet. Make one above.</p>}
      {all.some(isOver) && (
        <Check
          on={ended.value}
          label="Show terminated sandboxes"
          onChange={(on) => {
            ended.value = on;
          }}
        />
      )}
    </nav>
  );
}

function Chosen({ model, tab }: { model: Model; tab: { value: string } }) {
  const info = model.info.value;
  const inside = model.inside.value;
  const process = useSignal<ProcessAddress | undefined>(undefined);
  const path = useSignal(".");
  useEffect(() => {
    process.value = undefined;
    path.value = ".";
  }, [info?.sandboxId]);
  if (!info) {
    return (
      <section class="chosen" aria-label="Sandbox">
        <p class="empty">{model.link.value.state === "connecting" ? "Connecting…" : "Choose a sandbox, or make one."}</p>
      </section>
    );
  }
  return (
    <section class="chosen" aria-label={`Sandbox ${nameOf(info)}`}>
      <header class="about">
        <h2>{nameOf(info)}</h2>
        <span class={`status ${info.status}`} role="status">
          {printable(info.status)}
        </span>
        {info.name && info.status === "running" && (
          <button
            type="button"
            disabled={!inside}
            onClick={() => {
              if (inside) void model.suspend(inside.sandbox);
            }}
          >
            Suspend
          </button>
        )}
        {info.status === "suspended" && (
          <button type="button" class="primary" onClick={() => void model.resume(info.sandboxId)}>
            Resume
          </button>
        )}
        {!isOver(info) && (
          <Confirm
            key={info.sandboxId}
            label="Terminate"
            sure="Terminate it for good?"
            onConfirm={() => void model.terminate(info.sandboxId)}
          />
        )}
      </header>
      {info.status !== "running" && <p class="empty">{printable(whyNot(info))}</p>}
      {info.status === "running" && !inside && <p class="empty">Connecting…</p>}
      {info.status === "running" && inside && (
        <>
          <Tabs
            label="Views"
            tabs={TABS}
            chosen={tab.value}
            onChoose={(id) => {
              tab.value = id;
            }}
          />
          <Panel id={tab.value} key={`${info.sandboxId} ${tab.value}`}>
            {tab.value === "processes" && <Processes model={model} inside={inside} chosen={process} />}
            {tab.value === "terminal" && <Terminals model={model} inside={inside} />}
            {tab.value === "files" && <Files model={model} inside={inside} path={path} />}
          </Panel>
        </>
      )}
    </section>
  );
}

function whyNot({ status, terminationReason, pendingReason }: SandboxInfo): string {
  if (status === "suspended") return "It is suspended: everything in it stands still until it is resumed.";
  if (status === "terminated") return `It has ended${terminationReason ? ` (${terminationReason})` : ""}.`;
  return pendingReason ? `It is ${status}: ${pendingReason}` : `It is ${status}.`;
}
