// A real terminal, of which a test is the keyboard and the screen: `script` makes it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { environment, home, PROGRAM } from "./program.js";

const open: ChildProcess[] = [];
after(() => {
  // Of a test that failed; the program ends with its terminal.
  for (const child of open) child.kill("SIGKILL");
});

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** A terminal in which the program runs. */
export class Terminal {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  screen = "";
  #waiting: (() => void)[] = [];

  constructor(args: string[], env: Record<string, string> = {}, columns = 100) {
    const program = [process.execPath, PROGRAM, ...args].map(quoted).join(" ");
    // The settings before and after are compared, and tell the terminal's name. The shell outlives Ctrl-C, which it
    // gets as well: dash would otherwise end at once.
    const line = `trap : INT; stty cols ${columns} rows 30; tty; before=$(stty -g); ${program}; code=$?; [ "$before" = "$(stty -g)" ] && echo clean; exit $code`;
    this.child = spawn("script", ["-qfec", line, "/dev/null"], {
      env: { ...environment, ...env },
      cwd: home,
    });
    open.push(this.child);
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
      for (const look of this.#waiting.splice(0)) look();
    });
    this.ended = once(this.child, "close").then(([code]) => code as number | null);
  }

  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.screen);
      if (found) return found;
      if (this.child.exitCode !== null) throw new Error(`it ended without ${pattern}: ${this.screen}`);
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), this.ended]);
    }
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Makes the terminal another size, as a window does. */
  async resize(cols: number, rows: number): Promise<void> {
    const [name] = await this.shows(/\/dev\/pts\/\d+/);
    execFileSync("stty", ["-F", name, "cols", String(cols), "rows", String(rows)]);
  }
}
