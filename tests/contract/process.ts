import { OutputMode, ProcessStatus, StdinMode } from "shoreline";
import { ended, equal, ok, rejects, test } from "./harness.js";

test("startProcess gives the process, which getProcess and listProcesses know", async ({ sandbox }) => {
  const before = Date.now();
  const started = await sandbox.startProcess("sleep", { args: ["1000"] });
  try {
    equal(started.status, "running");
    equal(started.command, "sleep");
    equal(started.args, ["1000"]);
    equal(started.stdinWritable, false);
    ok(started.startedAt instanceof Date, "startedAt is a Date");
    ok(Math.abs(started.startedAt.getTime() - before) < 60_000, "it started now");
    const { pid } = started;
    const { sandboxId } = sandbox;
    equal(started.toJSON(), { sandboxId, pid, status: "running" });
    const known = await sandbox.getProcess(pid);
    equal([known.command, known.args, known.startedAt], ["sleep", ["1000"], started.startedAt]);
    equal(
      (await sandbox.listProcesses()).filter((one) => one.pid === pid),
      [known],
    );
  } finally {
    await sandbox.killProcess(started.pid);
  }
});

test("a process that has ended says how", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "exit 7"] });
  await ended(sandbox.followOutput(pid));
  const info = await sandbox.getProcess(pid);
  equal([info.status, info.exitCode, info.signal], [ProcessStatus.EXITED, 7, null]);
  ok(info.endedAt instanceof Date && info.endedAt >= info.startedAt, "it ended after it started");
});

test("options of a process: directory and environment", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", 'pwd; echo "$A_b"'],
    workingDir: "/usr",
    env: { A_b: "c" },
  });
  await ended(sandbox.followOutput(pid));
  equal((await sandbox.getOutput(pid)).lines, ["/usr", "c"]);
});

test("usage measures every process of the sandbox", async ({ sandbox }) => {
  // The shell starts a process that the server did not.
  const script = "sleep 1000 & while :; do :; done";
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", script] });
  try {
    for (let before = 0; ;) {
      const { measuredAt, processes } = await sandbox.usage();
      ok(measuredAt instanceof Date, "measuredAt is a Date");
      const busy = processes.find((one) => one.pid === pid);
      const child = processes.find((one) => one.parentPid === pid);
      // Until it executes its program, a new process has the command of its parent.
      if (!busy || !child || child.command === busy.command) continue;
      ok(busy.cpuMs >= before && busy.memoryBytes > 0 && busy.threads === 1, JSON.stringify(busy));
      if (before > 0 && busy.cpuMs > before) {
        equal([busy.command, child.command], [`sh -c ${script}`, "sleep 1000"]);
        break;
      }
      before = busy.cpuMs;
    }
  } finally {
    await sandbox.killProcess(pid);
  }
});

test("killProcess ends a process at once", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  await sandbox.killProcess(pid);
  await ended(sandbox.followOutput(pid));
  const info = await sandbox.getProcess(pid);
  equal([info.status, info.exitCode, info.signal], [ProcessStatus.SIGNALED, null, 9]);
});

test("how a process ended is null where it has not, in every record", async ({ sandbox }) => {
  const started = await sandbox.startProcess("sleep", { args: ["1000"] });
  await using pty = await sandbox.createPty({ command: "sleep", args: ["1000"] });
  const records = [
    started,
    await sandbox.getProcess(started.pid),
    ...(await sandbox.listProcesses()).filter(({ pid }) => pid === started.pid),
    ...(await sandbox.listPtys()).filter(({ sessionId }) => sessionId === pty.sessionId),
  ];
  equal(records.length, 4);
  for (const { exitCode, signal, oomKilled } of records)
    ok(exitCode === null && signal === null && !oomKilled, "there is no end yet");
  await started.kill();
});

test("sendSignal takes a name", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  await sandbox.sendSignal(pid, "SIGTERM");
  await ended(sandbox.followOutput(pid));
  equal((await sandbox.getProcess(pid)).signal, 15);
});

test("variables that are undefined are left out", async ({ sandbox }) => {
  const env = { HERE: "1", ABSENT: undefined };
  const { stdout } = await sandbox.run("sh", { args: ["-c", 'echo "$HERE ${ABSENT-unset}"'], env });
  equal(stdout, "1 unset");
});

