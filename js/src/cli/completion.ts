// completion: scripts for shells, which ask this program what comes next.
import { type Command, Argument } from "commander";
import { Sandbox } from "shoreline";
import { findShared } from "shoreline/local";
import { type GlobalOptions, isRemote } from "./client.js";
import { print } from "./print.js";

const SCRIPTS = {
  bash: `_shoreline() {
  local IFS=$'\\n'
  COMPREPLY=($(shoreline complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _shoreline shoreline`,
  zsh: `#compdef shoreline
_shoreline() {
  local -a found
  found=("\${(@f)$(shoreline complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -- $found; else _files; fi
}
compdef _shoreline shoreline`,
  fish: `complete -c shoreline -a '(set -l words (commandline -opc) (commandline -ct); shoreline complete -- $words[2..] 2>/dev/null)'`,
};

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .summary("completions for a shell")
    .description(
      'Prints the script. bash: eval "$(shoreline completion bash)" in ~/.bashrc; zsh the same in ~/.zshrc; fish: shoreline completion fish > ~/.config/fish/completions/shoreline.fish',
    )
    .addArgument(new Argument("<shell>", "which one").choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => {
      for (const line of SCRIPTS[shell].split("\n")) print(line);
    });
  program.command("complete [words...]", { hidden: true }).action(async (words: string[]) => {
    for (const word of await candidates(program, words)) print(word);
  });
}

/** What the last word may become. */
async function candidates(program: Command, words: string[]): Promise<string[]> {
  let command = program;
  let argument = 0;
  for (const word of words.slice(0, -1)) {
    const found = argument === 0 ? command.commands.find((each) => names(each).includes(word)) : undefined;
    if (found) command = found;
    else if (!word.startsWith("-")) argument++;
  }
  const last = words.at(-1) ?? "";
  const fits = (text: string) => text.startsWith(last);
  if (last.startsWith("-")) {
    return [...command.options, ...program.options].flatMap(({ long }) => long ?? []).filter(fits);
  }
  if (argument === 0 && command.commands.length > 0) {
    return command.commands.flatMap(names).filter((name) => fits(name) && name !== "complete");
  }
  const wanted = command.registeredArguments[Math.min(argument, command.registeredArguments.length - 1)];
  if (!wanted?.name().startsWith("sandbox")) return [];
  return (await sandboxes(program.opts())).filter(fits);
}

const names = (command: Command) => [command.name(), ...command.aliases()];

/** The names of sandboxes, or their ids; asking starts nothing. */
async function sandboxes(globals: GlobalOptions): Promise<string[]> {
  const { apiUrl, apiKey } = globals;
  const local = isRemote(globals) ? { url: apiUrl, apiKey } : await findShared();
  if (!local) return [];
  try {
    const all = await Sandbox.list({
      apiUrl: local.url,
      apiKey: local.apiKey,
      maxRetries: 0,
      connectTimeout: 2,
    });
    return all
      .filter(({ status }) => status !== "terminated")
      .map(({ sandboxId, name }) => name ?? sandboxId);
  } catch {
    return [];
  }
}
