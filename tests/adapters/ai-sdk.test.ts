// The AI SDK's own loop, with a scripted model.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LanguageModelV4GenerateResult, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { HarnessV1, HarnessV1NetworkSandboxSession, HarnessV1SandboxProvider } from "@ai-sdk/harness";
import { HarnessAgent } from "@ai-sdk/harness/agent";
import {
  type Experimental_SandboxSession,
  generateText,
  isStepCount,
  jsonSchema,
  tool,
  type ToolSet,
} from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { Sandbox } from "shoreline";
import { sandboxTools } from "shoreline/agents";
import { aiTools, sandboxProvider, sandboxSession } from "shoreline/agents/ai-sdk";
import {
  abortOnce,
  BROKEN,
  CHECK,
  checkSandbox,
  checkSteps,
  client,
  fetchLine,
  FIXED,
  freePort,
  gone,
  RUN,
  sandbox,
  serveLine,
  type Step,
  toolSteps,
} from "./task.js";

// What the types of the AI SDK take.
export const typed = {
  tools: (tools: ReturnType<typeof aiTools>): ToolSet => tools,
  session: (session: ReturnType<typeof sandboxSession>): Experimental_SandboxSession => session,
  provider: (provider: ReturnType<typeof sandboxProvider>): HarnessV1SandboxProvider => provider,
  network: (
    session: Awaited<ReturnType<ReturnType<typeof sandboxProvider>["createSession"]>>,
  ): HarnessV1NetworkSandboxSession => session,
};

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

/** A model that makes one call after the other, and keeps what it reads. */
function scripted(steps: readonly Step[]) {
  let prompt: LanguageModelV4Prompt = [];
  let next = 0;
  const model = new MockLanguageModelV4({
    doGenerate: async (options): Promise<LanguageModelV4GenerateResult> => {
      ({ prompt } = options);
      const step = steps[next++];
      return {
        content: step
          ? [
              {
                type: "tool-call",
                toolCallId: `call-${next}`,
                toolName: step.name,
                input: JSON.stringify(step.input),
              },
            ]
          : [{ type: "text", text: "done" }],
        finishReason: { unified: step ? "tool-calls" : "stop", raw: undefined },
        usage,
        warnings: [],
      };
    },
  });
  const results = () =>
    prompt
      .flatMap((message) => (message.role === "tool" ? message.content : []))
      .map((part) => {
        assert.ok(part.type === "tool-result");
        assert.ok(
          part.output.type === "text" || part.output.type === "error-text",
          JSON.stringify(part.output),
        );
        return part.output.value;
      });
  return { model, results };
}

test("a task of several steps with the plain tools, in `generateText`", async () => {
  const [port, dir] = [await freePort(), "ai-tools"];
  const steps = toolSteps(port, dir);
  const { model, results } = scripted(steps);
  const { text } = await generateText({
    model,
    tools: aiTools(sandboxTools(sandbox)),
    stopWhen: isStepCount(steps.length + 1),
    prompt: "Make the check pass.",
  });
  assert.equal(text, "done");
  checkSteps(steps, results());
  await checkSandbox(port, dir);
});

test("an abort of the loop kills the command of a plain tool", async () => {
  const { model } = scripted([
    { name: "run_command", input: { command: ": >ai-began; exec sleep 4321" }, expect: /./ },
  ]);
  await assert.rejects(
    Promise.resolve(
      generateText({
        model,
        tools: aiTools(sandboxTools(sandbox)),
        stopWhen: isStepCount(2),
        prompt: "Sleep.",
        abortSignal: abortOnce("ai-began"),
      }),
    ),
  );
  await gone("sleep 4321");
});

test("a task of several steps on the session, by tools that get it from the loop", async () => {
  const [port, dir] = [await freePort(), "ai-session"];
  const inSandbox = <I>(use: (session: Experimental_SandboxSession, input: I) => PromiseLike<string>) =>
    tool({
      inputSchema: jsonSchema<I>({ type: "object" }),
      execute: async (input: I, { experimental_sandbox: session }) => {
        assert.ok(session);
        return use(session, input);
      },
    });
  const tools = {
    write: inSandbox<{ path: string; content: string }>(async (session, input) => {
      await session.writeTextFile(input);
      return "written";
    }),
    sh: inSandbox<{ command: string; workingDirectory?: string }>(async (session, input) => {
      const { exitCode, stdout, stderr } = await session.run(input);
      return `${stdout}${stderr}exit code ${exitCode}`;
    }),
    serve: inSandbox<{ command: string; workingDirectory: string }>(async (session, input) => {
      const { pid } = await session.spawn(input);
      return `pid ${pid}`;
    }),
  };
  const workingDirectory = dir;
  const steps: Step[] = [
    { name: "write", input: { path: `${dir}/add.py`, content: BROKEN }, expect: /written/ },
    { name: "write", input: { path: `${dir}/check.py`, content: CHECK }, expect: /written/ },
    { name: "sh", input: { command: RUN, workingDirectory }, expect: /wrong sum[^]*exit code 1$/ },
    { name: "write", input: { path: `${dir}/add.py`, content: FIXED }, expect: /written/ },
    { name: "sh", input: { command: RUN, workingDirectory }, expect: /^passed\nexit code 0$/ },
    { name: "serve", input: { command: serveLine(port), workingDirectory }, expect: /^pid \d+$/ },
    { name: "sh", input: { command: fetchLine(port) }, expect: /return a \+ b/ },
  ];
  const { model, results } = scripted(steps);
  await generateText({
    model,
    tools,
    experimental_sandbox: sandboxSession(sandbox),
    stopWhen: isStepCount(steps.length + 1),
    prompt: "Make the check pass.",
  });
  checkSteps(steps, results());
  await checkSandbox(port, dir);
});

