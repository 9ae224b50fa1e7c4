// The form by which commands are run: lines of `sh`.
import { type Signal, useSignal } from "@preact/signals";
import type { ProcessAddress } from "shoreline";
import type { Inside, Model } from "../model.js";
import { Check, Field } from "../parts.js";
import { start } from "./start.js";
import { scriptOf } from "./words.js";

export function Run({ model, inside, chosen }: { model: Model; inside: Inside; chosen: Signal<ProcessAddress | undefined> }) {
  const line = useSignal("");
  const takesInput = useSignal(false);
  const more = useSignal(false);
  const directory = useSignal("");
  const variables = useSignal("");
  /** How far back in the commands it is; 0: what is being written. */
  const back = useSignal(0);
  const written = useSignal("");
  const run = async () => {
    const command = line.value.trim();
    if (command === "") return;
    const env = environment(variables.value);
    if (typeof env === "string") {
      model.warn(env);
      return;
    }
    // At once: Enter that is hit twice starts one.
    line.value = "";
    back.value = 0;
    const started = await start(
      model,
      inside,
      "sh",
      {
        args: ["-c", command],
        stdinMode: takesInput.value ? "pipe" : "closed",
        ...(directory.value.trim() !== "" && { workingDir: directory.value.trim() }),
        ...(Object.keys(env).length > 0 && { env }),
      },
      chosen,
    );
    if (!started) line.value ||= command;
  };
  /** Shows an older command, or a newer one; the newest is what was being written. */
  const step = (by: number) => {
    const scripts = inside.processes.value.flatMap((process) => scriptOf(process) ?? []);
    const commands = [...new Set(scripts.reverse())];
    const to = Math.min(commands.length, Math.max(0, back.value + by));
    if (back.value === 0) written.value = line.value;
    back.value = to;
    line.value = to === 0 ? written.value : (commands[to - 1] ?? "");
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
        <Field
          text={line}
          shortcut="run"
          label="Command"
          hint="A command, for example: ls -l"
          onKeyDown={(event) => {
            const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
            if (by === undefined || event.isComposing) return;
            event.preventDefault();
            step(by);
          }}
        />
      </label>
      <Check
        on={takesInput.value}
        label="stdin"
        title="The command's standard input stays open, and you can write to it"
        onChange={(on) => {
          takesInput.value = on;
        }}
      />
      <button
        type="button"
        aria-expanded={more.value}
        title="Working directory and environment"
        onClick={() => {
          more.value = !more.value;
        }}
      >
        Options
      </button>
      <button type="submit" class="primary">
        Run
      </button>
      {more.value && (
        <div class="options">
          <label>
            Directory
            <Field text={directory} label="Working directory" hint="That of the sandbox" />
          </label>
          <label>
            Environment
            <textarea
              class="code"
              aria-label="Environment, NAME=value a line"
              placeholder="NAME=value, one a line"
              rows={2}
              spellcheck={false}
              value={variables.value}
              onInput={(event) => {
                variables.value = event.currentTarget.value;
              }}
            />
          </label>
        </div>
      )}
    </form>
  );
}

/** Variables by name, or what is wrong. */
function environment(text: string): Record<string, string> | string {
  const env: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    // The value may be a secret, which is not shown.
    if (at <= 0) return "Each line of the environment is NAME=value: one has no name or no =";
    env[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return env;
}
