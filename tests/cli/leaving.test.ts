// What is left when the program ends early: nothing, or what it names.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { startLocal } from "shoreline/local";
import { eventually, test } from "../helpers/processes.js";
import { ended, home, saying, start } from "./program.js";

const server = await startLocal();
after(() => server.close());
const client = { apiUrl: server.url, apiKey: server.apiKey };
const named = { TENSORLAKE_API_URL: server.url, TENSORLAKE_API_KEY: server.apiKey };
const live = () => Sandbox.list({ ...client, status: "running" });

/** The one sandbox that runs, once there is one. */
async function only() {
  let found = await live();
  while (found.length !== 1) found = await live();
  return found[0] as (typeof found)[number];
}

test("the sandbox of a run whose program is killed ends by itself", async () => {
  const env = { ...named, SHORELINE_RUN_LEASE: "3" };
  const child = start(["run", "sh", "-c", "echo up; exec sleep 1000"], env);
  const done = ended(child);
  await saying(child.stdout, "up\n");
  const { sandboxId } = await only();
  const began = performance.now();
  // The limit is renewed: the sandbox lives for longer than the limit lasts.
  while (performance.now() - began < 4500) assert.equal((await only()).sandboxId, sandboxId);
  child.kill("SIGKILL");
  await done;
  await eventually("the sandbox has ended", async () => (await live()).length === 0);
  const [record] = await Sandbox.list(client);
  assert.deepEqual([record?.sandboxId, record?.terminationReason], [sandboxId, "timeout"]);
});

test("a run has a limit of its own by default, and none with --keep", async () => {
  const child = start(["run", "sh", "-c", "echo up; exec sleep 1000"], named);
  const done = ended(child);
  await saying(child.stdout, "up\n");
  const { sandboxId } = await only();
  const sandbox = await Sandbox.connect(sandboxId, client);
  await eventually("the limit is set", async () => (await sandbox.info()).timeoutSecs === 120);
  child.kill("SIGTERM");
  assert.equal((await done).code, 143);
  assert.deepEqual(await live(), []);
  assert.equal((await ended(start(["run", "--keep", "true"], named))).code, 0);
  const kept = await only();
  assert.equal(kept.timeoutSecs, undefined);
  await Sandbox.terminate(kept.sandboxId, client);
  const wrong = await ended(start(["run", "true"], { ...named, SHORELINE_RUN_LEASE: "soon" }));
  assert.deepEqual([wrong.code, wrong.stderr.includes("SHORELINE_RUN_LEASE must be")], [2, true]);
});

test("update starts the time limit over, and a server that ignores it is named", async () => {
  await using sandbox = await Sandbox.create({ ...client, timeoutSecs: 1000 });
  assert.equal((await sandbox.update({ timeoutSecs: 0 })).timeoutSecs, 0);
  await sandbox.update({ timeoutSecs: 1 });
  await eventually("it has ended", async () => (await sandbox.info()).terminationReason === "timeout");
  const fetch = () => Promise.resolve(Response.json(ignoring));
  const other = await Sandbox.connect({ sandboxId: "a", apiUrl: "http://a.invalid", apiKey: "key", fetch });
  await assert.rejects(other.update({ timeoutSecs: 5 }), (error: unknown) => {
    assert.ok(ShorelineError.is(error));
    return (
      error.code === "not_supported_by_server" && error.message.includes("does not change the time limit")
    );
  });
});

/** The answer of a server that takes no time limit. */
const ignoring = { sandbox_id: "a", status: "running", sandbox_url: "http://a.invalid" };

test("a second Ctrl-C names the sandbox that is left", async () => {
  const child = start(["run", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"], named);
  const done = ended(child);
  await saying(child.stdout, "up\n");
  const { sandboxId } = await only();
  child.kill("SIGINT");
  // The first one has been handled once the command was signalled.
  const sandbox = await Sandbox.connect(sandboxId, client);
  const [remote] = await sandbox.listProcesses();
  assert.ok(remote);
  child.kill("SIGTERM");
  const { stderr, code } = await done;
  assert.ok(code === 130 || code === 143, String(code));
  assert.ok(
    stderr.includes(`Sandbox ${sandboxId} may still run: end it by \`shoreline terminate ${sandboxId}\`.\n`),
    stderr,
  );
  await Sandbox.terminate(sandboxId, client);
});

for (const args of [["create"], ["run", "true"]])
  test(`Ctrl-C during ${String(args[0])} ends what the server makes`, async () => {
    let answer!: () => void;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    // A proxy that holds the answer to a create back.
    const proxy = createServer((incoming, outgoing) => {
      const options = { method: incoming.method, headers: incoming.headers };
      const passed = httpRequest(`${server.url}${incoming.url}`, options, (response) => {
        const send = () => {
          outgoing.writeHead(response.statusCode ?? 500, response.headers);
          response.pipe(outgoing);
        };
        if (incoming.method === "POST") void answered.then(send);
        else send();
      });
      incoming.pipe(passed);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    after(() => proxy.close());
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const child = start(args, { ...named, TENSORLAKE_API_URL: url });
    const done = ended(child);
    await only();
    const ending = saying(child.stderr, "Ending the sandbox that is being created...");
    child.kill("SIGINT");
    await ending;
    answer();
    const { code, stdout } = await done;
    assert.deepEqual([code, stdout], [130, ""]);
    await eventually("nothing is left", async () => (await live()).length === 0);
  });

const looks = [
  ["ls"],
  ["ls", "--json"],
  ["describe", "box"],
  ["ps", "box"],
  ["logs", "box", "1"],
  ["top", "box"],
  ["port", "ls", "box"],
  ["pty", "ls", "box"],
  ["local", "status"],
  ["exec", "box", "true"],
  ["terminate", "box"],
  ["complete", "--", "describe", ""],
  ["--help"],
];

test("commands that only look start nothing and write nothing", async () => {
  const env = { XDG_STATE_HOME: mkdtempSync(join(home, "state-")) };
  for (const args of looks) {
    const { code, stderr } = await ended(start(args, env));
    const isAbout = args.includes("box");
    assert.equal(code, isAbout ? 122 : 0, `${args.join(" ")}: ${stderr}`);
    if (isAbout)
      assert.match(stderr, /^Error: no sandbox "box": no local server runs, and no API key is set\n/);
    assert.ok(!existsSync(join(env.XDG_STATE_HOME, "shoreline")), args.join(" "));
  }
});

test("local stop ends within 5 s, with everything in it", async () => {
  const env = { XDG_STATE_HOME: mkdtempSync(join(home, "state-")) };
  await ended(start(["create", "box"], env));
  const script = "trap '' TERM HUP INT; (trap '' TERM HUP INT; sleep 1000) & while :; do sleep 1; done";
  await ended(start(["exec", "--detach", "box", "sh", "-c", script], env));
  const began = performance.now();
  const { code, stdout, stderr } = await ended(start(["local", "stop"], env));
  assert.deepEqual([code, stdout], [0, "Stopped the local server.\n"], stderr);
  assert.ok(performance.now() - began < 6000);
});
