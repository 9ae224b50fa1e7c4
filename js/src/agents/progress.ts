// Progress of a call that waits for a process: the last line of its output, once a second.
import type { Process } from "../process.js";
import { printable } from "../printable.js";
import { cut } from "./text.js";
import type { Call } from "./tool.js";

const EVERY_MS = 1000;
const LINE_BYTES = 200;
/** The last bytes of output that are kept. */
const KEPT = 4096;

/** Reports progress until the returned function is called; with the last line of output, which is read from its start. */
export function reporting(call: Call, process: Process, withOutput: boolean): () => void {
  const { onProgress, signal } = call;
  if (!onProgress) return () => undefined;
  const began = Date.now();
  const output = withOutput ? process.output({ until: "exit", pieces: true, signal }) : undefined;
  const decoder = new TextDecoder();
  let end = "";
  const reading = async () => {
    for await (const { bytes } of output?.chunks() ?? [])
      end = (end + decoder.decode(bytes.subarray(-KEPT))).slice(-KEPT);
  };
  // The call itself reports what is wrong.
  reading().catch(() => undefined);
  const tell = () => {
    const line =
      end
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1) ?? "";
    const text = line === "" ? `process ${process.pid} is running` : cut(printable(line), LINE_BYTES);
    try {
      Promise.resolve(onProgress({ text, elapsedMs: Date.now() - began })).catch(() => undefined);
    } catch {
      // A handler that throws must not end the command.
    }
  };
  const timer = setInterval(tell, EVERY_MS);
  return () => {
    clearInterval(timer);
    void output?.return();
  };
}
