// Starts a process, which is then looked at.
import type { Signal } from "@preact/signals";
import type { ProcessAddress, StartProcessOptions } from "shoreline";
import type { Inside, Model } from "../model.js";

export function start(
  model: Model,
  inside: Inside,
  command: string,
  options: StartProcessOptions,
  chosen: Signal<ProcessAddress | undefined>,
): Promise<boolean> {
  return model.act("Starting it failed", async () => {
    const process = await inside.sandbox.startProcess(command, options);
    inside.started.set(process.pid, options);
    inside.processes.value = [...inside.processes.value, process];
    chosen.value = process.pid;
    model.say(`Process ${process.pid} was started.`);
  });
}
