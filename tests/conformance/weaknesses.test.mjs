// What the existing open daemon does wrong in ways that other tests would not meet.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { apiKey, curl, makeSandbox, send, test } from "./server.mjs";

const { api } = await makeSandbox();

async function start(body, where = api) {
  const { status, body: text } = await send("POST", `${where}/processes`, body);
  assert.equal(status, 201, text);
  return JSON.parse(text);
}

/** The lines of a process that has ended, once it has. */
async function output(pid, where = api) {
  await curl("--no-include", "-o", "/dev/null", `${where}/processes/${pid}/output/follow`);
  return JSON.parse((await curl(`${where}/processes/${pid}/output`)).body).lines;
}

test("long lines of any characters, wherever these are cut", async () => {
  // At byte 200, at the size of a pipe, and at that of a read, each character in each position.
  const script = `import sys
for length in [200, 4096, 65536, 262144]:
  for letter in 'é€𝄞':
    for shift in range(-4, 4):
      print('x' * (length + shift) + letter * 3)
print('after')`;
  const { pid } = await start({
    command: "python3",
    args: ["-c", script],
    env: { PYTHONIOENCODING: "utf-8" },
  });
  const expected = [200, 4096, 65536, 262144].flatMap((length) =>
    ["é", "€", "𝄞"].flatMap((letter) =>
      [-4, -3, -2, -1, 0, 1, 2, 3].map((shift) => "x".repeat(length + shift) + letter.repeat(3)),
    ),
  );
  assert.deepEqual(await output(pid), [...expected, "after"]);
});

test("400 exits at once, each its own", async () => {
  const codes = Array.from({ length: 400 }, (_, at) => at % 256);
  const run = (code) => send("POST", `${api}/processes/run`, { command: "sh", args: ["-c", `exit ${code}`] });
  const answers = [];
  while (answers.length < codes.length) {
    answers.push(...(await Promise.all(codes.slice(answers.length, answers.length + 40).map(run))));
  }
  const seen = answers.map(({ body }) => Number(/"exit_code":(\d+)/.exec(body)[1]));
  assert.deepEqual(seen, codes);
});

test("the same pid in two sandboxes is two processes", async () => {
  const [one, two] = [await makeSandbox(), await makeSandbox()];
  const isolated = JSON.parse((await curl(`${api}/info`)).body).isolation === "bubblewrap";
  const processes = [];
  for (const { api } of [one, two]) processes.push(await start({ command: "echo", args: [api] }, api));
  assert.equal(processes[0].pid === processes[1].pid, isolated);
  assert.deepEqual(await output(processes[0].pid, one.api), [one.api]);
  assert.deepEqual(await output(processes[1].pid, two.api), [two.api]);
});

test("a directory is listed while files come and go", async () => {
  const script = "mkdir busy; cd busy; echo there; while :; do touch a b c d e f g h; rm *; done";
  const { pid } = await start({ command: "sh", args: ["-c", script] });
  while (JSON.parse((await curl(`${api}/processes/${pid}/stdout`)).body).lines.length === 0);
  const address = `${api}/files/list?path=/workspace/busy&n=[1-300]`;
  const { stdout } = await promisify(execFile)("curl", [
    ...[
      "--silent",
      "-H",
      `Authorization: Bearer ${apiKey}`,
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}\n",
      address,
    ],
  ]);
  assert.deepEqual(new Set(stdout.trim().split("\n")), new Set(["200"]));
  await curl("-X", "DELETE", `${api}/processes/${pid}`);
});
