#!/usr/bin/env node
// The command line, on the public API only.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { readFileSync } from "node:fs";
import type { GlobalOptions } from "./client.js";
import { addHelp } from "./help.js";
import { codeOf, EXIT, sayError } from "./exit.js";
import { arrange, commandIn } from "./options.js";
import { beQuiet } from "./print.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("shoreline")
  .description("Runs commands in remote sandboxes, or in local sandboxes if no API key is set.")
  .version(version)
  .option(
    "--api-url <url>",
    "the address of the API; default: TENSORLAKE_API_URL, otherwise the Tensorlake cloud",
  )
  .option(
    "--api-key <key>",
    "the API key; default: TENSORLAKE_API_KEY. Other users of this machine can see the option, but not the variable",
  )
  .option("--namespace <namespace>", "the namespace of a self-hosted server; default: INDEXIFY_NAMESPACE")
  .option(
    "--organization <id>",
    "the organization, used together with --project; default: TENSORLAKE_ORGANIZATION_ID",
  )
  .option("--project <id>", "the project, used together with --organization; default: TENSORLAKE_PROJECT_ID")
  .option("--debug", "print the stack traces of errors")
  .option("--quiet", "print results and errors only")
  .hook("preAction", () => {
    if (program.opts<GlobalOptions>().quiet) beQuiet();
  })
  .enablePositionalOptions()
  .showHelpAfterError("(see --help)")
  .showSuggestionAfterError()
  .addHelpText(
    "after",
    `
Exit codes: the command's own, or 128 + its signal; ${EXIT.usage} usage error; ${EXIT.authentication} not allowed; ${EXIT.notFound} not found;
${EXIT.connection} connection failed or lost; ${EXIT.timeout} time limit exceeded; ${EXIT.failure} other failure; ${EXIT.notExecutable} command not executable;
${EXIT.commandNotFound} command not found in the sandbox.

Commands, options and output are those of \`tl sbx\`, and --json prints records of the API in snake_case. Differences:
- Output passes byte for byte, without an added newline. Piped input becomes the command's input. Ctrl-C ends the
  command. run always terminates its sandbox. Failures of this program have their own exit codes.
- On a terminal, tables have aligned columns, and ps shows how processes ended. Otherwise both are as in \`tl sbx\`.
- ls and describe show \`-\` for a limit that is not enforced and for an image that the server does not report.
  describe shows whether a limit applies to the sandbox or to each process.
- logs prints the output of a process, not the server's log. port rm does not change unauthenticated access.
- There is no checkpoint, copy, fs, image, update, ls --archived or create --cloud-init.`,
  );

/** What adds commands, by their names and other names, in the order of the help. The code of others is not loaded. */
const COMMANDS: [string, () => Promise<(program: Command) => void>][] = [
  ["run exec", async () => (await import("./run.js")).addRunning],
  [
    "ls list create new describe info terminate stop suspend resume name",
    async () => (await import("./sandboxes.js")).addSandboxes,
  ],
  ["ps logs kill restart", async () => (await import("./processes.js")).addProcesses],
  ["top", async () => (await import("./top.js")).addTop],
  ["ssh pty", async () => (await import("./terminal.js")).addTerminals],
  ["cp", async () => (await import("./copy.js")).addCopying],
  ["port ports tunnel", async () => (await import("./ports.js")).addPorts],
  ["local", async () => (await import("./local.js")).addLocal],
  ["console", async () => (await import("./console.js")).addConsole],
  ["mcp", async () => (await import("./mcp.js")).addMcp],
  ["doctor", async () => (await import("./doctor.js")).addDoctor],
  ["completion complete", async () => (await import("./completion.js")).addCompletion],
];

const words = process.argv.slice(2);
const called = commandIn(program, words);
const one = COMMANDS.filter(([names]) => names.split(" ").includes(called));
// The help, suggestions and completions are about all of them.
const needed = one.length === 0 || called.startsWith("complet") ? COMMANDS : one;
for (const add of await Promise.all(needed.map(([, load]) => load()))) add(program);
addHelp(program);

for (const command of [program, ...program.commands.flatMap((each) => [each, ...each.commands])]) {
  command.exitOverride().configureHelp({ sortSubcommands: false });
}

try {
  await program.parseAsync(arrange(program, words), { from: "user" });
} catch (error) {
  // The parser says what is wrong with a value that it reads, but not what a command finds later.
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError)) {
    // It has said what is wrong.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  } else {
    sayError(error, program.opts<GlobalOptions>().debug ?? false);
    process.exitCode = error instanceof InvalidArgumentError ? EXIT.usage : codeOf(error);
  }
}
