// local: the server of this machine.
import { type Command, Option } from "commander";
import { findShared, type LocalServerOptions, sharedLocal, startLocal } from "shoreline/local";
import { isRunning, processId } from "../local/pid.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure } from "./exit.js";
import { each, json } from "./options.js";
import { note, print, printJson } from "./print.js";

/** How long the server may take to stop, ms. */
const STOP = 5000;

interface LocalOptions {
  allowOrigin?: string[];
  mount?: string[];
  network?: "own" | "host";
  isolation: LocalServerOptions["isolation"];
  json?: boolean;
}

export function addLocal(program: Command): void {
  const local = program
    .command("local")
    .summary("run or manage a local sandbox server")
    .description(
      "Without a subcommand, runs a local sandbox server until Ctrl-C and prints its address and API key. The subcommands manage the shared server, which starts when it is needed and stops when it is idle.",
    )
    .option(
      "--allow-origin <origin>",
      "a web origin whose pages can use the server; can be repeated",
      each(String),
    )
    .option(
      "--mount <HOST:INSIDE[:ro|:rw]>",
      "a local file or directory to mount into every sandbox, read-only unless :rw is given; can be repeated",
      each(String),
    )
    .addOption(
      new Option(
        "--network <network>",
        "own: each sandbox has a network of its own; host: sandboxes use this machine's network",
      ).choices(["own", "host"]),
    )
    .addOption(
      new Option("--isolation <level>", "how sandboxes are isolated from this machine and from each other")
        .choices(["auto", "required", "bubblewrap", "landlock", "none"])
        .default("auto"),
    )
    .addOption(json())
    .action(async (options: LocalOptions) => {
      using interrupts = new Interrupts();
      const { allowOrigin: allowOrigins, mount: mounts, network, isolation: wanted } = options;
      const server = await startLocal({ allowOrigins, mounts, network, isolation: wanted });
      const { url, apiKey, isolation } = server;
      if (options.json) printJson({ url, apiKey, isolation });
      else {
        print(`TENSORLAKE_API_URL=${url}`);
        print(`TENSORLAKE_API_KEY=${apiKey}`);
        note(`The local sandbox server runs, isolation ${isolation}. Press Ctrl-C to stop it.`);
      }
      // It does not keep this program running by itself.
      const running = setInterval(() => undefined, 2 ** 30);
      await new Promise<void>((resolve) => {
        interrupts.onFirst(() => {
          resolve();
        });
      });
      clearInterval(running);
      await server.close();
    });
  local
    .command("status")
    .description("Shows the address, the pid and the isolation of the shared server.")
    .addOption(json())
    .action(async (options: { json?: boolean }) => {
      const server = await findShared();
      const shown = server && { url: server.url, pid: server.pid, isolation: server.isolation };
      if (options.json) {
        printJson(shown ?? null);
        return;
      }
      if (!shown) {
        print("No local server runs.");
        return;
      }
      print(`URL:       ${shown.url}`);
      print(`PID:       ${shown.pid}`);
      print(`Isolation: ${shown.isolation}`);
    });
  local
    .command("start")
    .description("Starts the shared server if it is not running.")
    .addOption(json())
    .action(async (options: { json?: boolean }) => {
      const { url, pid, isolation } = await sharedLocal();
      if (options.json) printJson({ url, pid, isolation });
      else print(url);
    });
  local
    .command("stop")
    .description("Stops the shared server and terminates its sandboxes.")
    .action(async () => {
      const server = await findShared();
      if (!server) {
        print("No local server runs.");
        return;
      }
      const running = processId(server.pid);
      process.kill(server.pid, "SIGTERM");
      const end = performance.now() + STOP;
      while (isRunning(running)) {
        if (performance.now() > end) {
          const text = `the local server (process ${server.pid}) still runs after ${STOP / 1000} s: something in a sandbox does not end. Wait for it, or end the server by \`kill -9 ${server.pid}\``;
          throw new Failure(EXIT.failure, text);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      print("Stopped the local server.");
    });
}
