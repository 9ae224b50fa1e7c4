// Ports of a sandbox: their addresses, requests to them, and listeners on this machine.
import { type Process, Sandbox, ShorelineError } from "shoreline";
import { equal, ok, recorder, rejects, test } from "./harness.js";

const SERVER = `import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/elsewhere":
            self.send_response(302); self.send_header("location", "/found?a=b"); self.send_header("content-length", "0"); self.end_headers(); return
        if self.path == "/empty":
            self.send_response(204); self.end_headers(); return
        text = "%s %s %s key=%s" % (self.command, self.path, body.decode(), self.headers.get("authorization"))
        text = text.encode()
        self.send_response(201 if body else 200)
        self.send_header("content-length", str(len(text))); self.send_header("x-seen", "yes"); self.end_headers()
        if self.command != "HEAD": self.wfile.write(text)
    do_GET = do_POST = do_HEAD = answer
    def log_message(self, *rest): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()`;

/** An HTTP server in the sandbox, and its port. */
async function serving(sandbox: Sandbox): Promise<[Process, number]> {
  const server = await sandbox.startProcess("python3", { args: ["-c", SERVER] });
  const { line } = await server.waitForLine(/^\d+\n/);
  return [server, Number(line)];
}

/** Whether a call was refused since this runtime lacks what it needs, with a sentence. */
function isMissing(error: unknown): boolean {
  return ShorelineError.is(error) && error.code === "missing_capability" && error.message.length > 20;
}

test("a port's address has the port before the sandbox", async ({ sandbox }) => {
  const url = new URL(sandbox.urlForPort(8000));
  equal(url.hostname, `8000-${sandbox.sandboxId}.localhost`);
  equal(url.pathname, "/");
  for (const port of [0, 65_536, 1.5, "80" as never, NaN]) {
    let refused: unknown;
    try {
      sandbox.urlForPort(port);
    } catch (error) {
      refused = error;
    }
    ok(ShorelineError.is(refused) && refused.code === "invalid_argument", String(port));
  }
  const relayed = await Sandbox.connect({
    sandboxId: "my-env",
    proxyUrl: "https://app.example/sandboxes/my-env",
    apiKey: "key",
  });
  let told: unknown;
  try {
    relayed.urlForPort(80);
  } catch (error) {
    told = error;
  }
  ok(ShorelineError.is(told) && told.code === "unsupported", String(told));
});

test("a request to a port that is not exposed goes through a tunnel, without the key", async ({
  sandbox,
}) => {
  const [server, port] = await serving(sandbox);
  try {
    let answer: Response;
    try {
      answer = await sandbox.fetch(port, "/a?b=c");
    } catch (error) {
      ok(isMissing(error), String(error));
      return;
    }
    equal(
      [answer.status, answer.headers.get("x-seen"), await answer.text()],
      [200, "yes", "GET /a?b=c  key=None"],
    );
    const posted = await sandbox.fetch(port, "/", {
      method: "POST",
      body: "text",
      headers: { authorization: "Bearer mine" },
    });
    equal([posted.status, await posted.text()], [201, "POST / text key=Bearer mine"]);
    equal(await (await sandbox.fetch(port, "/elsewhere")).text(), "GET /found?a=b  key=None");
    equal((await sandbox.fetch(port, "/elsewhere", { redirect: "manual" })).status, 302);
    const empty = await sandbox.fetch(port, "/empty");
    equal([empty.status, empty.body, await empty.text()], [204, null, ""]);
    const head = await sandbox.fetch(port, "/", { method: "HEAD" });
    equal([head.headers.get("x-seen"), await head.text()], ["yes", ""]);
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => sandbox.fetch(port, `/${i}`)));
    for (const [i, one] of all.entries()) equal(await one.text(), `GET /${i}  key=None`);
    for (const path of ["a", "", "http://elsewhere.example/", 5 as never])
      await rejects(sandbox.fetch(port, path), "invalid_argument");
    await rejects(sandbox.fetch(port, "/", { method: "GET", body: "x" }), "invalid_argument");
    await rejects(sandbox.fetch(port, "/", { signal: AbortSignal.abort() }), "aborted");
  } finally {
    await server.kill();
    await server.wait();
  }
  await rejects(sandbox.fetch(port, "/"), "connect_failed");
});

test("a request to an exposed port goes to its address, with the key only where the proxy needs it", async () => {
  const asked: (string | null)[][] = [];
  const of = (info: object) => {
    const { fetch } = recorder((input, init) => {
      const url = input as string;
      if (url.startsWith("https://peer.invalid"))
        return Promise.resolve(
          Response.json({
            id: "my-env",
            status: "running",
            sandbox_url: "https://my-env.sandbox.invalid",
            ...info,
          }),
        );
      asked.push([url, init?.method ?? "GET", new Headers(init?.headers).get("authorization")]);
      return Promise.resolve(new Response("answer"));
    });
    return Sandbox.connect("my-env", { apiUrl: "https://peer.invalid", apiKey: "secret", fetch });
  };
  const open = await of({ exposed_ports: [8000], allow_unauthenticated_access: true });
  equal(await (await open.fetch(8000, "//evil.example/x", { method: "PUT" })).text(), "answer");
  const closed = await of({ exposed_ports: [8000] });
  await closed.fetch(8000);
  equal(asked, [
    ["https://8000-my-env.sandbox.invalid//evil.example/x", "PUT", null],
    ["https://8000-my-env.sandbox.invalid/", "GET", "Bearer secret"],
  ]);
});

test("a listener on this machine passes connections on, until it is closed", async ({ sandbox }) => {
  const [server, port] = await serving(sandbox);
  try {
    let tunnel;
    const failures: unknown[] = [];
    try {
      tunnel = await sandbox.createTunnel(port, { localPort: 0, onError: (error) => failures.push(error) });
    } catch (error) {
      ok(isMissing(error), String(error));
      await rejects(sandbox.uploadFile("/etc/hostname", "/tmp/x"), "missing_capability");
      return;
    }
    equal(tunnel.address(), { host: "127.0.0.1", port: tunnel.localPort });
    equal([tunnel.remotePort, tunnel.localHost], [port, "127.0.0.1"]);
    const url = `http://127.0.0.1:${tunnel.localPort}`;
    for (const path of ["/one", "/two"])
      equal(await (await fetch(url + path)).text(), `GET ${path}  key=None`);
    await rejects(sandbox.createTunnel(port, { localPort: tunnel.localPort }), "invalid_argument");
    await Promise.all([tunnel.close(), tunnel.close()]);
    ok(
      await fetch(url).then(
        () => false,
        () => true,
      ),
      "nothing listens any more",
    );
    equal(failures, []);
  } finally {
    await server.kill();
    await server.wait();
  }
});
