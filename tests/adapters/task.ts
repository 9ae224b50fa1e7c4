// A task of several steps for a scripted model, on a local server: it writes a program and its test, runs the test, fixes the
// program, runs the test again, starts a server and fetches from its port.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before } from "node:test";
import { type ClientOptions, Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";

let server: LocalServer;
export let client: ClientOptions;
export let sandbox: Sandbox;
before(async () => {
  server = await startLocal();
  client = { apiUrl: server.url, apiKey: server.apiKey };
  sandbox = await Sandbox.create(client);
});
after(() => server.close());

/** A call that the scripted model makes, and what the model must read of its result. */
export interface Step {
  name: string;
  input: Record<string, unknown>;
  expect: RegExp;
}

export const BROKEN = "def add(a, b):\n    return a - b\n";
export const FIXED = BROKEN.replace("-", "+");
export const CHECK = "from add import add\nassert add(1, 2) == 3, 'wrong sum'\nprint('passed')\n";
/** Without a cache, which takes a program of the same size and second for the same program. */
export const RUN = "python3 -B check.py";

/** A port that is free in the sandbox too: without namespaces the sandbox shares this machine's network. */
export async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  assert.ok(typeof address === "object" && address);
  await new Promise((resolve) => listener.close(resolve));
  return address.port;
}

/** Lines of shell that serve the directory, and fetch from the port once it is open. */
export const serveLine = (port: number): string => `exec python3 -m http.server ${port} --bind 127.0.0.1`;
export const fetchLine = (port: number): string =>
  `python3 -c '
import time, urllib.request
for attempt in range(600):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:${port}/add.py").read().decode())
        break
    except OSError:
        time.sleep(0.1)
'`;

/** The task by the tools of `sandboxTools`. */
export function toolSteps(port: number, dir: string): Step[] {
  return [
    { name: "write_file", input: { path: `${dir}/add.py`, content: BROKEN }, expect: /add\.py/ },
    { name: "write_file", input: { path: `${dir}/check.py`, content: CHECK }, expect: /check\.py/ },
    {
      name: "run_command",
      input: { command: RUN, working_dir: dir },
      expect: /wrong sum[^]*exited with 1/,
    },
    // A model's mistake: the answer says what to correct.
    { name: "edit_file", input: { path: `${dir}/add.py`, old: "a - b" }, expect: /old_text/ },
    {
      name: "edit_file",
      input: { path: `${dir}/add.py`, old_text: "a - b", new_text: "a + b" },
      expect: /add\.py/,
    },
    { name: "run_command", input: { command: RUN, working_dir: dir }, expect: /^passed\n[^]*exit code 0/ },
    { name: "start_process", input: { command: serveLine(port), working_dir: dir }, expect: /pid/ },
    { name: "run_command", input: { command: fetchLine(port) }, expect: /return a \+ b/ },
  ];
}

/** What a model read of each result, beside what it had to read. */
export function checkSteps(steps: readonly Step[], results: readonly string[]): void {
  assert.equal(results.length, steps.length, results.join("\n---\n"));
  for (const [i, { expect, name }] of steps.entries())
    assert.match(results[i] ?? "", expect, `result ${i} of ${name}`);
}

/** What the sandbox has after the task: the fixed program, and a server that answers from outside too. */
export async function checkSandbox(port: number, dir: string, box: Sandbox = sandbox): Promise<void> {
  assert.equal(await box.fs.readFile(`${dir}/add.py`, "utf8"), FIXED);
  assert.equal(await (await box.fetch(port, "/add.py")).text(), FIXED);
}

/** A signal that aborts once a file exists in the sandbox, which a command makes when it has begun. */
export function abortOnce(path: string): AbortSignal {
  const controller = new AbortController();
  void (async () => {
    while (!(await sandbox.fs.exists(path))) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(new Error("stop"));
  })();
  return controller.signal;
}

/** Waits until no process of the sandbox has this text in its command line. */
export async function gone(text: string): Promise<void> {
  for (;;) {
    const { stdout } = await sandbox.run("sh", {
      args: ["-c", 'for f in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$f" 2>/dev/null; echo; done'],
    });
    if (!stdout.split("\n").some((line) => line.includes(text) && !line.includes("/proc/"))) return;
  }
}
