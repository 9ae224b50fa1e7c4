// One process: its output, its input, and what ends it or starts it again.
import { type Signal, useSignal } from "@preact/signals";
import type { OutputHolder, ProcessAddress, ProcessInfo, SignalName } from "shoreline";
import { printable } from "../../printable.js";
import { addressOf, type Inside, type Model } from "../model.js";
import { Output } from "../output.js";
import { Field } from "../parts.js";
import { start } from "./start.js";
import { commandOf, stateOf, statusOf, timesOf } from "./words.js";

/** Signals that can be chosen beside Stop and Kill. */
const OFFERED: readonly SignalName[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGSTOP",
  "SIGCONT",
];
/** How long a process that is stopped has for its end, ms. */
const GRACE = 5000;

interface DetailProps {
  model: Model;
  inside: Inside;
  process: ProcessInfo;
  chosen: Signal<ProcessAddress | undefined>;
}

export function Detail({ model, inside, process, chosen }: DetailProps) {
  const again = inside.started.get(process.pid);
  const running = process.status === "running";
  const address = addressOf(process);
  const holds = running || process.outputOpen === true;
  return (
    <section class="detail" aria-label={`Process ${process.pid}`}>
      <header>
        <button
          type="button"
          class="back"
          onClick={() => {
            chosen.value = undefined;
          }}
        >
          ← Processes
        </button>
        <code title={commandOf(process)}>{commandOf(process)}</code>
        <span class={`status ${stateOf(process)}`} role="status">
          {statusOf(process)}
        </span>
        <small class="told" title={`Started ${process.startedAt.toLocaleString()}`}>
          {timesOf(process)}
        </small>
        {holds && <Ends model={model} inside={inside} process={process} />}
        {inside.isOver.value ? null : process.managed ? (
          <button
            type="button"
            onClick={() => {
              void model.act("It was not started again", () => inside.sandbox.restartProcess(address));
            }}
          >
            Restart
          </button>
        ) : (
          !running && (
            <button
              type="button"
              title={again ? "With its directory and environment" : "In the default directory and environment: only the page that started it knows its own"}
              onClick={() => {
                const { command, args } = process;
                void start(model, inside, command, { ...again, args }, chosen);
              }}
            >
              Run again
            </button>
          )
        )}
      </header>
      {process.outputOpen && <Holders holders={process.outputHolders} />}
      <Output model={model} inside={inside} process={process} />
      {running && process.stdinWritable && <Stdin model={model} inside={inside} address={address} />}
    </section>
  );
}

/** What ends a process, and what holds its output open: Stop asks, and kills after some time. */
function Ends({ model, inside, process }: Omit<DetailProps, "chosen">) {
  const address = addressOf(process);
  const chosenSignal = useSignal<SignalName>("SIGINT");
  const stopping = useSignal(false);
  const send = (signal: SignalName) =>
    model.act("The signal was not sent", () => inside.sandbox.sendSignal(address, signal));
  const stop = async () => {
    stopping.value = await send("SIGTERM");
    if (!stopping.value) return;
    // Also when something else is looked at by then.
    setTimeout(() => {
      const now = inside.processes.value.find(({ pid }) => pid === process.pid);
      if (now?.status === "running" || now?.outputOpen) void send("SIGKILL");
    }, GRACE);
  };
  return (
    <>
      <button
        type="button"
        disabled={stopping.value}
        title={`SIGTERM, and after ${String(GRACE / 1000)} s SIGKILL`}
        onClick={() => void stop()}
      >
        {stopping.value ? "Stopping…" : "Stop"}
      </button>
      <button type="button" title="SIGKILL" onClick={() => void send("SIGKILL")}>
        Kill
      </button>
      <form
        class="signal"
        onSubmit={(event) => {
          event.preventDefault();
          void send(chosenSignal.value);
        }}
      >
        <select
          aria-label="Signal"
          value={chosenSignal.value}
          onChange={(event) => {
            chosenSignal.value = event.currentTarget.value as SignalName;
          }}
        >
          {OFFERED.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <button type="submit">Send signal</button>
      </form>
    </>
  );
}

/** Why more output can come although the process has ended. `holders`: the processes that the server found, if any. */
function Holders({ holders = [] }: { holders: OutputHolder[] | undefined }) {
  if (holders.length === 0)
    return <p class="holders">The process has ended, but something that it started still holds its output open.</p>;
  return (
    <section class="holders" aria-label="What holds the output open" tabIndex={0}>
      <p>The process has ended, but its output is still held open by:</p>
      <ul>
        {holders.map(({ pid, command }) => (
          <li key={pid}>
            PID {pid}: <code>{printable(command)}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Stdin({ model, inside, address }: { model: Model; inside: Inside; address: ProcessAddress }) {
  const text = useSignal("");
  return (
    <form
      class="stdin"
      onSubmit={(event) => {
        event.preventDefault();
        const line = text.value;
        text.value = "";
        void model
          .act("Sending the line failed", () => inside.sandbox.writeStdin(address, `${line}\n`))
          .then((sent) => {
            if (!sent) text.value ||= line;
          });
      }}
    >
      <Field text={text} label="Standard input, a line" hint="A line for its standard input" />
      <button type="submit">Send</button>
      <button
        type="button"
        onClick={() => {
          void model.act("The input was not ended", () => inside.sandbox.closeStdin(address));
        }}
      >
        End input
      </button>
    </form>
  );
}
