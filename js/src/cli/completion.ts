// completion: scripts for shells, which ask this program what comes next.
import { type Command, Argument } from "commander";
import { readdirSync } from "node:fs";
import { Sandbox } from "shoreline";
import { existingOptions, type GlobalOptions } from "./client.js";
import { beQuiet, print } from "./print.js";

/** Names come from servers and sandboxes: each shell quotes what it inserts. What ends in `:` or `/` goes on. */
const SCRIPTS = {
  // Readline ends words at colons and equal signs, which are put together again, and replaces what is behind the last.
  bash: `_shoreline() {
  local i n=0 word cur prefix found
  local -a words=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((n > 0)) && [[ $word == [:=]* || \${COMP_WORDS[i - 1]} == *[:=] ]]; then
      words[n - 1]+=$word
    else
      words[n++]=$word
    fi
  done
  cur=\${words[n - 1]}
  prefix=\${cur%"\${cur##*[:=]}"}
  for ((i = 0; i < n; i++)); do
    word=\${words[i]//\\\\/}
    words[i]=\${word//[\\"\\']/}
  done
  COMPREPLY=()
  while IFS= read -r found; do
    [[ -n $found ]] || continue
    [[ $found == *[:/] ]] && compopt -o nospace 2>/dev/null
    COMPREPLY+=("$(printf %q "\${found#"\${prefix//\\\\/}"}")")
  done <<<"$(shoreline complete -- "\${words[@]}" 2>/dev/null)"
}
complete -o default -F _shoreline shoreline`,
  zsh: `#compdef shoreline
_shoreline() {
  local -a found begun
  found=("\${(@f)$(shoreline complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  begun=("\${(@M)found:#*[:/]}")
  found=("\${(@)\${(@)found:#*[:/]}:#}")
  [[ -n $begun[1] ]] && compadd -S '' -- "$begun[@]"
  [[ -n $found[1] ]] && compadd -- "$found[@]"
  [[ -n $begun[1] || -n $found[1] ]] || _files
}
compdef _shoreline shoreline`,
  fish: `function __shoreline_complete
  set -l words (commandline -opc)
  shoreline complete -- $words[2..] (string unescape -- (commandline -ct)) 2>/dev/null
end
complete -c shoreline -f -a '(__shoreline_complete)'`,
};

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .summary("print completions for a shell")
    .description(
      'Prints a completion script. bash: eval "$(shoreline completion bash)" in ~/.bashrc. zsh: the same line in ~/.zshrc, after compinit. fish: shoreline completion fish > ~/.config/fish/completions/shoreline.fish',
    )
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => {
      for (const line of SCRIPTS[shell].split("\n")) print(line);
    });
  program.command("complete [words...]", { hidden: true }).action(async (words: string[]) => {
    beQuiet();
    for (const word of await candidates(program, words)) print(word);
  });
}

/** What the last word may become. */
async function candidates(program: Command, words: string[]): Promise<string[]> {
  let command = program;
  const operands: string[] = [];
  for (let at = 0; at < words.length - 1; at++) {
    const word = words[at] as string;
    const option = [...command.options, ...program.options].find(({ short, long }) =>
      [short, long].includes(word),
    );
    const found = operands.length === 0 && command.commands.find((each) => names(each).includes(word));
    if (found) command = found;
    else if (option?.required) at++;
    else if (!word.startsWith("-")) operands.push(word);
  }
  const last = words.at(-1) ?? "";
  const fits = (text: string) => text.startsWith(last);
  if (last.startsWith("-")) {
    return [...command.options, ...program.options].flatMap(({ long }) => long ?? []).filter(fits);
  }
  if (operands.length === 0 && command.commands.length > 0) {
    return command.commands.flatMap(names).filter((name) => fits(name) && name !== "complete");
  }
  const known = command.registeredArguments;
  const wanted = known[Math.min(operands.length, known.length - 1)]?.name() ?? "";
  try {
    return (await values(wanted, operands[0] ?? "", last, program.opts())).filter(fits);
  } catch {
    // The shell has nothing to say about a server that is not there.
    return [];
  }
}

const names = (command: Command) => [command.name(), ...command.aliases()];

/** The values of an argument; `sandbox` is the operand before it. Asking starts nothing. */
async function values(
  name: string,
  sandbox: string,
  last: string,
  globals: GlobalOptions,
): Promise<string[]> {
  const found = await existingOptions(globals);
  if (name === "source" || name === "destination") return paths(last, found);
  if (!found) return [];
  const client = { ...found, maxRetries: 0, connectTimeout: 2 };
  switch (name) {
    case "sandbox":
    case "sandboxes":
      return sandboxes(client);
    case "process": {
      const all = await (await running(sandbox, client)).listProcesses();
      return all.flatMap(({ pid, managed }) => [...(managed?.name ? [managed.name] : []), String(pid)]);
    }
    case "port":
    case "ports":
      return ((await (await running(sandbox, client)).info()).exposedPorts ?? []).map(String);
    case "session":
    case "sessions":
      return (await (await running(sandbox, client)).listPtys()).map(({ sessionId }) => sessionId);
    default:
      return [];
  }
}

/** A sandbox that runs: a request to a suspended one would resume it. */
async function running(idOrName: string, client: Client): Promise<Sandbox> {
  const sandbox = await Sandbox.connect(idOrName, client);
  if ((await sandbox.status()) !== "running") throw new Error("it does not run");
  return sandbox;
}

type Client = Parameters<typeof Sandbox.list>[0];

/** The names of sandboxes, or their ids. */
async function sandboxes(client: Client): Promise<string[]> {
  const all = await Sandbox.list(client);
  return all.filter(({ status }) => status !== "terminated").map(({ sandboxId, name }) => name ?? sandboxId);
}

/** Paths here, and sandboxes with a colon; behind that, paths in the sandbox. */
async function paths(last: string, found: Client): Promise<string[]> {
  const [, sandbox, path] = /^([A-Za-z0-9_-]{2,}):(.*)$/s.exec(last) ?? [];
  const client = found && { ...found, maxRetries: 0, connectTimeout: 2 };
  if (sandbox !== undefined && path !== undefined) {
    if (!client) return [];
    const above = path.slice(0, path.lastIndexOf("/") + 1);
    const { entries } = await (await running(sandbox, client)).listDirectory(above || ".");
    return entries.map(({ name, isDir }) => `${sandbox}:${above}${name}${isDir ? "/" : ""}`);
  }
  const above = last.slice(0, last.lastIndexOf("/") + 1);
  const here = entriesHere(above || ".").map((name) => above + name);
  const there = client ? await sandboxes(client).catch(() => []) : [];
  return [...here, ...there.map((name) => `${name}:`)];
}

/** Names in a directory of this machine; hidden ones are left to the shell. */
function entriesHere(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith("."))
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  } catch {
    return [];
  }
}
