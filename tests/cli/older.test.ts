// What the program says on a server that is older than the API, as the open-source engine is.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before } from "node:test";
import { Engine } from "../contract/engine.js";
import { test } from "../helpers/processes.js";
import { type Ended, ended, home, start } from "./program.js";

const engine = new Engine({ terse: true });

async function read(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Uint8Array.from(Buffer.concat(chunks));
}

const server = createServer((request, response) => {
  void (async () => {
    const { method = "GET", url = "" } = request;
    const bytes = await read(request);
    const answer = await engine.fetch(`${engine.url}${url}`, {
      method,
      ...(method !== "GET" && { body: bytes }),
    });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(new Uint8Array(await answer.arrayBuffer()));
  })();
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  engine.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

const asking = (...args: string[]): Promise<Ended> =>
  ended(start(args, { TENSORLAKE_API_URL: engine.url, TENSORLAKE_API_KEY: "key" }));

test("what the server cannot do is said in words, with an exit code of a failure", async () => {
  writeFileSync(join(home, "large"), "");
  for (const [args, words] of [
    [["suspend", "made"], "this server cannot suspend sandboxes"],
    [["resume", "made"], "this server cannot resume sandboxes"],
    [["name", "made", "web"], "this server cannot change sandboxes"],
    [["restart", "made", "42"], "this server cannot restart processes"],
    [["pty", "ls", "made"], "this server cannot open terminals"],
    [["logs", "made", "web"], "names need a newer server"],
    [["kill", "made", "web"], "names need a newer server"],
    [["cp", "large", "made:/x"], "this server cannot transfer files"],
    [["create", "web"], "this server ignores `name`"],
    [["exec", "--detach", "--name", "web", "made", "sleep", "1"], "this server ignores `name`"],
    [["exec", "--user", "nobody", "made", "id"], "this server ignores `user`"],
  ] as const) {
    const { stderr, stdout, code } = await asking(...args);
    assert.deepEqual([code, stdout], [125, ""], stderr);
    assert.ok(stderr.includes(words), `${args.join(" ")}: ${stderr}`);
  }
  assert.ok(!engine.sent.includes("POST /processes"), "nothing was started");
  assert.equal((await asking("ps", "made", "7")).code, 122);
});
