// `sharedLocal` and `findShared`: who gets the key, and when a server counts as gone.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext } from "node:test";
import { Sandbox } from "shoreline";
import { findShared, LocalServerError, sharedLocal, type SharedServer, stateFile } from "shoreline/local";
import { eventually, test } from "../helpers/processes.js";
import { directory, fresh, state } from "../helpers/shared-server.js";

/** Whether a process runs no more; as a zombie it may wait for its parent. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}

async function killed({ pid }: SharedServer): Promise<void> {
  process.kill(pid, "SIGKILL");
  await eventually("the server has ended", () => hasEnded(pid));
}

/** Another user's program on a port; `heard` has everything that was sent to it. */
async function impostor(
  t: TestContext,
  port: number,
  answer: (request: string, socket: Socket) => void,
): Promise<{ heard: () => string; port: number }> {
  let heard = "";
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      heard += data.toString("latin1");
      answer(data.toString("latin1"), socket);
    });
  });
  const sockets = new Set<Socket>();
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  // The threads of a server that was killed end one by one, and its sockets with the last.
  await eventually(
    "the port is free",
    () =>
      new Promise<boolean>((resolve) => {
        const failed = () => {
          resolve(false);
        };
        server.once("error", failed).listen(port, "127.0.0.1", () => {
          server.off("error", failed);
          resolve(true);
        });
      }),
  );
  return { heard: () => heard, port: (server.address() as { port: number }).port };
}

/** Answers with JSON. */
const http = (socket: Socket, body: string) => {
  socket.end(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
};

async function fails(work: Promise<unknown>, message: RegExp): Promise<LocalServerError> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  assert.ok(error instanceof LocalServerError, String(error));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, message);
  return error;
}

const impostors: Record<string, (request: string, socket: Socket) => void> = {
  "answers like a server": (_, socket) => {
    http(socket, '{"sandboxes":[]}');
  },
  "sends the client's proof back": (request, socket) => {
    const [, proof = ""] = /proof=(\w+)/.exec(request) ?? [];
    http(socket, JSON.stringify({ proof }));
  },
  "does not answer": () => undefined,
  "sends without end": (_, socket) => {
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const more = () => {
      while (!socket.destroyed && socket.write(`4000\r\n${" ".repeat(0x4000)}\r\n`));
    };
    socket.on("drain", more);
    more();
  },
};
for (const [what, answer] of Object.entries(impostors)) {
  test(`another program on the port of a server that has ended learns nothing: it ${what}`, async (t) => {
    fresh(t);
    const server = await sharedLocal();
    await killed(server);
    const { heard } = await impostor(t, Number(new URL(server.url).port), answer);
    assert.equal(await findShared(), undefined);
    const next = await sharedLocal();
    assert.notEqual(next.url, server.url);
    assert.notEqual(next.apiKey, server.apiKey);
    assert.match(heard(), /GET \/local\/proof\?nonce=[0-9a-f]{64}&proof=[0-9a-f]{64} /);
    assert.ok(!heard().includes(server.apiKey) && !/authorization/i.test(heard()), heard());
    assert.deepEqual(await findShared(), next);
  });
}

test("no other server's proof can be passed on", async (t) => {
  const folder = fresh(t);
  const server = await sharedLocal();
  // The file says another port, whose program asks the server itself.
  const { port } = await impostor(t, 0, (request, socket) => {
    const [, path = ""] = /^GET (\S+)/.exec(request) ?? [];
    void fetch(`${server.url}${path}`).then(async (answer) => {
      http(socket, await answer.text());
    });
  });
  const known = state();
  const changed = { ...known, url: `http://127.0.0.1:${port}`, started: "another" };
  writeFileSync(stateFile(), JSON.stringify(changed));
  assert.equal(await findShared(), undefined);
  writeFileSync(stateFile(), JSON.stringify(known));
  assert.deepEqual(await findShared(), server);
  assert.deepEqual(readdirSync(folder).sort(), ["local.json", "local.log"]);
});

