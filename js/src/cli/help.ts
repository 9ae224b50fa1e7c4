// Help texts: examples, and suggestions for unknown commands.
import type { Command } from "commander";

/** Lines to copy, by command. */
const EXAMPLES: Record<string, string[]> = {
  run: [
    "shoreline run echo hello",
    "shoreline run -t 60 -e MODE=prod make test",
    "cat data | shoreline run wc -l",
  ],
  create: ["shoreline create my-env", "shoreline create -c 2 -m 4096 --env MODE=prod my-env"],
  exec: [
    'shoreline exec my-env sh -c "ls -l | wc -l"',
    "shoreline exec -it my-env python3",
    "shoreline exec --detach --name web my-env python3 -m http.server 8000",
  ],
  cp: [
    "shoreline cp -r . my-env:/workspace/app",
    "shoreline cp -r --exclude node_modules . my-env:app",
    "shoreline cp my-env:/workspace/out.txt .",
  ],
  logs: [
    "shoreline logs my-env 42",
    "shoreline logs -f --tail 20 my-env web",
    "shoreline logs --since 10m --timestamps my-env web",
  ],
  top: ["shoreline top my-env", "shoreline top --once my-env"],
  kill: ["shoreline kill my-env 42", "shoreline kill -s TERM my-env web"],
  tunnel: ["shoreline tunnel my-env 8000"],
  ssh: ["shoreline ssh my-env"],
};

/** Words of other programs, and the commands here. */
const MEANT: Record<string, string> = {
  attach: "pty attach",
  copy: "cp",
  delete: "terminate",
  destroy: "terminate",
  rm: "terminate",
  shell: "ssh",
  start: "resume",
  forward: "tunnel",
  "port-forward": "tunnel",
};

/** Adds examples to the help of commands, and suggestions to errors. */
export function addHelp(program: Command): void {
  for (const command of program.commands.flatMap((each) => [each, ...each.commands])) {
    const examples = EXAMPLES[command.name()]?.map((line) => `  ${line}\n`).join("") ?? "";
    const title = examples === "" ? "" : `\nExamples:\n${examples}`;
    command.addHelpText("after", `${title}\nOptions of every command: shoreline --help`);
    command.configureOutput({
      outputError: (text, write) => {
        const isIncomplete = text.startsWith("error: missing required argument");
        write(isIncomplete ? `${text}Usage: ${fullName(command)} ${command.usage()}\n` : text);
      },
    });
    command.showHelpAfterError(`(see ${fullName(command)} --help)`);
  }
  program.configureOutput({
    outputError: (text, write) => {
      const [, word = ""] = /unknown command '(.*)'/.exec(text) ?? [];
      const meant = Object.hasOwn(MEANT, word) ? MEANT[word] : undefined;
      write(meant === undefined ? text : `error: unknown command '${word}'\n(Did you mean ${meant}?)\n`);
    },
  });
}

/** The words that call a command. */
function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}
