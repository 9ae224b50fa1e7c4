// What Shoreline does, on a local sandbox server that lives as long as this program.
//
//   node examples/start.mjs               a tour
//   node examples/start.mjs CMD ARGS…     runs CMD, as if it ran here
import { once } from "node:events";
import { constants } from "node:os";
import { Sandbox, ShorelineError } from "shoreline";
import { startLocal } from "shoreline/local";

const [command, ...args] = process.argv.slice(2);

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => interrupt.abort(128 + constants.signals[name]));
}
// The reader has gone, as in `… | head`.
process.stdout.on("error", () => interrupt.abort(128 + constants.signals.SIGPIPE));

try {
  process.exitCode = await main(interrupt.signal);
} catch (error) {
  if (interrupt.signal.aborted) {
    process.exitCode = interrupt.signal.reason;
  } else if (error instanceof ShorelineError) {
    console.error(error.message);
    // As a shell does for a command that is not there.
    process.exitCode = error.code === "not_found" ? 127 : 1;
  } else {
    throw error;
  }
}

async function main(signal) {
  const server = await startLocal();
  try {
    const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, signal });
    try {
      return command === undefined ? await tour(sandbox, signal) : await runHere(sandbox, signal);
    } finally {
      await sandbox.terminate();
    }
  } finally {
    await server.close();
  }
}

/** Runs the command with its output on this program's, byte for byte; gives the exit code of a shell. */
async function runHere(sandbox, signal) {
  // Nothing has to be kept for the result: everything is written out as it comes.
  const running = sandbox.run(command, { args, signal, maxOutputBytes: 0 });
  for await (const event of running) {
    const out = event.stream === "stderr" ? process.stderr : process.stdout;
    if (!out.write(event.bytes)) await once(out, "drain", { signal });
  }
  const result = await running;
  return result.exitCode ?? 128 + result.signal;
}

async function tour(sandbox, signal) {
  console.log(`sandbox ${sandbox.sandboxId}`);

  const hello = await sandbox.run("echo", { args: ["Hello from sandbox!"], signal });
  console.log(hello.stdout);
  console.log(`exit code ${hello.exitCode}`);

  const steps = 'for i in 1 2 3 4 5; do echo "Step $i/5"; sleep 1; done';
  const counter = await sandbox.startProcess("sh", { args: ["-c", steps], signal });
  for await (const event of sandbox.followOutput(counter.pid, { signal })) console.log(event.line);

  const failed = await sandbox.run("cat", { args: ["no-such-file"], signal });
  console.log(`exit code ${failed.exitCode}, stderr: ${failed.stderr}`);
  return 0;
}
