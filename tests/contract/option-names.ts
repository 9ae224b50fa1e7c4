// Options that there are not: refused by every call, before anything is sent.
import { Sandbox, SandboxClient } from "shoreline";
import { equal, ok, recorder, rejects, sandboxOf, test } from "./harness.js";

/** For options that TypeScript would refuse. */
const any = (value: unknown): never => value as never;

type Wrong = [option: string, meant: string, call: (sandbox: Sandbox) => PromiseLike<unknown>];

const wrong: Wrong[] = [
  ["cwd", "`workingDir`", (s) => s.run("ls", any({ cwd: "/" }))],
  ["envs", "`env`", (s) => s.run("ls", any({ envs: {} }))],
  ["timeoutMs", "`timeout`", (s) => s.run("ls", any({ timeoutMs: 1 }))],
  ["working_dir", "`workingDir`", (s) => s.startProcess("ls", any({ working_dir: "/" }))],
  ["onStdOut", "`onStdout`", (s) => s.run("ls", any({ onStdOut: () => undefined }))],
  ["SIGNAL", "`signal`", (s) => s.info(any({ SIGNAL: 1 }))],
  ["xyz", "the options here are", (s) => s.startProcess("ls", any({ xyz: 1 }))],
  ["toString", "the options here are signal", (s) => s.health(any({ toString: 1 }))],
  [
    "reconnect.attempts",
    "the options here are maxAttempts",
    (s) => s.run("ls", any({ reconnect: { attempts: 1 } })),
  ],
  ["user.gids", "`user.gid`", (s) => s.startProcess("ls", any({ user: { gids: 1 } }))],
  [
    "healthCheck.timeout",
    "`healthCheck.timeoutMs`",
    (s) => s.startProcess("ls", any({ healthCheck: { type: "tcp", port: 1, timeout: 1 } })),
  ],
  ["network.allow", "`network.allowInternetAccess`", (s) => s.update(any({ network: { allow: [] } }))],
  ["untill", "`until`", (s) => s.followOutput(1, any({ untill: "exit" })).next()],
  ["onProgres", "`onProgress`", (s) => s.readFile("/x", any({ onProgres: 1 }))],
  ["progress", "the options here are", (s) => s.writeFile("/x", "", any({ progress: 1 }))],
  ["column", "the options here are", (s) => s.createPty(any({ command: "sh", column: 1 }))],
  [
    "reattach.maxDelay",
    "`reattach.maxDelayMs`",
    (s) => s.connectPty("a", "b", any({ reattach: { maxDelay: 1 } })),
  ],
  ["timeoutSecs", "`timeout`", (s) => s.suspend(any({ timeoutSecs: 1 }))],
  ["time", "`times`", (s) => s.copy(any({ time: 2 }))],
  ["type", "the options here are", (s) => s.checkpoint(any({ type: "memory" }))],
  ["halfOpen", "the options here are", (s) => s.openTunnel(80, any({ halfOpen: true }))],
];

for (const [option, meant, call] of wrong) {
  test(`an option that there is not: ${option}`, async () => {
    const { sandbox, sent } = await sandboxOf(() => Promise.reject(new Error("sent")));
    const { message } = await rejects(call(sandbox), "invalid_argument");
    ok(message.includes(`no option \`${option}\``) && message.includes(meant), message);
    equal(sent, []);
  });
}

test("options that there are not, of calls without a sandbox", async () => {
  const { fetch, sent } = recorder(() => Promise.reject(new Error("sent")));
  const to = { apiUrl: "http://peer.invalid", apiKey: "key", fetch };
  const client = new SandboxClient(to);
  const calls: [option: string, meant: string, call: PromiseLike<unknown>][] = [
    ["timeoutMs", "`timeoutSecs`", Sandbox.create(any({ ...to, timeoutMs: 1 }))],
    ["memory", "`memoryMb`", Sandbox.getOrCreate("a", any({ ...to, memory: 1 }))],
    ["base_url", "the options here are apiKey", Sandbox.connect("a", any({ ...to, base_url: "x" }))],
    ["api_key", "`apiKey`", Sandbox.connect(any({ ...to, sandboxId: "a", api_key: "x" }))],
    ["state", "`status`", Sandbox.list(any({ ...to, state: "running" }))],
    ["force", "the options here are", Sandbox.terminate("a", any({ ...to, force: true }))],
    ["names", "`name`", client.update("a", any({ names: "b" }))],
    ["kind", "the options here are", client.snapshot("a", any({ kind: "memory" }))],
    ["apiURI", "`apiUrl`", new SandboxClient(any({ ...to, apiURI: "x" })).list()],
  ];
  for (const [option, meant, call] of calls) {
    const { message } = await rejects(call, "invalid_argument");
    ok(message.includes(`no option \`${option}\``) && message.includes(meant), message);
  }
  equal(sent, []);
});

test("an option that is undefined counts as absent, whatever its name", async ({ sandbox }) => {
  equal((await sandbox.run("echo", any({ args: ["a"], cwd: undefined }))).stdout, "a");
});
