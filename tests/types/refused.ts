// What the compiler must refuse. A line that it takes is an unused expectation, which is an error.
import { Process, Pty, Sandbox, type ShorelineError, Tunnel } from "shoreline";

declare const sandbox: Sandbox;
declare const error: ShorelineError;

export const refused = [
  // @ts-expect-error a sandbox comes from `create` or `connect`
  () => new Sandbox(),
  // @ts-expect-error a process comes from `startProcess` or `process`
  () => new Process(),
  // @ts-expect-error a terminal comes from `createPty` or `connectPty`
  () => new Pty(),
  // @ts-expect-error a tunnel comes from `openTunnel`
  () => new Tunnel(),
  // @ts-expect-error arguments go into the options
  () => sandbox.run("ls", ["-l"]),
  // @ts-expect-error there is no such option
  () => sandbox.run("ls", { cwd: "/" }),
  // @ts-expect-error an argument is a string
  () => sandbox.run("ls", { args: [1] }),
  // @ts-expect-error a timeout is a number of seconds
  () => sandbox.run("ls", { timeout: "10s" }),
  // @ts-expect-error a variable is a string
  () => sandbox.run("ls", { env: { A: 1 } }),
  // @ts-expect-error `name` is for processes that are started
  () => sandbox.run("ls", { name: "a" }),
  // @ts-expect-error there is no such mode
  () => sandbox.startProcess("cat", { stdinMode: "open" }),
  // @ts-expect-error a signal's name begins with SIG
  () => sandbox.sendSignal(1, "TERM"),
  // @ts-expect-error a line for a shell has no arguments
  () => sandbox.sh({ args: [] }),
  // @ts-expect-error an object is no word
  () => sandbox.sh`ls ${{}}`,
  // @ts-expect-error an exit code and a signal exclude each other
  async (): Promise<{ exitCode: number; signal: number }> => sandbox.run("ls"),
  // @ts-expect-error a process is a pid or a name
  () => sandbox.getProcess({ pid: 1 }),
  // @ts-expect-error the name is the first argument
  () => Sandbox.getOrCreate("a", { name: "b" }),
  // @ts-expect-error a time limit is a number of seconds
  () => sandbox.update({ timeoutSecs: "1" }),
  // @ts-expect-error a tunnel listens on this machine only
  () => sandbox.createTunnel(80, { localHost: "0.0.0.0" }),
  // @ts-expect-error numbers are no data
  () => sandbox.writeStdin(1, [1, 2]),
  // @ts-expect-error options without an id
  () => Sandbox.connect({ proxyUrl: "http://localhost:1" }),
  // @ts-expect-error there is no such code
  () => error.code === "NOT_FOUND",
  // @ts-expect-error an exit code may be absent
  async () => (await sandbox.run("ls")).exitCode.toFixed(),
  // @ts-expect-error a result does not change
  async () => ((await sandbox.run("ls")).stdout = ""),
];
