// The relay in frameworks of Node, as docs/pages.md shows it: requests and WebSockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before } from "node:test";
import { getRequestListener, serve } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { createRelay, type Relay } from "shoreline/relay";
import { test } from "../helpers/processes.js";

let server: LocalServer;
let sandbox: Sandbox;
let relay: Relay;

before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  relay = createRelay({
    apiKey: server.apiKey,
    sandboxUrl: (id) => `${server.url}/s/${id}`,
    authorize: ({ headers }) =>
      headers.get("authorization") === "Bearer page"
        ? ["processes", "output", "terminals", "files:write"]
        : null,
  });
});
after(() => server.close());

const frameworks: Record<string, () => Promise<Server>> = {
  none: () => Promise.resolve(createServer(getRequestListener(relay))),
  Express: () => {
    const app = express();
    app.all("/sandboxes/*path", getRequestListener(relay));
    return Promise.resolve(createServer(app));
  },
  Fastify: async () => {
    const app = fastify();
    const listener = getRequestListener(relay);
    // The relay reads bodies itself.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => {
      done(null);
    });
    app.all("/sandboxes/*", (request, reply) => {
      reply.hijack();
      listener(request.raw, reply.raw);
    });
    await app.ready();
    return app.server;
  },
  Hono: () => {
    const app = new Hono();
    app.all("/sandboxes/*", (context) => relay(context.req.raw));
    return Promise.resolve(serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }));
  },
};

for (const [name, made] of Object.entries(frameworks)) {
  test(`${name}: a command, a file, a terminal and output over a WebSocket`, async () => {
    const app = await made();
    app.on("upgrade", relay.upgrade);
    if (!app.listening) await once(app.listen(0, "127.0.0.1"), "listening");
    try {
      const { port } = app.address() as AddressInfo;
      const { sandboxId } = sandbox;
      const proxyUrl = `http://127.0.0.1:${port}/sandboxes/${sandboxId}`;
      const mine = await Sandbox.connect({ sandboxId, proxyUrl, apiKey: "page" });
      assert.equal((await mine.run("echo", { args: ["hello"] })).stdout, "hello");
      await mine.writeFile("/tmp/relayed", new Uint8Array(1_000_000));
      const pty = await mine.createPty({ command: "sh", args: ["-c", "exit 7"] });
      assert.equal(await pty.wait(), 7);
      const { pid } = await mine.startProcess("seq", { args: ["1000"] });
      let lines = 0;
      for await (const { line } of mine.followOutput(pid, { transport: "websocket" }))
        assert.equal(line, String(++lines));
      assert.equal(lines, 1000);
    } finally {
      app.close();
      app.closeAllConnections();
    }
  });
}