test("sendSignal sends a signal that the process can handle", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "trap 'echo caught; exit 0' USR1; echo ready; while :; do sleep 0.1; done"],
  });
  const lines: string[] = [];
  for await (const event of sandbox.followOutput(pid)) {
    lines.push(event.line);
    if (event.line === "ready") equal(await sandbox.sendSignal(pid, 10), { success: true });
  }
  equal(lines, ["ready", "caught"]);
  equal((await sandbox.getProcess(pid)).exitCode, 0);
});

test("a process that is not there rejects", async ({ sandbox }) => {
  const pid = 4_000_000_000;
  const calls = [
    () => sandbox.getProcess(pid),
    () => sandbox.killProcess(pid),
    () => sandbox.sendSignal(pid, 15),
    () => sandbox.writeStdin(pid, "x"),
    () => sandbox.closeStdin(pid),
    () => sandbox.getStdout(pid),
    () => sandbox.getStderr(pid),
    () => sandbox.getOutput(pid),
    () => ended(sandbox.followOutput(pid)),
  ];
  for (const call of calls) equal((await rejects(call(), "not_found")).status, 404, String(call));
});

test("a process that has ended takes no signal", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("true");
  await ended(sandbox.followOutput(pid));
  await rejects(sandbox.sendSignal(pid, 15), "conflict");
});

test("writeStdin takes text, bytes and buffers; closeStdin ends the input", async ({ sandbox }) => {
  const { pid, stdinWritable } = await sandbox.startProcess("cat", { stdinMode: StdinMode.PIPE });
  equal(stdinWritable, true);
  await sandbox.writeStdin(pid, "text é\n");
  await sandbox.writeStdin(pid, "");
  await sandbox.writeStdin(pid, new TextEncoder().encode("bytes\n"));
  await sandbox.writeStdin(pid, new TextEncoder().encode("buffer\n").buffer);
  const long = new TextEncoder().encode("[view\n]");
  await sandbox.writeStdin(pid, new DataView(long.buffer, 1, 5));
  await sandbox.writeStdin(pid, long.subarray(1, 6));
  await sandbox.closeStdin(pid);
  await sandbox.closeStdin(pid);
  await ended(sandbox.followOutput(pid));
  equal((await sandbox.getStdout(pid)).lines, ["text é", "bytes", "buffer", "view", "view"]);
  equal((await sandbox.getProcess(pid)).exitCode, 0);
});

test("a megabyte goes in and comes out", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sha256sum", { stdinMode: "pipe" });
  await sandbox.writeStdin(pid, "0123456789abcde\n".repeat(65_536));
  await sandbox.closeStdin(pid);
  await ended(sandbox.followOutput(pid));
  const expected = await sandbox.run("sh", { args: ["-c", "yes 0123456789abcde | head -65536 | sha256sum"] });
  equal((await sandbox.getStdout(pid)).lines, [expected.stdout]);
});

test("stdin that is closed takes nothing", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  try {
    const error = await rejects(sandbox.writeStdin(pid, "x"), "invalid_request");
    equal(error.serverCode, "STDIN_NOT_WRITABLE");
  } finally {
    await sandbox.killProcess(pid);
  }
});

test("getStdout, getStderr and getOutput give what was written so far", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; echo b >&2; echo; printf c"] });
  await ended(sandbox.followOutput(pid));
  equal(await sandbox.getStdout(pid), { pid, lines: ["a", "", "c"], lineCount: 3 });
  equal(await sandbox.getStderr(pid), { pid, lines: ["b"], lineCount: 1 });
  equal((await sandbox.getOutput(pid)).lineCount, 4);
});

test("output that is discarded is not there", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "echo a; echo b >&2"],
    stdoutMode: OutputMode.DISCARD,
  });
  await ended(sandbox.followOutput(pid));
  equal((await sandbox.getOutput(pid)).lines, ["b"]);
});

test("health and daemonInfo describe what serves the sandbox", async ({ sandbox }) => {
  equal(await sandbox.health(), { healthy: true });
  const info = await sandbox.daemonInfo();
  ok(info.version.length > 0, "there is a version");
  ok(info.uptimeSecs >= 0, "there is an uptime");
  ok(info.totalProcesses >= info.runningProcesses, "processes are counted");
});
