// ssh, and pty ls, attach and rm.
import { execFileSync } from "node:child_process";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import type { CreatePtyOptions, Pty, Sandbox } from "shoreline";
import { stateFile } from "shoreline/local";
import { makeOwnDirectory, readOwnFile, writeOwnFile } from "../local/own-file.js";
import { sandboxOf } from "./client.js";
import { EXIT, Failure, misused } from "./exit.js";
import { each, json, variable } from "./options.js";
import { ago, note, print, printRecord } from "./print.js";
import { printTable } from "./table.js";

interface SshOptions {
  shell: string;
  shellArg?: string[];
  workdir?: string;
  env?: Record<string, string>;
}

export function addTerminals(program: Command): void {
  program
    .command("ssh <sandbox>")
    .summary("open a terminal")
    .description(
      "Opens a terminal in a sandbox, and resumes the sandbox first if it is suspended. Reconnects if the connection breaks. Enter ~ . detaches.",
    )
    .option("-s, --shell <shell>", "the shell to run", "/bin/bash")
    .option("--shell-arg <argument>", "an argument for the shell; can be repeated", each(String))
    .option("-w, --workdir <directory>", "the working directory")
    .option("-e, --env <NAME=VALUE>", "an environment variable; can be repeated", variable)
    .action(async (idOrName: string, options: SshOptions) => {
      mustBeTerminal("ssh");
      const sandbox = await sandboxOf(program.opts(), idOrName);
      if ((await sandbox.status()) === "suspended") {
        note(`Resuming sandbox ${idOrName}...`);
        await sandbox.resume();
      }
      process.exitCode = await openTerminal(sandbox, idOrName, {
        command: options.shell,
        args: options.shellArg,
        workingDir: options.workdir,
        env: options.env,
      });
    });

  const pty = program.command("pty").summary("manage open terminals").description("Manages open terminals.");
  pty
    .command("ls <sandbox>")
    .description("Lists the terminals of a sandbox.")
    .addOption(json())
    .action(async (idOrName: string, options: { json?: boolean }) => {
      const sessions = await (await sandboxOf(program.opts(), idOrName)).listPtys();
      if (options.json) {
        printRecord(sessions);
        return;
      }
      if (sessions.length === 0) {
        print(`No PTY sessions for sandbox ${idOrName}.`);
        return;
      }
      await printTable(
        ["Session ID", "Command", "Status", "Size", "Created", "Token"],
        sessions.map((session) => [
          session.sessionId,
          [session.command, ...session.args].join(" "),
          session.isAlive ? "running" : "ended",
          `${session.cols}x${session.rows}`,
          ago(session.createdAt),
          token(session.sessionId) === undefined ? "no" : "yes",
        ]),
      );
    });
  pty
    .command("attach <sandbox> <session>")
    .description(
      "Attaches to an open terminal. Terminals that `shoreline ssh` opened on this machine need no --token.",
    )
    .option("--token <token>", "the token of the terminal")
    .action(async (idOrName: string, session: string, options: { token?: string }) => {
      mustBeTerminal("pty attach");
      const secret = options.token ?? token(session);
      if (secret === undefined) {
        throw misused("the session's token is not known here: give it by --token");
      }
      const sandbox = await sandboxOf(program.opts(), idOrName);
      process.exitCode = await attached(await sandbox.connectPty(session, secret, reattaching), idOrName);
    });
  pty
    .command("rm <sandbox> [sessions...]")
    .description("Ends terminals and the programs in them.")
    .option("--all", "end all terminals of the sandbox")
    .action(async (idOrName: string, sessions: string[], options: { all?: boolean }) => {
      const sandbox = await sandboxOf(program.opts(), idOrName);
      await remove(sandbox, idOrName, sessions, options.all);
    });
}

/**
 * Runs a command in a terminal, which this one is until that ends; gives its exit code. `name`: what the user calls the
 * sandbox. `leaving`: see `attached`.
 */
export async function openTerminal(
  sandbox: Sandbox,
  name: string,
  options: Pick<CreatePtyOptions, "command" | "args" | "workingDir" | "env">,
  leaving?: () => Promise<void>,
): Promise<number> {
  const { TERM = "xterm-256color" } = process.env;
  const pty = await sandbox.createPty({
    ...options,
    env: { TERM, COLORTERM: "truecolor", ...options.env },
    ...size(),
    ...reattaching,
  });
  keepToken(pty);
  return attached(pty, name, leaving);
}

async function remove(
  sandbox: Sandbox,
  idOrName: string,
  sessions: string[],
  all: boolean | undefined,
): Promise<void> {
  if (all === sessions.length > 0) throw misused("name the sessions to end, or give --all");
  const ids = all ? (await sandbox.listPtys()).map(({ sessionId }) => sessionId) : sessions;
  for (const id of ids) await sandbox.killPty(id);
  const [only] = ids;
  print(
    ids.length === 1
      ? `Removed PTY session ${only} from sandbox ${idOrName}.`
      : `Removed ${ids.length} PTY sessions from sandbox ${idOrName}.`,
  );
}

function mustBeTerminal(what: string): void {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw misused(`${what} requires an interactive terminal: use \`shoreline exec\` in scripts`);
}

