// doctor: what works here, and what to do about what does not.
import type { Command } from "commander";
import { Sandbox } from "shoreline";
import { sharedLocal } from "shoreline/local";
import { type GlobalOptions, isRemote } from "./client.js";
import { codeOf } from "./exit.js";
import { isolationAdvice } from "./isolation.js";
import { json } from "./options.js";
import { printJson, printMarked } from "./print.js";

interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("check the setup")
    .description(
      "Checks the program, the server and the API key, and runs a command in a new sandbox. The exit code is 0 if every check passes, otherwise that of the first failure.",
    )
    .addOption(json())
    .action(async (options: { json?: boolean }) => {
      const checks: Check[] = [];
      let failed: unknown;
      const check = async (name: string, work: () => Promise<string>) => {
        if (failed !== undefined) return;
        try {
          checks.push({ name, ok: true, detail: await work() });
        } catch (error) {
          failed = error;
          checks.push({ name, ok: false, detail: error instanceof Error ? error.message : String(error) });
        }
      };
      await examine(program.opts(), program.version() ?? "", check);
      if (options.json) printJson(checks);
      else
        for (const { name, ok, detail } of checks)
          printMarked(name.padEnd(10), ok ? "ok" : "FAILED", ok ? 32 : 31, `  ${detail}`);
      if (failed !== undefined) process.exitCode = codeOf(failed);
    });
}

async function examine(
  globals: GlobalOptions,
  version: string,
  check: (name: string, work: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const { apiUrl, apiKey, namespace, organization: organizationId, project: projectId } = globals;
  const isolation: string[] = [];
  let client = { apiUrl, apiKey, namespace, organizationId, projectId };
  await check(
    "program",
    async () => `shoreline ${version}, Node ${process.versions.node}, ${process.platform}-${process.arch}`,
  );
  await check("server", async () => {
    if (isRemote(globals)) {
      // Credentials in it are refused by the next check.
      const url = (apiUrl ?? process.env.TENSORLAKE_API_URL)?.replace(/\/\/[^/]*@/, "//");
      return `${url ?? "the Tensorlake cloud"}, ${apiKey || process.env.TENSORLAKE_API_KEY ? "with a key" : "without a key"}`;
    }
    const local = await sharedLocal();
    client = { ...client, apiUrl: local.url, apiKey: local.apiKey };
    isolation.push(local.isolation, ...isolationAdvice(local.isolation));
    return `local, ${local.url}`;
  });
  if (isolation.length > 0) await check("isolation", async () => isolation.join("; "));
  await check("key", async () => {
    const sandboxes = await Sandbox.list(client);
    return `accepted; ${sandboxes.length} sandboxes`;
  });
  await check("command", async () => {
    const began = performance.now();
    await using sandbox = await Sandbox.create(client);
    const made = performance.now() - began;
    const { stdout, durationMs } = await sandbox.run("echo", { args: ["works"], check: true });
    if (stdout !== "works") throw new Error(`echo works gave ${JSON.stringify(stdout)}`);
    return `a sandbox in ${Math.round(made)} ms, a command in ${Math.round(durationMs)} ms`;
  });
}
