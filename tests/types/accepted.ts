// What users write, under the plainest of their compiler options.
import {
  type ApiError,
  type CommandError,
  type CommandInput,
  type CommandResult,
  type ErrorCode,
  type OutputEvent,
  OutputMode,
  type ProcessHandle,
  type ProcessInfo,
  ProcessStatus,
  Sandbox,
  SandboxClient,
  ShorelineError,
  StdinMode,
  type SandboxStatus,
  type SuccessfulResult,
} from "shoreline";

/** Fails to compile unless both types are the same. */
function same<A>() {
  return <B>(value: [A] extends [B] ? ([B] extends [A] ? true : false) : false): true => value as true;
}

declare const sandbox: Sandbox;
declare const iterable: AsyncIterable<Uint8Array>;
declare const started: Awaited<ReturnType<Sandbox["startProcess"]>>;
const silently = () => sandbox.sh({ check: true });

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

  const args = ["-l"] as const;
  const env: { [name: string]: string | undefined } = { A: "b" };
  const result = await sandbox.run("ls", { args, env, timeout: 0.5 });
  same<typeof result>()<CommandResult>(true);
  same<typeof result.exitCode>()<number | null>(true);
  if (result.exitCode === null) same<typeof result.signal>()<number | null>(true);
  else same<typeof result.signal>()<null>(true);
  if (result.signal !== null) same<typeof result.exitCode>()<null>(true);
  const checked = await sandbox.run("ls", { check: true });
  same<typeof checked>()<SuccessfulResult>(true);
  same<typeof checked.exitCode>()<0>(true);
  new Blob([result.stdoutBytes, await sandbox.readFile("/x")]);
  const text = started.stdout.pipeThrough(new TextDecoderStream());
  same<typeof text>()<ReadableStream<string>>(true);
  const listed = await sandbox.sh`ls ${args[0]} ${["a", 1]}`;
  same<typeof listed>()<CommandResult>(true);
  same<Awaited<ReturnType<ReturnType<typeof silently>>>>()<SuccessfulResult>(true);
  await sandbox.writeFile("/x", iterable);
  await sandbox.sendSignal(1, "SIGTERM");
  await sandbox.sendSignal(1, 15);
  const status: SandboxStatus = await sandbox.status();
  const running: ProcessStatus = "running";
  same<typeof status>()<SandboxStatus>(true);
  same<(typeof started)["exitCode"]>()<number | null>(true);
  same<typeof result.timedOut>()<boolean | undefined>(true);
  const promise: Promise<CommandResult> = sandbox.run("ls");
  const both = await Promise.all([promise, sandbox.run("ls")]);
  same<typeof both>()<[CommandResult, CommandResult]>(true);

  for await (const event of sandbox.run("ls")) same<typeof event>()<OutputEvent>(true);
  for (const handle of [sandbox.run("ls"), started]) {
    const either: ProcessHandle = handle;
    same<typeof either.pid>()<number | undefined>(true);
    same<typeof either.exitCode>()<number | null>(true);
    for await (const event of either) same<typeof event>()<OutputEvent>(true);
    await either.kill("SIGTERM");
    same<Awaited<ReturnType<typeof either.wait>>>()<ProcessInfo>(true);
  }
  same<typeof started.pid>()<number>(true);
  const sources: CommandInput[] = [
    "a",
    new Uint8Array(1),
    new Blob([]),
    new ReadableStream<string>(),
    iterable,
  ];
  for (const input of sources) await sandbox.run("cat", { input });
  const process = await sandbox.startProcess("cat", {
    stdinMode: StdinMode.PIPE,
    stdoutMode: OutputMode.CAPTURE,
    stderrMode: "discard",
    user: "alice",
    restart: { policy: "always" },
  });
  await sandbox.startProcess("cat", { user: { uid: 1, gid: 1 } });
  if (process.status === ProcessStatus.RUNNING) await sandbox.writeStdin(process.pid, new Uint8Array(1));
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
    if (ShorelineError.is(error)) {
      same<typeof error.code>()<ErrorCode>(true);
      if (error.code === "command_failed") same<typeof error>()<CommandError>(true);
      if (error.code === "conflict") same<typeof error>()<ApiError>(true);
    }
  }
}
