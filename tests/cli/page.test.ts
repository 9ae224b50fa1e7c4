// The command lines of the documentation of this API, as they stand there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { before } from "node:test";
import { eventually, test } from "../helpers/processes.js";
import { type Ended, ended, environment, home, PROGRAM, shoreline, start } from "./program.js";

let id: string;

before(async () => {
  id = (await shoreline("create", "my-env")).stdout.trim();
  const script = "import os; print('main', os.environ.get('MODE'), os.getcwd())";
  await shoreline(
    "exec",
    "my-env",
    "python",
    "-c",
    `open('/workspace/main.py', 'w').write(${JSON.stringify(script)})`,
  );
});

/** Runs a line in a shell, where `tl sbx` is this program. */
function line(text: string): Promise<Ended> {
  const script = `tl() { shift; "$NODE" "$PROGRAM" "$@"; }\n${text.replaceAll("<sandbox-id>", id)}`;
  return ended(
    spawn("bash", ["-c", script], {
      env: { ...environment, NODE: process.execPath, PROGRAM },
      stdio: ["ignore", "pipe", "pipe"],
      cwd: home,
    }),
  );
}

const HELLO = "Hello from sandbox!\n";

for (const [text, stdout] of [
  [`tl sbx exec my-env python -c 'print("Hello from sandbox!")'`, HELLO],
  [`tl sbx run python -c 'print("Hello from sandbox!")'`, HELLO],
  [`tl sbx exec <sandbox-id> --timeout 10 python -c 'print("hi")'`, "hi\n"],
  [`tl sbx exec <sandbox-id> --workdir /workspace python main.py`, "main None /workspace\n"],
  [
    `tl sbx exec <sandbox-id> --env MODE=prod --env DEBUG=0 /bin/sh -lc 'printf "%s %s\n" "$MODE" "$DEBUG"'`,
    "prod 0\n",
  ],
  // Options on both sides of the sandbox, an end of options, and a command's own options.
  [`tl sbx exec -t 10 my-env --env=MODE=a -w /workspace -- python main.py`, "main a /workspace\n"],
  [`tl sbx exec my-env -e MODE=--env sh -c 'echo "$MODE $0"' --timeout`, "--env --timeout\n"],
] as const)
  test(text, async () => {
    const done = await line(text);
    assert.deepEqual([done.stdout, done.code], [stdout, 0], done.stderr);
  });

test("run --keep leaves a sandbox that ls --all shows as running", async () => {
  const kept = await line(`tl sbx run --keep /bin/sh -lc 'echo KEEP_TEST && sleep 1'`);
  assert.deepEqual([kept.stdout, kept.code], ["KEEP_TEST\n", 0]);
  const [, name = ""] = /Sandbox (\S+) kept alive\.\n$/.exec(kept.stderr) ?? [];
  assert.match((await line("tl sbx ls --all")).stdout, new RegExp(`^.*${name}.*running.*$`, "m"));
  await shoreline("terminate", name);
});

test("a failing command: its stderr, and a code that is not 0", async () => {
  const failed = await line(`tl sbx exec <sandbox-id> python -c "import nonexistent_module"`);
  assert.match(failed.stderr, /No module named 'nonexistent_module'/);
  assert.equal(failed.code, 1);
});

test("the guide's server in the background, and a tunnel to it", async () => {
  await shoreline("exec", "my-env", "sh", "-c", "echo a page >/workspace/index.html");
  const started = await line(
    "tl sbx exec --detach --name web --restart on-failure my-env python3 -m http.server 8000",
  );
  assert.equal(started.code, 0, started.stderr);
  const tunnel = start(["tunnel", "my-env", "8000", "-l", "0"]);
  const done = ended(tunnel);
  let said = "";
  tunnel.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  let place: RegExpExecArray | null = null;
  while ((place = /Listening on (\S+) and/.exec(said)) === null) await once(tunnel.stderr ?? process, "data");
  const page = `http://${place[1]}/index.html`;
  // The server may not listen yet.
  const read = () =>
    fetch(page).then(
      (answer) => answer.text(),
      () => "",
    );
  await eventually("the page", async () => (await read()) === "a page\n");
  tunnel.kill("SIGINT");
  assert.equal((await done).code, 0);
});
