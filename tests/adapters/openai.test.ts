// The OpenAI Agents SDK's own runner, with a scripted model.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, type AgentInputItem, applyDiff, run, setTracingDisabled, type Tool } from "@openai/agents";
import {
  Manifest,
  SandboxAgent,
  type SandboxClient,
  type SandboxSession,
  shell,
  filesystem,
} from "@openai/agents/sandbox";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { Sandbox } from "shoreline";
import { sandboxTools } from "shoreline/agents";
import { openaiTools, sandboxClient } from "shoreline/agents/openai";
import {
  abortOnce,
  BROKEN,
  CHECK,
  checkSandbox,
  checkSteps,
  client,
  fetchLine,
  freePort,
  gone,
  RUN,
  sandbox,
  serveLine,
  type Step,
  toolSteps,
} from "./task.js";

setTracingDisabled(true);

const made = () => sandboxClient(Sandbox, { Manifest, applyDiff, client });

// What the types of the SDK take.
export const typed = {
  tools: (tools: ReturnType<typeof openaiTools>): Tool[] => tools,
  client: (): SandboxClient => made(),
  session: async (): Promise<SandboxSession> => made().create(),
};

/** A model that makes one call after the other, and what it reads of their results. */
function scripted(steps: readonly Step[]) {
  const model = new ScriptedModel([
    ...steps.map(({ name, input }, i) => [
      name === "apply_patch"
        ? {
            type: "apply_patch_call" as const,
            callId: `call-${i}`,
            status: "completed" as const,
            operation: input as Extract<AgentInputItem, { type: "apply_patch_call" }>["operation"],
          }
        : functionCall(name, input, { callId: `call-${i}` }),
    ]),
    [assistantMessage("done")],
  ]);
  const results = () => {
    const { input } = model.lastCall?.request ?? { input: [] };
    return (Array.isArray(input) ? input : []).flatMap((item) => {
      if (item.type === "apply_patch_call_output") return [`${item.status}: ${item.output}`];
      if (item.type !== "function_call_result") return [];
      const { output } = item;
      return [typeof output === "object" && "text" in output ? output.text : JSON.stringify(output)];
    });
  };
  return { model, results };
}

test("a task of several steps with the plain tools", async () => {
  const [port, dir] = [await freePort(), "openai-tools"];
  const steps = toolSteps(port, dir);
  const { model, results } = scripted(steps);
  const agent = new Agent({ name: "Coder", model, tools: openaiTools(sandboxTools(sandbox)) });
  const { finalOutput } = await run(agent, "Make the check pass.", { maxTurns: 20 });
  assert.equal(finalOutput, "done");
  checkSteps(steps, results());
  await checkSandbox(port, dir);
});

test("an abort of the run kills the command of a plain tool, and a tool can need an approval", async () => {
  const steps = [
    { name: "run_command", input: { command: ": >openai-began; exec sleep 4322" }, expect: /./ },
  ];
  const tools = openaiTools(sandboxTools(sandbox));
  const agent = new Agent({ name: "Coder", model: scripted(steps).model, tools });
  await assert.rejects(run(agent, "Sleep.", { signal: abortOnce("openai-began") }));
  await gone("sleep 4322");
  const asking = new Agent({
    name: "Coder",
    model: scripted(steps).model,
    tools: openaiTools(sandboxTools(sandbox), { needsApproval: (tool) => tool.annotations.destructiveHint }),
  });
  const { interruptions } = await run(asking, "Sleep.");
  assert.equal(interruptions.length, 1);
});

