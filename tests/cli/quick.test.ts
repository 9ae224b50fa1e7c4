// What a short command costs: requests, and the code that it loads.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { after, before } from "node:test";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { test } from "../helpers/processes.js";
import { ended, home, start } from "./program.js";

const server = await startLocal();
after(() => server.close());

/** A proxy that counts, through which the sandbox is reached too. */
const requests: string[] = [];
const proxy = createServer((incoming, outgoing) => {
  requests.push(`${incoming.method} ${incoming.url}`);
  const options = { method: incoming.method, headers: incoming.headers };
  const passed = httpRequest(`${server.url}${incoming.url}`, options, (response) => {
    if (!response.headers["content-type"]?.includes("json")) {
      outgoing.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(outgoing);
      return;
    }
    void response.toArray().then((chunks) => {
      outgoing.writeHead(response.statusCode ?? 500, { "content-type": "application/json" });
      outgoing.end(
        Buffer.concat(chunks as Buffer[])
          .toString()
          .replaceAll(server.url, url),
      );
    });
  });
  incoming.pipe(passed);
});
let url = "";
before(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, name: "box" });
});
after(() => proxy.close());

const run = (args: string[], env: Record<string, string> = {}) =>
  ended(start(args, { TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: server.apiKey, ...env }));

test("a command without input is two requests, a list one", async () => {
  for (const [args, code, most] of [
    [["exec", "box", "true"], 0, 2],
    [["exec", "box", "sh", "-c", "echo out; echo err >&2; exit 3"], 3, 2],
    [["ls"], 0, 1],
    [["ps", "box"], 0, 2],
  ] as const) {
    requests.length = 0;
    const result = await run([...args]);
    assert.equal(result.code, code, result.stderr);
    assert.ok(requests.length <= most && requests.length > 0, requests.join(", "));
  }
});

test("a command loads no code of others", async () => {
  const parts = async (...args: string[]) => {
    const NODE_V8_COVERAGE = mkdtempSync(join(home, "coverage-"));
    assert.equal((await run(args, { NODE_V8_COVERAGE })).code, 0);
    const [file = ""] = readdirSync(NODE_V8_COVERAGE);
    const { result } = JSON.parse(readFileSync(join(NODE_V8_COVERAGE, file), "utf8")) as {
      result: { url: string }[];
    };
    return result.map(({ url }) => url);
  };
  const all = await parts("ls");
  const own = all.filter((path) => path.includes("/pkg/cli/")).map((path) => basename(path));
  assert.ok(own.includes("main.js") && own.some((name) => name.startsWith("sandboxes-")), own.join(", "));
  const others = /^(run|processes|terminal|copy|ports|local|console|doctor|completion|top|columns|logs)-/;
  assert.deepEqual(
    own.filter((name) => others.test(name)),
    [],
  );
  assert.ok(!all.some((path) => path.includes("/node_modules/ws/")), "no WebSocket");
  const executing = await parts("exec", "box", "true");
  assert.ok(!executing.some((path) => path.includes("/cli/terminal-")), "no terminal");
});
