// The processes of a sandbox: running commands, their output, input and signals.
import { type Signal, useSignal } from "@preact/signals";
import type { OutputHolder, ProcessAddress, ProcessInfo, SignalName } from "shoreline";
import { SIGNALS } from "../generated/signals.js";
import { printable } from "../printable.js";
import { addressOf, type Inside, type Model } from "./model.js";
import { Output } from "./output.js";
import { Check, Field, time } from "./parts.js";

/** The signals that can be chosen. */
const OFFERED: readonly SignalName[] = [
  "SIGINT",
  "SIGTERM",
  "SIGKILL",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGSTOP",
  "SIGCONT",
];

/** What is shown of a process in one line: a shell's script is what somebody typed. */
function commandOf({ command, args, managed }: ProcessInfo): string {
  const line = command === "sh" && args[0] === "-c" && args.length === 2 ? (args[1] ?? "") : [command, ...args].join(" ");
  return printable(managed?.name ? `${managed.name}: ${line}` : line);
}

function statusOf(process: ProcessInfo): string {
  return process.outputOpen ? `${endOf(process)}, output open` : endOf(process);
}

function endOf({ status, exitCode, signal, managed }: ProcessInfo): string {
  if (managed?.status === "backing_off") return "starts again soon";
  if (status === "exited") return `exit code ${exitCode ?? "unknown"}`;
  if (status === "signaled") return `ended by ${SIGNALS[(signal ?? 0) - 1] ?? `signal ${signal ?? ""}`}`;
  return status === "oom_killed" ? "out of memory" : printable(status);
}

const stateOf = ({ status, exitCode }: ProcessInfo) =>
  status === "running" ? "running" : status === "exited" && exitCode === 0 ? "good" : "bad";

export function Processes({ model, inside, chosen }: { model: Model; inside: Inside; chosen: Signal<ProcessAddress | undefined> }) {
  // The newest is what people look for.
  const processes = [...inside.processes.value].reverse();
  const process = processes.find((each) => addressOf(each) === chosen.value);
  return (
    <>
      <Run model={model} inside={inside} chosen={chosen} />
      <div class={`split ${process ? "has-detail" : ""}`}>
        <nav class="list" aria-label="Processes">
          {processes.length === 0 && <p class="empty">Nothing was started yet. Run a command above.</p>}
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
                  <small>
                    {each.pid} · {statusOf(each)} · {time(each.startedAt)}
                  </small>
                </button>
              </li>
            ))}
          </ul>
        </nav>
        {process && <Detail key={addressOf(process)} model={model} inside={inside} process={process} chosen={chosen} />}
      </div>
    </>
  );
}

function Run({ model, inside, chosen }: { model: Model; inside: Inside; chosen: Signal<ProcessAddress | undefined> }) {
  const line = useSignal("");
  const takesInput = useSignal(false);
  const run = async () => {
    const command = line.value.trim();
    if (command === "") return;
    // At once: Enter that is hit twice starts one.
    line.value = "";
    const started = await model.act("Starting it failed", async () => {
      const stdinMode = takesInput.value ? "pipe" : "closed";
      const process = await inside.sandbox.startProcess("sh", { args: ["-c", command], stdinMode });
      inside.processes.value = [...inside.processes.value, process];
      chosen.value = process.pid;
      model.say(`Process ${process.pid} was started.`);
    });
    if (!started) line.value ||= command;
  };
  return (
    <form
      class="run"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
    >
      <label>
        <span class="prompt" aria-hidden="true">
          $
        </span>
        <Field text={line} shortcut="run" label="Command" hint="A command, for example: ls -l" />
      </label>
      <Check
        on={takesInput.value}
        label="stdin"
        title="The command's standard input stays open, and you can write to it"
        onChange={(on) => {
          takesInput.value = on;
        }}
      />
      <button type="submit" class="primary">
        Run
      </button>
    </form>
  );
}

interface DetailProps {
  model: Model;
  inside: Inside;
  process: ProcessInfo;
  chosen: Signal<ProcessAddress | undefined>;
}

function Detail({ model, inside, process, chosen }: DetailProps) {
  const running = process.status === "running";
  const address = addressOf(process);
  const chosenSignal = useSignal<SignalName>("SIGINT");
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
        {(running || process.outputOpen) && (
          <form
            class="signal"
            onSubmit={(event) => {
              event.preventDefault();
              void model.act("The signal was not sent", () => inside.sandbox.sendSignal(address, chosenSignal.value));
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
        )}
        {process.managed && (
          <button
            type="button"
            onClick={() => {
              void model.act("It was not started again", () => inside.sandbox.restartProcess(address));
            }}
          >
            Restart
          </button>
        )}
      </header>
      {process.outputOpen && <Holders holders={process.outputHolders} />}
      <Output model={model} inside={inside} process={process} />
      {running && process.stdinWritable && <Stdin model={model} inside={inside} address={address} />}
    </section>
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
