// What a server or a sandbox says is shown as text, whatever it would do to a terminal.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { test } from "../helpers/processes.js";
import { ended, type Ended, start } from "./program.js";

/** A colour, a title (OSC), C1's own CSI, an override of direction, an isolate, no space, a tag, a line of its own. */
const EVIL =
  "a\u001b[31mb\u001b]0;title\u0007c\u009b2Jd\u202ee\u2066f\u200bg\u{e0041}h\u2028i\r\nError: forged\tj";
const SHOWN =
  "a\\u001b[31mb\\u001b]0;title\\u0007c\\u009b2Jd\\u202ee\\u2066f\\u200bg\\udb40\\udc41h\\u2028i\\u000d\\u000aError: forged\\u0009j";
/** What no output may have. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

const ID = "0123456789abcdefghijk";
const record = {
  id: ID,
  namespace: EVIL,
  status: "running",
  name: EVIL,
  image: EVIL,
  resources: { cpus: 1, memory_mb: 1, disk_mb: 1 },
  created_at: 1_700_000_000_000,
  termination_reason: EVIL,
  exposed_ports: [],
  allow_unauthenticated_access: false,
  sandbox_url: "",
};
const process_ = {
  pid: 7,
  status: "running",
  command: EVIL,
  args: [EVIL],
  stdin_writable: false,
  started_at: 1_700_000_000_000,
};
const session = {
  session_id: EVIL,
  pid: 7,
  command: EVIL,
  args: [],
  working_dir: EVIL,
  rows: 24,
  cols: 80,
  created_at: 1_700_000_000_000,
  is_alive: true,
};

let url: string;
let failing = false;
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "", "http://x");
  const answers: Record<string, unknown> = {
    "/sandboxes": { sandboxes: [record], prev_cursor: null, next_cursor: null },
    "/api/v1/processes": { processes: [process_] },
    "/api/v1/pty": { sessions: [session] },
    "/api/v1/files/list": {
      path: "/",
      entries: [{ name: `../${EVIL}`, is_dir: false, size: 1, modified_at: null }],
    },
  };
  const path = pathname.replace("/v1/namespaces/default", "");
  const answer = path.startsWith("/sandboxes/") ? record : answers[path];
  response.writeHead(failing || !answer ? 400 : 200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(failing || !answer ? { error: EVIL, code: EVIL } : answer));
});
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  record.sandbox_url = url;
});
after(() => server.close());

async function asking(...args: string[]): Promise<Ended> {
  const env = { TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: "key" };
  const result = await ended(start(["--debug", ...args], env));
  // Tabs stand between columns, and each line is one of the program.
  for (const line of `${result.stdout}${result.stderr}`.split("\n"))
    assert.ok(
      !HARMFUL.test(line.replaceAll("\t", "")) && !line.startsWith("Error: forged"),
      JSON.stringify(line),
    );
  return result;
}

test("tables, lists, descriptions and completions show it as escapes", async () => {
  for (const args of [
    ["ls", "-a"],
    ["describe", ID],
    ["ps", ID],
    ["pty", "ls", ID],
    ["complete", "--", "describe", ""],
  ]) {
    const { stdout, stderr, code } = await asking(...args);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(SHOWN), stdout);
  }
  assert.equal((await asking("ls", "-q")).stdout, `${ID}\n`);
  record.id = EVIL;
  try {
    assert.equal((await asking("ls", "-q")).stdout, `${SHOWN}\n`);
  } finally {
    record.id = ID;
  }
});

test("JSON has it as escapes, and the same value", async () => {
  const [sandbox] = JSON.parse((await asking("ls", "--json")).stdout) as { name: string }[];
  assert.equal(sandbox?.name, EVIL);
  const { processes } = JSON.parse((await asking("ps", ID, "--json")).stdout) as {
    processes: { command: string; args: string[] }[];
  };
  const [one] = processes;
  assert.deepEqual([one?.command, one?.args], [EVIL, [EVIL]]);
  const [terminal] = JSON.parse((await asking("pty", "ls", ID, "--json")).stdout) as { session_id: string }[];
  assert.equal(terminal?.session_id, EVIL);
});

test("errors say it in lines of their own", async () => {
  failing = true;
  try {
    for (const args of [["ls"], ["describe", ID], ["ps", ID], ["port", "ls", ID], ["doctor"]]) {
      const { stdout, stderr, code } = await asking(...args);
      assert.notEqual(code, 0);
      assert.ok(`${stdout}${stderr}`.includes("a\\u001b[31mb"), `${stdout}${stderr}`);
    }
  } finally {
    failing = false;
  }
});

test("messages of the package's errors have it as escapes, but for line ends and tabs", async () => {
  failing = true;
  const error: unknown = await Sandbox.list({ apiUrl: url, apiKey: "key" }).catch(
    (thrown: unknown) => thrown,
  );
  failing = false;
  assert.ok(ShorelineError.is(error));
  assert.ok(error.message.includes("a\\u001b[31mb"), error.message);
  assert.ok(!HARMFUL.test(error.message.replaceAll(/[\n\t]/g, "")), error.message);
});

test("names of files are escapes in errors too", async () => {
  const { stderr, code } = await asking("cp", "-r", `no/${EVIL}`, `${ID}:/tree`);
  assert.equal(code, 125);
  assert.ok(stderr.includes(`no file or directory no/${SHOWN} on this machine`), stderr);
});
