// `shoreline mcp` as the official SDK's client sees it, over standard input and output and over HTTP.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { shoreline } from "../cli/program.js";
import { eventually, test } from "../helpers/processes.js";
import { call, http, KEY, overHttp, overStdio, sandboxes } from "./client.js";

/** What is the same whatever carries the protocol. */
async function whole(client: Client) {
  assert.match(client.getInstructions() ?? "", /sandbox/);
  const { tools } = await client.listTools();
  assert.equal(tools.length, 14);
  for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
    assert.ok(title && description && outputSchema && annotations, name);
    assert.equal(inputSchema.type, "object");
  }
  const changing = tools.filter(({ annotations }) => annotations?.readOnlyHint !== true);
  assert.deepEqual(
    changing.map(({ name }) => name),
    ["run_command", "start_process", "write_stdin", "kill_process", "write_file", "edit_file", "expose_port"],
  );
  const { data, text } = await call(client, "run_command", { command: "echo hello; pwd" });
  assert.match(String(data.output), /^hello\n\//);
  assert.match(text, /\[exit code 0\]$/);
  await call(client, "write_file", { path: "note.txt", content: "written\n" });

  const { resources } = await client.listResources();
  const note = resources.find(({ name }) => name === "note.txt");
  assert.ok(note);
  const file = await client.readResource({ uri: note.uri });
  assert.deepEqual(file.contents, [{ uri: note.uri, mimeType: "text/plain", text: "written\n" }]);
  const log = await client.readResource({ uri: `shoreline://process/${Number(data.pid)}/output` });
  assert.match((log.contents[0] as { text: string }).text, /^hello\n/);
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.equal(resourceTemplates.length, 2);
  const none = client.readResource({ uri: "shoreline://file/none" });
  await assert.rejects(none, (error: { code?: number }) => error.code === -32_002);
}

test("tools and resources over standard input and output", async () => {
  const client = await overStdio();
  assert.deepEqual((await client.listResources()).resources, []);
  const before = await sandboxes();
  await whole(client);
  const made = (await sandboxes()).filter((id) => !before.includes(id));
  assert.equal(made.length, 1, "one sandbox was made, on first use");
  await client.close();
  await eventually("the sandbox ends with the session", async () => {
    return !(await sandboxes()).includes(made[0] ?? "");
  });
});

test("progress while a command runs, and a cancellation that kills it", async () => {
  const client = await overStdio();
  const told: (string | undefined)[] = [];
  const controller = new AbortController();
  const command = "echo $$; exec sleep 1000";
  const running = call(
    client,
    "run_command",
    { command },
    {
      signal: controller.signal,
      onprogress: ({ message }) => {
        told.push(message);
        controller.abort();
      },
    },
  );
  await assert.rejects(running);
  const pid = Number(told[0]);
  assert.ok(pid > 0, `progress: ${told[0]}`);
  const read = await call(client, "read_output", { pid, wait_seconds: 60 });
  assert.equal(read.data.signal, 9);
  await client.close();
});

test("a sandbox that is named stays, and is found again", async () => {
  const first = await overStdio("--sandbox", "mcp-named");
  await call(first, "write_file", { path: "kept.txt", content: "kept" });
  await first.close();
  const second = await overStdio("--sandbox", "mcp-named");
  assert.match((await call(second, "read_file", { path: "kept.txt" })).text, /^kept\n/);
  await second.close();
  assert.equal((await shoreline("terminate", "mcp-named")).code, 0);
});

test("a sandbox that was ended is replaced", async () => {
  const client = await overStdio();
  const before = await sandboxes();
  await call(client, "run_command", { command: "true" });
  const [id = ""] = (await sandboxes()).filter((one) => !before.includes(one));
  assert.equal((await shoreline("terminate", id)).code, 0);
  const gone = await call(client, "run_command", { command: "true" });
  assert.equal(gone.data.error?.code, "sandbox_not_found", gone.text);
  assert.equal((await call(client, "run_command", { command: "true" })).isError, false);
  await client.close();
});

test("tools and resources over HTTP, with a sandbox for each session", async () => {
  const server = await http();
  const before = await sandboxes();
  const client = await overHttp(server);
  await whole(client);
  const other = await overHttp(server);
  const { data } = await call(other, "read_file", { path: "note.txt" });
  assert.equal(data.error?.code, "ENOENT");
  const made = (await sandboxes()).filter((id) => !before.includes(id));
  assert.equal(made.length, 2);
  await (other.transport as unknown as StreamableHTTPClientTransport).terminateSession();
  await eventually("a session's sandbox ends with it", async () => {
    return (await sandboxes()).filter((id) => made.includes(id)).length === 1;
  });
  server.child.kill("SIGTERM");
  await once(server.child, "exit");
  assert.equal((await sandboxes()).filter((id) => made.includes(id)).length, 0);
});

test("over HTTP, only for who has the key, and for no page of others", async () => {
  const server = await http();
  const { port } = new URL(server.url);
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } },
  });
  const usual = {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    Authorization: `Bearer ${KEY}`,
  };
  const ask = async (headers: Record<string, string>, text = body, path = "/mcp") => {
    const sent = request({ port, path, method: "POST", headers: { ...usual, ...headers } });
    sent.end(text);
    const [answer] = (await once(sent, "response")) as [{ statusCode: number; resume(): void }];
    answer.resume();
    return answer.statusCode;
  };
  assert.equal(await ask({}), 200);
  assert.equal(await ask({ Origin: `http://localhost:${port}` }), 200);
  assert.equal(await ask({ Authorization: "Bearer wrong" }), 401);
  assert.equal(await ask({ Authorization: "" }), 401);
  assert.equal(await ask({ Host: "evil.example" }), 403);
  assert.equal(await ask({ Host: "localhost.evil.example" }), 403);
  assert.equal(await ask({ Origin: "https://evil.example" }), 403);
  assert.equal(await ask({ Origin: "null" }), 403);
  assert.equal(await ask({}, body, "/"), 404);
  assert.equal(await ask({ "Mcp-Session-Id": "none" }), 404);
  assert.equal(await ask({}, "nonsense"), 400);
  assert.equal(await ask({}, JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" })), 400);
  assert.equal(await ask({}, `"${"x".repeat(9_000_000)}"`), 413);
  await assert.rejects(overHttp(server, "wrong-key-of-these-tests"));
  // It is still there.
  assert.equal((await (await overHttp(server)).listTools()).tools.length, 14);
});

test("sessions over HTTP are bounded, and one that ends makes room", async () => {
  const server = await http();
  const clients: Client[] = [];
  for (let count = 0; count < 32; count++) clients.push(await overHttp(server));
  await assert.rejects(overHttp(server), /32 sessions/);
  await (clients[0]?.transport as unknown as StreamableHTTPClientTransport).terminateSession();
  await eventually("there is room again", () =>
    overHttp(server).then(
      () => true,
      () => false,
    ),
  );
});

test("wrong uses are told at once", async () => {
  const usage = async (...args: string[]) => {
    const { code, stderr } = await shoreline("mcp", ...args);
    assert.equal(code, 2, stderr);
    return stderr;
  };
  assert.match(await usage("--timeout", "0"), /86400/);
  assert.match(await usage("--no-internet", "--network-allow", "a.example"), /excludes/);
});
