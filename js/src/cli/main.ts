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
  .description("Runs commands in remote sandboxes, or in local ones where no API key is set.")
  .version(version)
  .option("--api-url <url>", "the API's address; default: TENSORLAKE_API_URL, else the Tensorlake cloud")
  .option(
    "--api-key <key>",
    "the key; default: TENSORLAKE_API_KEY, which other users of this machine do not see",
  )
  .option("--namespace <namespace>", "the namespace of a self-hosted server; default: INDEXIFY_NAMESPACE")
  .option("--organization <id>", "sent with --project; default: TENSORLAKE_ORGANIZATION_ID")
  .option("--project <id>", "sent with --organization; default: TENSORLAKE_PROJECT_ID")
  .option("--debug", "show where an error comes from")
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
Exit codes: the command's own; 128 + its signal; ${EXIT.usage} wrong use; ${EXIT.authentication} not allowed; ${EXIT.notFound} not found;
${EXIT.connection} no connection, or one that was lost; ${EXIT.timeout} a time limit; ${EXIT.failure} another failure; ${EXIT.notExecutable} the command
cannot be executed; ${EXIT.commandNotFound} no such command in the sandbox.

Names, options and lines are those of \`tl sbx\`, and --json prints what its API answers, in snake_case. What differs:
- Output is passed on byte for byte, without an added newline; what is piped in is the command's input; Ctrl-C ends
  the command; run never leaves a sandbox behind; failures of this program have exit codes of their own.
- On a terminal, tables have columns, and ps says how processes have ended. Elsewhere both are as with \`tl sbx\`.
- ls and describe show \`-\` for a limit that is not enforced and for an image that the server does not name, and
  describe says what limits hold for.
- logs prints a process's output, not the server's log. port rm leaves unauthenticated access as it is.
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
