// Deno: sorts what this program is given in a sandbox, then shows a command's output while it runs.
import { Sandbox, ShorelineError } from "shoreline"; // without a package.json: "npm:shoreline"

const apiKey = Deno.env.get("TENSORLAKE_API_KEY");
const apiUrl = Deno.env.get("TENSORLAKE_API_URL"); // unset: the cloud
if (!apiKey) {
  console.error("set TENSORLAKE_API_KEY");
  Deno.exit(2);
}

try {
  await using sandbox = await Sandbox.create({ apiKey, apiUrl });

  // Standard input goes in and standard output comes back, byte for byte, at the same time.
  const sort = await sandbox.startProcess("sort", { stdinMode: "pipe" });
  await Promise.all([
    Deno.stdin.readable.pipeTo(sort.stdin),
    sort.stdout.pipeTo(Deno.stdout.writable, { preventClose: true }),
  ]);
  console.log("exit code", (await sort.wait()).exitCode);

  const script = "for i in 1 2 3; do echo Step $i/3; sleep 0.2; done";
  for await (const { stream, line } of sandbox.run("sh", { args: ["-c", script] })) {
    console.log(`${stream}: ${line}`);
  }

  await sandbox.writeFile("/workspace/answer.txt", "42\n");
  await sandbox.run("cat", { args: ["answer.txt", "no-such-file"], workingDir: "/workspace", check: true });
} catch (error) {
  if (!ShorelineError.is(error)) throw error;
  console.log(`${error.code}: ${error.message}`);
}