test("a task of several steps in a sandbox of the client", async () => {
  const port = await freePort();
  const steps: Step[] = [
    { name: "exec_command", input: { cmd: RUN }, expect: /exited with code 1\n[^]*wrong sum/ },
    {
      name: "apply_patch",
      input: {
        type: "update_file",
        path: "add.py",
        diff: "@@\n def add(a, b):\n-    return a - b\n+    return a + b\n",
      },
      expect: /Updated add\.py/,
    },
    { name: "exec_command", input: { cmd: RUN }, expect: /exited with code 0\nOutput:\npassed\n$/ },
    {
      name: "apply_patch",
      input: { type: "create_file", path: "deep/new.txt", diff: "+one\n+two\n" },
      expect: /Created/,
    },
    {
      name: "exec_command",
      input: { cmd: "cat deep/new.txt; kill -9 $$" },
      expect: /ended by signal 9\nOutput:\none\ntwo/,
    },
    { name: "apply_patch", input: { type: "delete_file", path: "deep/new.txt" }, expect: /Deleted/ },
    {
      name: "apply_patch",
      input: { type: "delete_file", path: "deep/new.txt" },
      expect: /failed: .*no such file/i,
    },
    {
      name: "exec_command",
      input: { cmd: "read line; echo got $line", tty: true, yield_time_ms: 200 },
      expect: /session ID 4\n/,
    },
    {
      name: "write_stdin",
      input: { session_id: 4, chars: "text\n", yield_time_ms: 60_000 },
      expect: /exited with code 0\n[^]*got text/,
    },
    {
      name: "exec_command",
      input: { cmd: serveLine(port), yield_time_ms: 100 },
      expect: /running with session ID 5\n/,
    },
    { name: "exec_command", input: { cmd: fetchLine(port), yield_time_ms: 60_000 }, expect: /return a \+ b/ },
    { name: "exec_command", input: { cmd: "echo $WHAT; pwd" }, expect: /Output:\nvalue\n\/.*\/job\n$/ },
    { name: "view_image", input: { path: "pixel.png" }, expect: /image\/png|iVBOR/ },
  ];
  const { model, results } = scripted(steps);
  const root = `${await sandbox.fs.realpath(".")}/job`;
  const pixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const agent = new SandboxAgent({
    name: "Coder",
    model,
    capabilities: [filesystem(), shell()],
    defaultManifest: new Manifest({
      root,
      environment: { WHAT: "value" },
      entries: {
        "add.py": { type: "file", content: BROKEN },
        "check.py": { type: "file", content: CHECK },
        "pixel.png": { type: "file", content: Uint8Array.from(Buffer.from(pixel, "base64")) },
      },
    }),
  });
  const session = await made().create();
  const box = await Sandbox.connect(session.state.sandboxId as string, client);
  // The run would terminate the sandbox, which is looked at after it.
  const own = { ...made(), create: async () => session };
  let closed = 0;
  session.close = async () => {
    closed++;
  };
  session.state.manifest = new Manifest({ root });
  await session.applyManifest(agent.defaultManifest as Manifest);
  const { finalOutput } = await run(agent, "Make the check pass.", {
    sandbox: { client: own },
    maxTurns: 30,
  });
  assert.equal(finalOutput, "done");
  checkSteps(steps, results());
  await checkSandbox(port, root, box);
  assert.equal(closed, 1);
  await box.terminate();
});

test("the run creates the sandbox of a manifest, and terminates it", async () => {
  const root = `${await sandbox.fs.realpath(".")}/made`;
  const steps = [{ name: "exec_command", input: { cmd: "pwd; cat a/b" }, expect: /made\ntext$/ }];
  const { model, results } = scripted(steps);
  const agent = new SandboxAgent({ name: "Coder", model, capabilities: [shell()] });
  const manifest = new Manifest({
    root,
    entries: { a: { type: "dir", children: { b: { type: "file", content: "text" } } } },
  });
  await run(agent, "Look.", { sandbox: { client: made(), manifest } });
  checkSteps(steps, results());
  assert.equal((await Sandbox.list(client)).filter(({ status }) => status === "running").length, 1);
});