const bytes = async (stream: ReadableStream<Uint8Array> | null) => {
  assert.ok(stream);
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
};

test("files of the session", async () => {
  const session = sandboxSession(sandbox);
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const path = "ai-files/deep/bytes";
  await session.writeBinaryFile({ path, content: all });
  assert.deepEqual(await session.readBinaryFile({ path }), all);
  assert.deepEqual(await bytes(await session.readFile({ path })), all);
  await session.writeFile({ path: "ai-files/copy", content: new Blob([all]).stream() });
  assert.deepEqual(await session.readBinaryFile({ path: "ai-files/copy" }), all);
  const text = "ai-files/text";
  await session.writeTextFile({ path: text, content: "\ufeffone\ntwo\nthree\n" });
  assert.equal(await session.readTextFile({ path: text }), "\ufeffone\ntwo\nthree\n");
  assert.equal(await session.readTextFile({ path: text, startLine: 2, endLine: 3 }), "two\nthree");
  assert.equal(await session.readTextFile({ path: text, startLine: 3, endLine: 99 }), "three\n");
  await sandbox.fs.symlink("text", "ai-files/link");
  assert.deepEqual(await session.stat({ path: "ai-files/link" }), { type: "file", size: 17 });
  assert.equal((await session.stat({ path: "ai-files" }))?.type, "directory");
  const entries = await session.listDirectory({ path: "ai-files" });
  assert.deepEqual(
    entries?.sort((a, b) => a.name.localeCompare(b.name)),
    [
      { name: "copy", type: "file" },
      { name: "deep", type: "directory" },
      { name: "link", type: "symlink" },
      { name: "text", type: "file" },
    ],
  );
  assert.equal(await session.deleteFile({ path: "ai-files/link" }), true);
  assert.equal(await session.deleteFile({ path: "ai-files/link" }), false);
  const missing = { path: "ai-files/missing" };
  for (const name of ["readFile", "readBinaryFile", "readTextFile", "stat", "listDirectory"] as const)
    assert.equal(await session[name](missing), null, name);
  await assert.rejects(session.deleteFile({ path: "ai-files/deep" }));
  await assert.rejects(session.writeTextFile({ path: "ai-files/deep", content: "" }));
  await assert.rejects(session.listDirectory({ path: text }), { code: "ENOTDIR" });
  await assert.rejects(session.writeTextFile({ path: text, content: "a", encoding: "utf-16le" }), {
    code: "missing_capability",
  });
  await assert.rejects(session.readTextFile({ path: text, encoding: "klingon" }), {
    code: "missing_capability",
  });
});

test("commands of the session: exact output, exit codes, signals and aborts", async () => {
  const session = sandboxSession(sandbox);
  const { exitCode, stdout, stderr } = await session.run({
    command: "printf 'a\\n\\n'; printf b >&2; printf \"$WHAT\"; pwd; exit 3",
    env: { WHAT: "value\r\n" },
    workingDirectory: "/tmp",
  });
  assert.deepEqual([exitCode, stdout, stderr], [3, "a\n\nvalue\r\n/tmp\n", "b"]);
  assert.equal((await session.run({ command: "kill -TERM $$" })).exitCode, 128 + 15);
  await assert.rejects(
    session.run({ command: ": >ai-run; exec sleep 5432", abortSignal: abortOnce("ai-run") }),
    { code: "aborted" },
  );
  await gone("sleep 5432");
});

test("processes of the session: streams, input, the end, kills and aborts", async () => {
  const session = sandboxSession(sandbox);
  const cat = await session.spawn({ command: "cat; printf end >&2; exit 7", stdin: true });
  const writer = cat.stdin.getWriter();
  await writer.write(new TextEncoder().encode("one\r\ntwo"));
  await writer.close();
  assert.deepEqual(await cat.wait(), { exitCode: 7 });
  assert.equal(new TextDecoder().decode(await bytes(cat.stdout)), "one\r\ntwo");
  assert.equal(new TextDecoder().decode(await bytes(cat.stderr)), "end");
  await cat.kill();
  const sleeping = await session.spawn({ command: "exec sleep 6543" });
  assert.equal("stdin" in sleeping, false);
  await sleeping.kill();
  assert.deepEqual(await sleeping.wait(), { exitCode: 128 + 9 });
  await sleeping.kill();
  const abortSignal = abortOnce("ai-spawn");
  const aborted = await session.spawn({ command: ": >ai-spawn; exec sleep 7654", abortSignal });
  await assert.rejects(aborted.wait(), (error) => error === abortSignal.reason);
  await gone("sleep 7654");
});

