// What the command line makes sandboxes of, and what it says of them.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "../helpers/processes.js";
import { ended, home, shoreline, start } from "./program.js";

test("create --env sets variables for every command, whose own take precedence", async () => {
  assert.equal((await shoreline("create", "--env", "MODE=prod", "--env", "TEXT=a=b c", "env")).code, 0);
  const show = ["sh", "-c", 'echo "$MODE $TEXT"'];
  assert.equal((await shoreline("exec", "env", ...show)).stdout, "prod a=b c\n");
  assert.equal((await shoreline("exec", "-e", "MODE=dev", "env", ...show)).stdout, "dev a=b c\n");
  const wrong = await shoreline("create", "--env", "MODE", "other");
  assert.deepEqual([wrong.code, wrong.stderr.includes("NAME=VALUE")], [2, true]);
  const entrypoint = await shoreline("create", "-e", "MODE=prod", "other");
  assert.deepEqual([entrypoint.code, entrypoint.stderr.includes("--env NAME=VALUE")], [2, true]);
});

test("an image that a local server does not have is refused, and nothing is left", async () => {
  const before = (await shoreline("ls", "-q", "--all")).stdout;
  for (const args of [
    ["create", "--image", "python:3"],
    ["run", "-i", "t", "bash"],
  ]) {
    const { code, stderr } = await shoreline(...args);
    assert.deepEqual([code, /Error: .*images \(`image`\)/.test(stderr)], [125, true], stderr);
  }
  assert.equal((await shoreline("ls", "-q", "--all")).stdout, before);
  assert.equal((await shoreline("run", "-i", "tensorlake/ubuntu-minimal", "true")).code, 0);
});

test("describe and ls say what limits hold for", async () => {
  await shoreline("create", "--memory", "512", "limited");
  await shoreline("create", "plain");
  const { stdout } = await shoreline("describe", "limited");
  assert.match(stdout, /^Memory: +512 MB for (each process|the sandbox)$/m);
  assert.match(stdout, /^CPUs: +1 \(not enforced\)$/m);
  assert.match(stdout, /^Disk: +1024 MB \(not enforced\)$/m);
  assert.match(stdout, /^Processes: +(not limited|limited for the sandbox)$/m);
  const list = (await shoreline("ls")).stdout.split("\n").map((line) => line.split("\t"));
  const cells = (name: string) => list.find((row) => row[1] === name)?.slice(4, 7);
  assert.deepEqual(cells("limited"), ["-", "512 MB", "-"]);
  assert.deepEqual(cells("plain"), ["-", "-", "-"]);
  const all = JSON.parse((await shoreline("ls", "--json")).stdout) as {
    name: string;
    enforced: Record<string, string>;
  }[];
  const enforced = all.find(({ name }) => name === "plain")?.enforced;
  assert.deepEqual(
    { ...enforced, processes: "" },
    { memory: "none", processes: "", cpus: "none", disk: "none" },
  );
});

test("local --mount shows files of the machine in sandboxes", async () => {
  mkdirSync(join(home, "data"));
  writeFileSync(join(home, "data", "text"), "of the host");
  const server = start(["local", "--json", "--mount", "data:/data"]);
  const done = ended(server);
  let text = "";
  await new Promise<void>((resolve) => {
    server.stdout?.on("data", (chunk: Buffer) => {
      text += String(chunk);
      if (text.includes("}")) resolve();
    });
    void done.then(() => {
      resolve();
    });
  });
  if (text === "") {
    // Only isolated sandboxes can have mounts.
    const { code, stderr } = await done;
    assert.deepEqual([code, stderr.includes("--mount needs isolation")], [125, true], stderr);
    return;
  }
  const { url, apiKey } = JSON.parse(text) as { url: string; apiKey: string };
  const env = { TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: apiKey };
  assert.equal((await ended(start(["run", "cat", "/data/text"], env))).stdout, "of the host");
  server.kill("SIGINT");
  await done;
});

test("a mount that is not possible is reported", async () => {
  const { code, stderr } = await shoreline("local", "--mount", "data:data");
  assert.equal(code, 125);
  assert.match(stderr, /--mount (needs isolation|data:data: INSIDE must be an absolute path)/);
});
