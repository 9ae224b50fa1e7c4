// The examples as a newcomer has them: copied as they are to where the packed package is installed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** An example's file or folder, beside the packed package. */
export function copied(name: string): string {
  const to = join(process.cwd(), "target", "packed", "copied", name);
  rmSync(to, { recursive: true, force: true });
  cpSync(join("examples", name), to, { recursive: true });
  return to;
}

/** A program that the test ends. */
export interface Program {
  /** What it printed, once it has printed this. */
  said: (what: RegExp) => Promise<RegExpExecArray>;
  /** What it printed in all, once it has ended. */
  ended: () => Promise<{ output: string; code: number | null }>;
  stdin: NonNullable<ChildProcess["stdin"]>;
  kill: (signal: NodeJS.Signals) => void;
}

/** Starts a program; what it prints is kept, errors too. */
export function start(t: TestContext, command: string, args: string[], env: object = {}): Program {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  let heard: () => void = () => {};
  for (const from of [child.stdout, child.stderr]) {
    from.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      heard();
    });
  }
  // Its end may be asked for after it.
  const closed = once(child, "close").then(([code]) => {
    heard();
    return { output, code: code as number | null };
  });
  return {
    said: async (what) => {
      for (;;) {
        const found = what.exec(output);
        if (found) return found;
        if (child.exitCode !== null) throw new Error(`it ended without ${what.source}: ${output}`);
        await new Promise<void>((resolve) => (heard = resolve));
      }
    },
    ended: () => closed,
    stdin: child.stdin,
    kill: (signal) => child.kill(signal),
  };
}

/**
 * Asks until the answer comes in pieces, and gives the last one. A program that the machine lets wait may find all
 * pieces at once; from a server that collects them they come at once every time.
 */
export async function streamed(url: string | URL): Promise<{ status: number; text: string; took: number }> {
  for (let tries = 10; ; tries--) {
    const answer = await ask(url);
    if (answer.took > STREAMED || tries === 1) return answer;
  }
}

/** Asks, and gives the answer's text, and how long it took to come, ms. */
export async function ask(url: string | URL): Promise<{ status: number; text: string; took: number }> {
  const response = await fetch(url);
  const decoder = new TextDecoder();
  let text = "";
  let [first, last] = [0, 0];
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    last = performance.now();
    first ||= last;
    text += decoder.decode(chunk, { stream: true });
  }
  return { status: response.status, text, took: last - first };
}

/** The events with those of stderr after those of stdout: two pipes have no common order. */
export function byStream(text: string): string {
  const events = text.split(/(?<=\n\n)/);
  const end = events.pop() ?? "";
  const isOut = (event: string) => event.startsWith("event: stdout\n");
  return [...events.filter(isOut), ...events.filter((event) => !isOut(event)), end].join("");
}

/** Less than the command of these servers sleeps between its first line and its last, ms. */
export const STREAMED = 300;
/** What they answer. */
export const EVENTS = [
  ...["Step 1/3", "Step 2/3", "Step 3/3"].map((line) => `event: stdout\ndata: "${line}"\n\n`),
  'event: stderr\ndata: "done"\n\n',
  "event: exit\ndata: 0\n\n",
].join("");
