// The processes of a sandbox: those that run first, then those that have ended.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ProcessAddress, ProcessInfo } from "shoreline";
import { addressOf, type Inside, type Model } from "../model.js";
import { Field } from "../parts.js";
import { Detail } from "./detail.js";
import { type Use, useOf } from "./meter.js";
import { Run } from "./run.js";
import { commandOf, stateOf, statusOf, timesOf } from "./words.js";

/** A list that is shorter is seen at a glance. */
const FEW = 5;

export function Processes({ model, inside, chosen }: { model: Model; inside: Inside; chosen: Signal<ProcessAddress | undefined> }) {
  const wanted = useSignal("");
  const list = useRef<HTMLElement>(null);
  useEffect(() => {
    model.seesProcesses = () => document.visibilityState === "visible" && list.current?.checkVisibility() === true;
    model.refresh();
    return () => {
      model.seesProcesses = () => false;
    };
  }, [inside]);
  const uses = inside.meter.uses.value;
  // The newest is what people look for.
  const all = [...inside.processes.value].reverse();
  const process = all.find((each) => addressOf(each) === chosen.value);
  const words = wanted.value.toLowerCase().split(/\s+/);
  const isWanted = (each: ProcessInfo) => {
    const text = `${commandOf(each)} ${each.pid} ${statusOf(each)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const shown = all.filter(isWanted);
  const isRunning = ({ status }: ProcessInfo) => status === "running";
  return (
    <>
      {!inside.isOver.value && <Run model={model} inside={inside} chosen={chosen} />}
      <div class={`split ${process ? "has-detail" : ""}`}>
        <nav ref={list} class="list" aria-label="Processes">
          {all.length === 0 && <p class="empty">{inside.isOver.value ? "No process is known." : "Nothing was started yet. Run a command above."}</p>}
          {(all.length > FEW || wanted.value !== "") && (
            <Field text={wanted} label="Filter the processes" hint="Filter: command, PID or status" code={false} />
          )}
          {all.length > 0 && shown.length === 0 && <p class="empty">No process matches.</p>}
          <Group title="Running" processes={shown.filter(isRunning)} uses={uses} chosen={chosen} />
          <Group title="Ended" processes={shown.filter((each) => !isRunning(each))} chosen={chosen} />
        </nav>
        {process && <Detail key={addressOf(process)} model={model} inside={inside} process={process} chosen={chosen} />}
      </div>
    </>
  );
}

interface GroupProps {
  title: string;
  processes: ProcessInfo[];
  uses?: ReadonlyMap<number, Use>;
  chosen: Signal<ProcessAddress | undefined>;
}

function Group({ title, processes, uses, chosen }: GroupProps) {
  if (processes.length === 0) return null;
  return (
    <section class="group">
      <h3>
        {title} <span class="told">{processes.length}</span>
      </h3>
      <ul>
        {processes.map((each) => (
          <li key={each.pid}>
            <button
              type="button"
              class="item"
              aria-current={addressOf(each) === chosen.value}
              onClick={() => {
                chosen.value = addressOf(each);
              }}
            >
              <span class={`dot ${stateOf(each)}`} aria-hidden="true" />
              <code>{commandOf(each)}</code>
              <small title={`PID ${each.pid}, started ${each.startedAt.toLocaleString()}`}>
                {each.pid} · {statusOf(each)} · {timesOf(each)}
                <Usage use={uses?.get(each.pid)} />
              </small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Usage({ use }: { use: Use | undefined }) {
  if (!use) return null;
  return (
    <span class="use" title="With the processes that it started; 100 % is one processor">
      {" "}
      · {useOf(use)}
    </span>
  );
}
