// The contract suite in another program that runs JavaScript; the environment says which.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { contractIn } from "../contract.js";
import type { Answer } from "../inside/answer.js";

const { name, command, args } = JSON.parse(process.env.SHORELINE_RUNTIME ?? "{}") as {
  name: string;
  command: string;
  args: string[];
};

contractIn(async () => {
  const program = fileURLToPath(new URL("../inside/program.js", import.meta.url));
  const child = spawn(command, [...args, program], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn");
  const waiting = new Map<number, (answer: Answer) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ...answer } = JSON.parse(line) as Answer & { id: number };
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  const exited = once(child, "exit").then(([code, signal]) => {
    for (const answer of waiting.values()) answer({ error: `${command} ended: ${code ?? signal}` });
  });
  let asked = 0;
  const [version] = /\d+\.\d+\.\d+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" })) ?? [];
  return {
    version: `${name} ${version}`,
    call: (request) =>
      new Promise((resolve) => {
        waiting.set(++asked, resolve);
        child.stdin.write(`${JSON.stringify({ id: asked, request })}\n`);
      }),
    close: async () => {
      // The end of its input is the end of the program, unless something keeps it running.
      child.stdin.end();
      await exited;
    },
  };
});
