// The sandboxes of a test file: of a server of its own, and the same ones as of a server without extensions.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { type ClientOptions, Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";

/** A directory of the sandbox with nothing in it. */
export const EMPTY = "/tmp/empty";

let server: LocalServer;
let sandbox: Sandbox;
before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  await sandbox.run("mkdir", { args: [EMPTY], check: true });
});
after(() => server.close());

/** The file's sandbox, reached with these options. */
export async function box(options: ClientOptions = {}): Promise<Sandbox> {
  const { sandboxUrl = "" } = await sandbox.info();
  const { sandboxId } = sandbox;
  return Sandbox.connect({ sandboxId, proxyUrl: sandboxUrl, apiKey: server.apiKey, ...options });
}

/** A directory of this file's, which goes with it. */
export const here = mkdtempSync(join(tmpdir(), "shoreline-trees-"));
after(() => rm(here, { recursive: true, force: true }));

let count = 0;
/** A path where nothing is yet, in `here` and in the sandbox. */
export function fresh(): { local: string; remote: string } {
  const name = `tree-${process.pid}-${count++}`;
  return { local: join(here, name), remote: `/tmp/${name}` };
}

/** Runs a line of shell in the sandbox; gives its output byte for byte. */
export async function bytesOf(line: string, ...args: string[]): Promise<Uint8Array> {
  return (await sandbox.run("sh", { args: ["-c", line, "sh", ...args], check: true })).stdoutBytes;
}

/** The same as text. */
export async function shell(line: string, ...args: string[]): Promise<string> {
  return new TextDecoder().decode(await bytesOf(line, ...args));
}

/** The names in a directory of the sandbox. */
export async function names(path: string): Promise<string[]> {
  return (await sandbox.listDirectory(path)).entries.map(({ name }) => name).sort();
}

/** What copies have left in the sandbox: directories, and processes. */
export async function leftovers(): Promise<string> {
  const line =
    "find /tmp -name '.shoreline-*' | head; ps -e -o args= 2>/dev/null | grep -c '[s]horeline-[0-9a-f]'";
  const { stdout } = await sandbox.run("sh", { args: ["-c", line] });
  return stdout;
}

/** Fails unless `promise` rejects with this code and these words; gives the error. */
export async function refused(
  promise: Promise<unknown>,
  code: string,
  words: RegExp,
): Promise<ShorelineError> {
  const error: unknown = await promise.then(
    (value) => assert.fail(`expected ${code}, got ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(ShorelineError.is(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return error;
}
