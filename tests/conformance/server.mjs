// A local server of a test file's own, which ends with the file, and curl.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, test as nodeTest } from "node:test";
import { promisify } from "node:util";

const binary = process.env.SHORELINE_LOCAL;
assert.ok(binary, "SHORELINE_LOCAL must name the server's program");
const child = spawn(binary, ["--port", "0", "--json", "--until-stdin-closes"], {
  stdio: ["pipe", "pipe", "inherit"],
});
after(() => child.stdin.end());
const [line] = await once(createInterface({ input: child.stdout }), "line");

export const { url, apiKey } = JSON.parse(line);
export const port = new URL(url).port;
export const pid = child.pid;

/** Declares a test; one that hangs fails by its own name. */
export function test(name, run) {
  nodeTest(name, { timeout: 180_000 }, run);
}

/** Runs curl, with the key unless another is given, and gives the status, the answer's head and its body. */
export async function curl(...args) {
  const fixed = [
    "--silent",
    "--show-error",
    "--max-time",
    "150",
    "--include",
    "--write-out",
    "\n%{http_code}",
  ];
  const key = args.some((arg) => arg.startsWith("Authorization:")) ? "" : `Authorization: Bearer ${apiKey}`;
  const { stdout } = await promisify(execFile)("curl", [...fixed, "-H", key, ...args], {
    maxBuffer: 2 ** 28,
  });
  // An upload is told to go on before it is answered.
  const answer = stdout.replace(/^HTTP\/1\.1 100 .*\r\n\r\n/, "");
  const [headEnd, bodyEnd] = [answer.indexOf("\r\n\r\n"), answer.lastIndexOf("\n")];
  const status = Number(answer.slice(bodyEnd + 1));
  return { status, head: answer.slice(0, headEnd), body: answer.slice(headEnd + 4, bodyEnd) };
}

/** Sends JSON, or text that only says that it is. */
export function send(method, address, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return curl("-X", method, "-H", "Content-Type: application/json", "--data-binary", text, address);
}

/** Makes a sandbox, and gives its id and where its API is. */
export async function makeSandbox(body = {}) {
  const { status, body: text } = await send("POST", `${url}/sandboxes`, body);
  assert.equal(status, 200, text);
  const { sandbox_id: id, sandbox_url: base } = JSON.parse(text);
  return { id, api: `${base}/api/v1` };
}