test("a provider of sandboxes in the harness: first use, a task, and a second process that resumes", async () => {
  const port = await freePort();
  const create = { exposedPorts: [port] };
  const provider = sandboxProvider(Sandbox, { client, create, portHeaders: { authorization: "Bearer key" } });
  const did: string[] = [];
  /** A harness whose agent is a script on the session that it is given. */
  const harness: HarnessV1 = {
    specificationVersion: "harness-v1",
    harnessId: "scripted",
    builtinTools: {},
    getBootstrap: async () => ({
      harnessId: "scripted",
      bootstrapDir: "/tmp/scripted-bootstrap",
      files: [{ path: "/tmp/scripted-bootstrap/ready", content: "yes" }],
      commands: [],
    }),
    doStart: async ({ sandboxSession: session, sessionWorkDir, sessionId }) => ({
      sessionId,
      isResume: false,
      doPromptTurn: async ({ emit }) => {
        const workingDirectory = sessionWorkDir;
        const sh = async (command: string) => {
          const { exitCode, stdout } = await session.run({ command, workingDirectory });
          did.push(`${exitCode} ${stdout}`);
        };
        assert.equal(await session.readTextFile({ path: "/tmp/scripted-bootstrap/ready" }), "yes");
        await session.writeTextFile({ path: `${workingDirectory}/add.py`, content: BROKEN });
        await session.writeTextFile({ path: `${workingDirectory}/check.py`, content: CHECK });
        await sh(RUN);
        await session.writeTextFile({ path: `${workingDirectory}/add.py`, content: FIXED });
        await sh(RUN);
        await session.spawn({ command: serveLine(port), workingDirectory });
        await sh(fetchLine(port));
        assert.ok("getPortEndpoint" in session);
        const { url, headers } = await session.getPortEndpoint({ port });
        assert.match(url, new RegExp(`^http://${port}-`));
        assert.deepEqual(headers, { authorization: "Bearer key" });
        emit({ type: "stream-start" });
        emit({ type: "text-start", id: "1" });
        emit({ type: "text-delta", id: "1", delta: "done" });
        emit({ type: "text-end", id: "1" });
        const finishReason = { unified: "stop" as const, raw: undefined };
        emit({ type: "finish-step", finishReason, usage });
        emit({ type: "finish", finishReason, totalUsage: usage });
        return { submitToolResult: async () => {}, done: Promise.resolve() };
      },
      doCompact: async () => {},
      doContinueTurn: () => Promise.reject(new Error("not scripted")),
      doSuspendTurn: () => Promise.reject(new Error("not scripted")),
      doDetach: () => Promise.reject(new Error("not scripted")),
      doStop: async () => ({
        type: "resume-session",
        harnessId: "scripted",
        specificationVersion: "harness-v1",
        data: {},
      }),
      doDestroy: async () => {},
    }),
  };
  const agent = new HarnessAgent({ harness, sandbox: provider });
  const session = await agent.createSession();
  const { text } = await agent.generate({ session, prompt: "Make the check pass." });
  assert.equal(text, "done");
  assert.deepEqual(did, ["1 ", "0 passed\n", `0 ${FIXED}\n`]);
  await session.destroy();
});

test("a session of the provider is suspended, found again by its id, and terminated", async () => {
  const provider = sandboxProvider(Sandbox, { client });
  const firsts: string[] = [];
  const options = {
    sessionId: "A session / with any id",
    onFirstCreate: async (session: { readonly description: string }) => {
      assert.ok(!("destroy" in session));
      firsts.push(session.description);
    },
  };
  const first = await provider.createSession(options);
  assert.match(first.defaultWorkingDirectory, /^\//);
  assert.equal((await first.run({ command: "pwd" })).stdout, `${first.defaultWorkingDirectory}\n`);
  await first.writeTextFile({ path: "kept", content: "yes" });
  const again = await provider.createSession(options);
  assert.equal(again.id, first.id);
  assert.equal(firsts.length, 1);
  await first.stop();
  await first.stop();
  const { sessionId } = options;
  const resumed = await provider.resumeSession({ sessionId });
  assert.equal(await resumed.readTextFile({ path: "kept" }), "yes");
  await resumed.destroy();
  await resumed.destroy();
  await assert.rejects(provider.resumeSession({ sessionId }), /terminated/);
  // A first use that fails leaves nothing that a second one would take for prepared.
  const failing = { sessionId: "other", onFirstCreate: () => Promise.reject(new Error("no disk")) };
  await assert.rejects(provider.createSession(failing), /no disk/);
  await assert.rejects(provider.resumeSession(failing), /terminated/);
  const plain = await provider.createSession();
  await plain.stop();
  assert.throws(() => sandboxProvider(Sandbox, { clients: client } as never), { code: "invalid_argument" });
});
