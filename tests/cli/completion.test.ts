// Completions in the shells themselves, with names that a shell would execute if they were not quoted.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before } from "node:test";
import { test } from "../helpers/processes.js";
import { ended, environment, home, PROGRAM, start } from "./program.js";

/** What a server may answer as a name. */
const EVIL = "ev $(touch pwned) `touch pwned`;touch pwned #'\"*?[a]{b,c}~!\\&|<>é";
const ID = "0123456789abcdefghijk";

const process_ = { status: "running", command: "x", args: [], stdin_writable: false, started_at: 1 };
let status = "running";
let base = "";
/** Requests to a sandbox. */
const asked: string[] = [];
const server = createServer((request, response) => {
  const url = new URL(request.url ?? "", "http://x");
  const path = url.pathname.replace("/v1/namespaces/default", "");
  const record = {
    id: ID,
    status,
    name: "my-env",
    sandbox_url: base,
    created_at: 1,
    exposed_ports: [8123, 9000],
  };
  const entries = [
    { name: EVIL, is_dir: false, size: 1 },
    { name: "workspace", is_dir: true, size: 0 },
  ];
  const answers: Record<string, unknown> = {
    "/sandboxes": { sandboxes: [record, { ...record, id: "evil", name: EVIL }], next_cursor: null },
    "/api/v1/processes": { processes: [{ ...process_, pid: 4711, managed: { name: EVIL } }] },
    "/api/v1/files/list": { path: "/", entries },
    "/api/v1/pty": { sessions: [{ ...process_, session_id: "session-1" }] },
  };
  if (path.startsWith("/api/")) asked.push(path);
  const answer = path.startsWith("/sandboxes/") ? record : answers[path];
  response.writeHead(answer ? 200 : 404, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer ?? { error: "no", code: "NOT_FOUND" }));
});

/** Where the shells run, and what they find as `shoreline`: the program for completions, else an echo of its arguments. */
const bin = mkdtempSync(join(home, "bin-"));
const cwd = mkdtempSync(join(home, "cwd-"));
const open: ChildProcess[] = [];
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(bin, "shoreline");
  writeFileSync(
    file,
    `#!${process.execPath}
const words = process.argv.slice(2);
if (words[0]?.startsWith("complet")) await import(${JSON.stringify(PROGRAM)});
else console.log("ARGUMENTS" + Buffer.from(JSON.stringify(words)).toString("base64") + ".");
`,
  );
  // The file has no extension.
  writeFileSync(join(bin, "package.json"), '{ "type": "module" }');
  chmodSync(file, 0o755);
  writeFileSync(join(cwd, "here.txt"), "");
  mkdirSync(join(cwd, "folder"));
});
after(() => {
  server.close();
  for (const child of open) child.kill("SIGKILL");
});

const named = () => ({ TENSORLAKE_API_URL: base, TENSORLAKE_API_KEY: "key" });

/** What the program would complete the last word to. */
async function completed(...words: string[]): Promise<string[]> {
  const { stdout, code } = await ended(start(["complete", "--", ...words], named()));
  assert.equal(code, 0);
  return stdout.split("\n").filter(Boolean);
}

test("sandboxes, processes, ports, terminals and paths are completed", async () => {
  assert.deepEqual(await completed("describe", "my"), ["my-env"]);
  assert.deepEqual(await completed("exec", "-t", "10", "my"), ["my-env"]);
  assert.deepEqual(await completed("logs", "my-env", "4"), ["4711"]);
  assert.deepEqual(await completed("kill", "my-env", "ev"), [EVIL]);
  assert.deepEqual(await completed("tunnel", "my-env", ""), ["8123", "9000"]);
  assert.deepEqual(await completed("port", "rm", "my-env", "9"), ["9000"]);
  assert.deepEqual(await completed("pty", "attach", "my-env", ""), ["session-1"]);
  assert.deepEqual(await completed("cp", "my-env:/wor"), ["my-env:/workspace/"]);
  assert.deepEqual(await completed("cp", "here.txt", "my"), ["my-env:"]);
  assert.deepEqual(await completed("exec", "my-env", ""), []);
});

test("a suspended sandbox is not woken by a completion", async () => {
  status = "suspended";
  asked.length = 0;
  assert.deepEqual(await completed("logs", "my-env", ""), []);
  assert.deepEqual(await completed("cp", "my-env:/"), []);
  assert.deepEqual(asked, []);
  status = "running";
});

const quiet = "PS1='ready> '; unset HISTFILE";
const SHELLS: Record<string, { args: string[]; setup: string; prompt: RegExp }> = {
  bash: {
    args: ["bash", "--norc", "--noprofile", "-i"],
    setup: `${quiet}; bind 'set enable-bracketed-paste off'; eval "$(shoreline completion bash)"; echo set''up`,
    prompt: /setup\r\n[^]*ready> $/,
  },
  zsh: {
    args: ["zsh", "-f", "-i"],
    setup: `${quiet}; unsetopt zle_bracketed_paste prompt_sp; autoload -Uz compinit; compinit -D; eval "$(shoreline completion zsh)"; echo set''up`,
    prompt: /setup\r\n[^]*ready> /,
  },
  fish: {
    args: ["fish", "--private", "--no-config", "-i"],
    setup: "function fish_prompt; echo 'ready> '; end; shoreline completion fish | source; echo set''up",
    prompt: /setup\r\n[^]*ready> /,
  },
};

for (const [shell, { args, setup, prompt }] of Object.entries(SHELLS)) {
  test(`${shell}: Tab completes, and what is inserted is one word as it is`, async () => {
    const line = `stty cols 200 rows 30; exec ${args.join(" ")}`;
    const child = spawn("script", ["-qfec", line, "/dev/null"], {
      env: { ...environment, ...named(), PATH: `${bin}:${process.env.PATH}`, TERM: "dumb" },
      cwd,
    });
    open.push(child);
    let screen = "";
    let look = () => undefined as unknown;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      screen += text;
      look();
    });
    const shows = async (pattern: RegExp) => {
      for (;;) {
        const found = pattern.exec(screen);
        if (found) return found;
        if (child.exitCode !== null) throw new Error(`${shell} ended: ${screen}`);
        await Promise.race([
          new Promise(
            (resolve) =>
              (look = () => {
                resolve(undefined);
              }),
          ),
          once(child, "close"),
        ]);
      }
    };
    child.stdin.write(`${setup}\r`);
    await shows(prompt);
    for (const [typed, words] of [
      ["describe my", ["describe", "my-env"]],
      ["describe ev", ["describe", EVIL]],
      ["kill my-env ev", ["kill", "my-env", EVIL]],
      ["cp my-env:/wor", ["cp", "my-env:/workspace/"]],
      ["cp my-env:/ev", ["cp", `my-env:/${EVIL}`]],
      ["cp here", ["cp", "here.txt"]],
    ] as const) {
      screen = "";
      child.stdin.write(`shoreline ${typed}\t\r`);
      const [, encoded = ""] = await shows(/ARGUMENTS(\S+)\./);
      assert.deepEqual(JSON.parse(Buffer.from(encoded, "base64").toString()), words, `${shell}: ${typed}`);
      assert.ok(!existsSync(join(cwd, "pwned")), `${shell}: ${typed}`);
    }
    child.kill("SIGKILL");
  });
}
