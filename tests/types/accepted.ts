// What users write, under the plainest of their compiler options.
import {
  type CommandResult,
  type ErrorCode,
  type OutputEvent,
  OutputMode,
  ProcessStatus,
  Sandbox,
  SandboxClient,
  ShorelineError,
  StdinMode,
} from "shoreline";

/** Fails to compile unless both types are the same. */
function same<A>() {
  return <B>(value: [A] extends [B] ? ([B] extends [A] ? true : false) : false): true => value as true;
}

export async function user(): Promise<void> {
  await using created = await Sandbox.create({ env: { MODE: "prod" } });
  const sandbox = await Sandbox.connect({
    sandboxId: "my-env",
    proxyUrl: "http://localhost:1",
    apiKey: "key",
  });
  await Sandbox.connect("my-env", { apiKey: () => "key", fetch });
  same<typeof created>()<Sandbox>(true);

  const mine = await Sandbox.getOrCreate("agent-42", { cpus: 1, resume: false });
  same<typeof mine.bindOutcome>()<"created" | "attached" | "resumed" | undefined>(true);
  const info = await sandbox.update({ network: { allowOut: ["pypi.org"] }, autoResume: true });
  same<typeof info.traceId>()<string | undefined>(true);
  await sandbox.update({ network: null });
  const { snapshotId } = await sandbox.checkpoint({ checkpointType: "memory" });
  await Sandbox.create({ snapshotId, wait: true });
  const answer = await sandbox.fetch(8000, "/", { method: "POST", body: "x" });
  same<typeof answer>()<Response>(true);
  await using tunnel = await sandbox.createTunnel(8000, { localPort: 0 });
  same<typeof tunnel.localPort>()<number>(true);
  const client = new SandboxClient({ apiKey: "key" });
  same<Awaited<ReturnType<typeof client.createAndConnect>>>()<Sandbox>(true);

  const result = await sandbox.run("ls", { args: ["-l"], env: { A: "b" }, timeout: 0.5, check: true });
  same<typeof result>()<CommandResult>(true);
  same<typeof result.exitCode>()<number | null>(true);
  same<typeof result.timedOut>()<boolean | undefined>(true);
  const promise: Promise<CommandResult> = sandbox.run("ls");
  const both = await Promise.all([promise, sandbox.run("ls")]);
  same<typeof both>()<[CommandResult, CommandResult]>(true);

  for await (const event of sandbox.run("ls")) same<typeof event>()<OutputEvent>(true);
  const started = await sandbox.startProcess("cat", {
    stdinMode: StdinMode.PIPE,
    stdoutMode: OutputMode.CAPTURE,
    stderrMode: "discard",
    user: "alice",
    restart: { policy: "always" },
  });
  await sandbox.startProcess("cat", { user: { uid: 1, gid: 1 } });
  if (started.status === ProcessStatus.RUNNING) await sandbox.writeStdin(started.pid, new Uint8Array(1));
  for await (const { line, stream, timestamp } of sandbox.followOutput("name", {
    signal: AbortSignal.timeout(1),
  })) {
    same<typeof line>()<string>(true);
    same<typeof stream>()<"stdout" | "stderr" | undefined>(true);
    same<typeof timestamp>()<Date | undefined>(true);
  }
  try {
    await sandbox.info();
  } catch (error) {
    if (error instanceof ShorelineError && error.code === "sandbox_not_found")
      same<typeof error.status>()<number | undefined>(true);
    if (ShorelineError.is(error)) same<typeof error.code>()<ErrorCode>(true);
  }
}