function size(): { cols: number; rows: number } {
  return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

const reattaching = {
  reattach: true,
  onReattach: ({ lostBytes }: { lostBytes: number | undefined }) => {
    if (!lostBytes) return;
    process.stderr.write(`\r\n[the connection broke: ${lostBytes} bytes of output are missing]\r\n`);
  },
} as const;

/** What programs leave on when they are cut off: the other screen, the mouse, pasting in brackets, no cursor. */
const RESTORED =
  "\u001b[?1049l\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1006l\u001b[?2004l\u001b[?25h\u001b[0m\r\n";

/**
 * This terminal is the remote one until that ends; gives its exit code. Enter ~ . leaves it running, or where there is
 * `leaving`, does that.
 */
async function attached(pty: Pty, name: string, leaving?: () => Promise<void>): Promise<number> {
  const { stdin, stdout } = process;
  let left = false;
  let whole = false;
  const leave = (code: number) => {
    if (left) return;
    left = true;
    pty.disconnect();
    restore();
    if (leaving) {
      const exit = () => process.exit(code);
      leaving().then(exit, exit);
      return;
    }
    note(`Detached; the terminal keeps running. To reattach: shoreline pty attach ${attachTo(name, pty)}`);
    process.exit(code);
  };
  const restore = () => {
    stdin.setRawMode(false);
    if (!whole) stdout.write(RESTORED);
  };
  const handlers = (["SIGTERM", "SIGHUP"] as const).map((name) => {
    const handler = () => {
      leave(128 + constants.signals[name]);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  const resize = () => {
    const { cols, rows } = size();
    // One that is just away has its size set when it is back.
    pty.resize(cols, rows).catch(() => undefined);
  };
  const escape = escapes(() => {
    leave(0);
  });
  // Keys are read between two writes: a write to a terminal blocks as long as that is slow.
  const show = (data: Uint8Array) =>
    new Promise<void>((resolve) => stdout.write(data, () => setImmediate(resolve)));
  const input = (data: Buffer) => {
    const typed = escape(data);
    if (typed.length > 0) pty.sendInput(typed).catch(() => undefined);
  };
  stdin.setRawMode(true);
  leaveOutputAlone();
  pty.onData(show);
  stdout.on("resize", resize);
  // The size may have changed since the terminal was asked for. To the same size nothing happens.
  resize();
  stdin.on("data", input);
  try {
    const code = await pty.wait();
    whole = true;
    const { signal = null, reason = "the terminal's program was ended by a signal" } = pty.exit ?? {};
    if (signal !== null) return 128 + signal;
    if (code !== null && code >= 0) return code;
    throw new Failure(EXIT.failure, reason);
  } finally {
    left = true;
    stdin.off("data", input);
    stdin.pause();
    stdout.off("resize", resize);
    for (const [name, handler] of handlers) process.off(name, handler);
    restore();
  }
}

/** The arguments of `pty attach`, as a shell reads them. A session's id can begin with a dash. */
function attachTo(name: string, { sessionId }: Pty): string {
  const sandbox = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  const dashed = [name, sessionId].some((word) => word.startsWith("-"));
  return `${dashed ? "-- " : ""}${sandbox} ${sessionId}`;
}

/**
 * Node's raw mode still makes `\\n` go back to the first column, while full-screen programs mean the line below.
 * Leaving raw mode undoes it.
 */
function leaveOutputAlone(): void {
  try {
    execFileSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  } catch {
    // Where there is no stty there are no such settings.
  }
}

/**
 * Gives on what is typed, except `~.` at the beginning of a line, which leaves. As in OpenSSH, a `~` there waits for the
 * next key, and `~~` is one.
 */
function escapes(leave: () => void): (data: Buffer) => Buffer {
  let [atStart, waits] = [true, false];
  return (data) => {
    if (!waits && !data.includes("~")) {
      if (data.length > 0) atStart = /[\r\n]$/.test(data.toString("latin1", data.length - 1));
      return data;
    }
    let typed = "";
    for (const char of data.toString("latin1")) {
      if (waits && char === ".") {
        leave();
        return Buffer.alloc(0);
      }
      const begins = atStart && char === "~" && !waits;
      if (!begins) typed += waits && char !== "~" ? `~${char}` : char;
      [waits, atStart] = [begins, begins || char === "\r" || char === "\n"];
    }
    return Buffer.from(typed, "latin1");
  };
}

/** Tokens of terminals that were opened here, by session, for their owner only. */
const tokens = () => join(dirname(stateFile()), "ptys.json");
/** How many are remembered. */
const REMEMBERED = 200;

function known(): Record<string, string> {
  try {
    return JSON.parse(readOwnFile(tokens()) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

function token(session: string): string | undefined {
  const found = known()[session];
  return typeof found === "string" ? found : undefined;
}

function keepToken({ sessionId, token }: Pty): void {
  const all = Object.entries({ ...known(), [sessionId]: token }).slice(-REMEMBERED);
  try {
    makeOwnDirectory(dirname(tokens()));
    writeOwnFile(tokens(), JSON.stringify(Object.fromEntries(all)));
  } catch {
    // It is then attached to with --token.
  }
}
