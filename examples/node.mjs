// Node: what a program does with a sandbox, on a local server that it starts itself.
import { Sandbox, ShorelineError } from "shoreline";
import { startLocal } from "shoreline/local";

const server = await startLocal();
const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
try {
  // A command's whole output. That it fails is a result, unless `check: true` is set.
  const hello = await sandbox.run("python3", { args: ["-c", "print('Hello from sandbox!')"] });
  console.log(hello.stdout, hello.exitCode);

  // Its output while it runs.
  const steps = 'for i in 1 2 3; do echo "Step $i/3"; sleep 0.2; done; echo done >&2';
  for await (const { stream, line } of sandbox.run("sh", { args: ["-c", steps] })) {
    console.log(`${stream}: ${line}`);
  }

  // Its input: closing the stream is the end of it.
  const sort = await sandbox.startProcess("sort", { stdinMode: "pipe" });
  await new Blob(["pear\napple\n"]).stream().pipeTo(sort.stdin);
  console.log("sorted:", (await new Response(sort.stdout).text()).trim().split("\n"));

  // A file.
  await sandbox.writeFile("/workspace/numbers.txt", "1\n2\n3\n");
  await sandbox.run("sed", {
    args: ["-i", "s/^/line /", "numbers.txt"],
    workingDir: "/workspace",
    check: true,
  });
  console.log(new TextDecoder().decode(await sandbox.readFile("/workspace/numbers.txt")));

  // A time limit ends the command, and is a result.
  const { timedOut } = await sandbox.run("sleep", { args: ["60"], timeout: 0.5 });
  console.log("timed out:", timedOut);

  // What cannot be done is an error with a code.
  await sandbox.readFile("/workspace/no-such-file");
} catch (error) {
  if (!ShorelineError.is(error)) throw error;
  console.log(`${error.code}: ${error.message}`);
} finally {
  await sandbox.terminate();
  await server.close();
}
