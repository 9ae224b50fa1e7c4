// Tools that control processes.
import { lineOf, PID } from "./commands.js";
import { Refusal } from "./failure.js";
import { boolean, oneOf, optional, string } from "./schema.js";
import { bytesOf, count, cut, within } from "./text.js";
import { result, type Shared, tool } from "./tool.js";
import type { SandboxTool } from "./types.js";

/** Seconds that a killed process may take to end. */
const END_SECONDS = 5;
/** Processes that are listed. */
const LISTED = 100;
const COMMAND_BYTES = 200;
/** Characters that are written to a process at once. */
const INPUT_CHARS = 100_000;

const SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

export function processTools(shared: Shared): SandboxTool[] {
  return [
    tool(
      {
        name: "write_stdin",
        title: "Write to a process",
        description:
          "Writes text to the standard input of a process that start_process started with stdin: true. End a line with \\n. Read the answer with read_output.",
        input: {
          pid: PID,
          input: string("The text.", { minLength: 0, maxLength: INPUT_CHARS }),
          close: optional(boolean("Ends the input after the text.")),
        },
        output: { bytes: result.integer("Bytes that were written.") },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: false,
          openWorldHint: true,
        },
        lane: "others",
        run: async ({ pid, input, close = false }, { sandbox, signal }) => {
          const info = await sandbox.getProcess(pid, { signal });
          if (info.status !== "running")
            throw new Refusal(
              "conflict",
              `Process ${pid} has ended: its input cannot be written. Read its output with read_output.`,
            );
          if (!info.stdinWritable)
            throw new Refusal(
              "conflict",
              `The input of process ${pid} is closed. Start the process with start_process and stdin: true.`,
            );
          if (input !== "") await sandbox.writeStdin(pid, input, { signal });
          if (close) await sandbox.closeStdin(pid, { signal });
          const bytes = bytesOf(input);
          const closed = close ? ", and closed it" : "";
          return {
            text: `Wrote ${count(bytes, "byte")} to the input of process ${pid}${closed}.`,
            structured: { bytes },
            isError: false,
          };
        },
      },
      shared,
    ),
    tool(
      {
        name: "kill_process",
        title: "Kill a process",
        description:
          "Kills a process and everything in its process group, and waits for its end. Another signal than SIGKILL goes to the process only, which may go on.",
        input: { pid: PID, signal: optional(oneOf("The signal.", SIGNALS), "SIGKILL") },
        output: {
          running: result.boolean("Whether the process is still running."),
          exit_code: result.integer("The exit code. Absent if a signal ended the process."),
          signal: result.integer("The number of the signal that ended the process."),
        },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "others",
        run: async ({ pid, signal: name = "SIGKILL" }, { sandbox, signal }) => {
          const before = await sandbox.getProcess(pid, { signal });
          if (before.status === "running") {
            if (name === "SIGKILL") await sandbox.killProcess(pid, { signal });
            else await sandbox.sendSignal(pid, name, { signal });
          }
          const process = sandbox.process({ ...before, sandboxId: sandbox.sandboxId });
          await process.wait({ timeout: END_SECONDS, signal }).catch(() => undefined);
          const { exitCode, signal: by } = process;
          const running = process.status === "running";
          const how =
            exitCode !== null ? `exited with ${exitCode}` : `was ended by signal ${by ?? "unknown"}`;
          return {
            text: running
              ? `${name} was sent, but process ${pid} is still running. Use SIGKILL to end it.`
              : `Process ${pid} ${before.status === "running" ? how : `had ended before: it ${how}`}.`,
            structured: {
              running,
              ...(exitCode !== null && { exit_code: exitCode }),
              ...(by !== null && { signal: by }),
            },
            isError: false,
          };
        },
      },
      shared,
    ),
    tool(
      {
        name: "list_processes",
        title: "List processes",
        description: `Lists the processes that were started in the sandbox: those that run first, then those that ended last. At most ${LISTED}.`,
        input: {},
        output: {
          processes: result.list("The processes.", {
            type: "object",
            properties: {
              pid: { type: "integer", description: "The process id." },
              command: { type: "string", description: "The command." },
              status: { type: "string", description: "running, exited, signaled or oom_killed." },
              exit_code: { type: "integer", description: "The exit code, if it exited." },
            },
          }),
          truncated: result.boolean("Whether there are more."),
        },
        annotations: {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "others",
        run: async (_, { sandbox, signal }) => {
          const all = await sandbox.listProcesses({ signal });
          all.sort(
            (a, b) =>
              Number(b.status === "running") - Number(a.status === "running") ||
              b.startedAt.getTime() - a.startedAt.getTime(),
          );
          const shown = all.slice(0, LISTED).map((info) => ({
            pid: info.pid,
            command: cut(lineOf(info) ?? [info.command, ...info.args].join(" "), COMMAND_BYTES),
            status: info.status,
            ...(info.exitCode !== null && { exit_code: info.exitCode }),
          }));
          const rows = within(
            shown.map(
              ({ pid, command, status, exit_code: code }) =>
                `${pid}\t${status}${code === undefined ? "" : ` ${code}`}\t${JSON.stringify(command)}`,
            ),
            shared.maxResultBytes - 100,
          );
          const truncated = rows.length < all.length;
          const more = truncated ? `\n[${all.length - rows.length} more]` : "";
          return {
            text:
              rows.length === 0
                ? "No process was started."
                : `pid\tstatus\tcommand\n${rows.join("\n")}${more}`,
            structured: { processes: shown.slice(0, rows.length), truncated },
            isError: false,
          };
        },
      },
      shared,
    ),
  ];
}