test("a server that stands still is not replaced, and the error says what to do", async (t) => {
  fresh(t);
  const server = await sharedLocal();
  const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  process.kill(server.pid, "SIGSTOP");
  // The thread that takes the signal stops the others, once it has a processor (proc_pid_stat(5)).
  const tasks = `/proc/${server.pid}/task`;
  await eventually("every thread of the server has stopped", () =>
    readdirSync(tasks).every((task) => readFileSync(join(tasks, task, "stat"), "latin1").includes(") T ")),
  );
  const hint = new RegExp(`process ${server.pid}\\) runs and does not answer.*kill -9 ${server.pid}`);
  await Promise.all([fails(sharedLocal(), hint), fails(findShared(), hint)]);
  const waiting = sharedLocal();
  const hex = Number(new URL(server.url).port).toString(16).toUpperCase().padStart(4, "0");
  await eventually("the server is asked", () =>
    // Connected, from here to there (proc_net_tcp(5)).
    new RegExp(`\\d: 0100007F:\\w{4} 0100007F:${hex} 01 `).test(readFileSync("/proc/self/net/tcp", "latin1")),
  );
  process.kill(server.pid, "SIGCONT");
  assert.deepEqual(await waiting, server);
  assert.equal(await sandbox.status(), "running");
});

test("a pid that another process has by now is no running server", async (t) => {
  fresh(t);
  const { heard, port } = await impostor(t, 0, (_, socket) => socket.destroy());
  mkdirSync(dirname(stateFile()), { recursive: true, mode: 0o700 });
  const { pid } = spawn("sleep", ["1000"], { stdio: "ignore" });
  const known = { url: `http://127.0.0.1:${port}`, apiKey: "sl_key", isolation: "none", pid };
  for (const started of [undefined, "another boot 1"]) {
    writeFileSync(stateFile(), JSON.stringify({ ...known, started }), { mode: 0o600 });
    assert.equal(await findShared(), undefined);
  }
  assert.ok(!heard().includes("sl_key"));
});

test("links, pipes and files of others are refused, and nothing behind them is touched", async (t) => {
  const folder = fresh(t);
  const victim = join(folder, "..", "victim");
  const refused = () => fails(sharedLocal(), /is a link, or is not this user's alone, .*: remove it$/);
  const other = mkdtempSync(join(directory, "other-"));
  writeFileSync(victim, "precious", { mode: 0o600 });

  symlinkSync(other, folder);
  await refused();
  assert.deepEqual(readdirSync(other), []);
  rmSync(folder);

  mkdirSync(folder, { mode: 0o755 });
  symlinkSync(victim, join(folder, "local.log"));
  await refused();
  assert.equal(readFileSync(victim, "utf8"), "precious");
  rmSync(join(folder, "local.log"));
  assert.equal(statSync(folder).mode & 0o777, 0o700);

  await sharedLocal();
  assert.equal(statSync(stateFile()).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, "local.log")).mode & 0o777, 0o600);
  const real = join(folder, "real");
  renameSync(stateFile(), real);
  symlinkSync(real, stateFile());
  await refused();
  await fails(findShared(), /is a link/);
  rmSync(stateFile());
  execFileSync("mkfifo", ["-m", "600", stateFile()]);
  await refused();
  rmSync(stateFile());
  renameSync(real, stateFile());
  chmodSync(stateFile(), 0o640);
  await refused();
  chmodSync(stateFile(), 0o600);
  assert.ok(await findShared());
});

test("many that find a file of a server that has ended agree on one", async (t) => {
  const folder = fresh(t);
  await killed(await sharedLocal());
  const all = await Promise.all(Array.from({ length: 6 }, () => sharedLocal()));
  assert.equal(new Set(all.map(({ url }) => url)).size, 1);
  assert.deepEqual(readdirSync(folder).sort(), ["local.json", "local.log"]);
});

test("the server has a session and a directory of its own, and nothing open that it was not given", async (t) => {
  const folder = fresh(t);
  const { pid } = await sharedLocal();
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), "/");
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  assert.equal(Number(session), pid);
  assert.equal(readlinkSync(`/proc/${pid}/fd/0`), "/dev/null");
  assert.equal(readlinkSync(`/proc/${pid}/fd/2`), join(folder, "local.log"));
  const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
  const { apiKey } = state();
  assert.ok(!environment.includes(apiKey));
  assert.ok(!readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(apiKey));
});