test("a session: exact output, files, ports and what it refuses", async () => {
  const port = await freePort();
  const create = { exposedPorts: [port] };
  const sessions = sandboxClient(Sandbox, { Manifest, applyDiff, client, create });
  const local = mkdtempSync(join(tmpdir(), "shoreline-"));
  writeFileSync(join(local, "file"), "local");
  const root = `${await sandbox.fs.realpath(".")}/session`;
  const session = await sessions.create({
    manifest: {
      root,
      entries: {
        "a/file": { type: "local_file", src: join(local, "file") },
        tree: { type: "local_dir", src: local },
      },
    },
  });
  rmSync(local, { recursive: true });
  const { exitCode, stdout, stderr, output } = await session.exec({
    cmd: "printf 'a\\n\\n'; printf '\\303'; sleep 0.1; printf '\\251'; printf b >&2; exit 3",
  });
  assert.deepEqual([exitCode, stdout, stderr], [3, "a\n\né", "b"]);
  assert.equal(output.length, stdout.length + stderr.length);
  const killed = await session.exec({ cmd: "kill -TERM $$", login: false });
  assert.deepEqual([killed.exitCode, killed.signal], [null, 15]);
  const long = await session.exec({ cmd: "seq 10000", maxOutputTokens: 100 });
  assert.ok(long.output.length < 500 && long.output.startsWith("1\n") && long.output.endsWith("10000\n"));
  assert.equal(long.stdout.length, 48_894);
  const flood = await session.exec({ cmd: "head -c 3000000 /dev/zero | tr '\\0' x; echo end" });
  let text = flood.stdout;
  for (let id = flood.sessionId; id !== undefined && !text.endsWith("end\n");) {
    const more = await session.writeStdin({ sessionId: id, yieldTimeMs: 10_000 });
    text += more.slice(more.indexOf("Output:\n") + 8);
    if (!more.includes("session ID")) id = undefined;
  }
  assert.equal(text.length, 3_000_004);
  const waiting = await session.exec({ cmd: "exec sleep 4444", yieldTimeMs: 0 });
  const sessionId = waiting.sessionId as number;
  await assert.rejects(session.writeStdin({ sessionId, chars: "x" }), { code: "missing_capability" });
  assert.match(
    await session.writeStdin({ sessionId, chars: "\x03", yieldTimeMs: 60_000 }),
    /ended by signal 2/,
  );
  await assert.rejects(session.writeStdin({ sessionId }), { code: "missing_capability" });

  assert.equal(new TextDecoder().decode(await session.readFile({ path: "a/file", maxBytes: 3 })), "loc");
  assert.deepEqual(await session.listDir({ path: "tree" }), [
    { name: "file", path: "tree/file", type: "file" },
  ]);
  assert.equal(await session.pathExists("missing"), false);
  assert.equal(await session.pathExists(`${root}/a`), true);
  assert.equal(await session.directoryExists("a/file"), false);
  const editor = session.createEditor();
  const moved = await editor.updateFile({ path: "a/file", diff: "@@\n-local\n+moved", moveTo: "b/file" });
  assert.deepEqual(moved, { status: "completed", output: "Updated b/file" });
  assert.equal(await session.pathExists("a/file"), false);
  assert.equal((await editor.updateFile({ path: "b/file", diff: "@@\n-local\n+x" })).status, "failed");
  await assert.rejects(session.viewImage({ path: "b/file" }), { code: "missing_capability" });
  assert.throws(() => session.createEditor("root"), { code: "missing_capability" });
  await assert.rejects(session.materializeEntry({ path: "x", entry: { type: "git_repo" } }), {
    code: "missing_capability",
  });
  const address = await session.resolveExposedPort(port);
  assert.ok(address.host.startsWith(`${port}-`) && !address.tls);

  // Another process finds the sandbox again.
  const kept = JSON.parse(JSON.stringify(await sessions.serializeSessionState(session.state))) as object;
  const state = await sessions.deserializeSessionState({ ...kept });
  const again = await sessions.resume(state);
  assert.equal(new TextDecoder().decode(await again.readFile({ path: "b/file" })), "moved");
  await sessions.delete(state);
  await sessions.delete(state);
  assert.equal(await again.running(), false);
  await assert.rejects(sessions.deserializeSessionState({}), { code: "invalid_argument" });
  await assert.rejects(sessions.create({ snapshot: { type: "local" } }), { code: "missing_capability" });
  assert.throws(() => sandboxClient(Sandbox, { Manifest } as never), { code: "invalid_argument" });
});
