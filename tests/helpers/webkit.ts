// WebKitGTK, driven over WebDriver (W3C): the driver that WEBKIT_DRIVER names, or the system's, which knows its browser.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { TIMEOUT } from "./chromium.js";
import { unusedPort } from "./loopback.js";
import { eventually } from "./processes.js";

type Command = (method: "GET" | "POST" | "DELETE", path: string, body?: object) => Promise<unknown>;

export interface WebKit {
  /** The version of WebKitGTK. */
  version: string;
  /** Sends a command of the session: its path below the session's. */
  command: Command;
  close: () => Promise<void>;
}

/** A browser other than the system's, and its arguments. */
interface Program {
  binary: string;
  args: string[];
}

export async function launchWebKit(program?: Program): Promise<WebKit> {
  const started: ChildProcess[] = [];
  const start = (path: string, args: string[], env?: Record<string, string>) => {
    const stdio = ["ignore", "ignore", "ignore", "pipe"] as const;
    const child = spawn(path, args, { env: { ...process.env, ...env }, stdio: [...stdio] });
    started.push(child);
    return child;
  };
  const end = async () => {
    for (const child of started.reverse()) await ended(child);
  };
  try {
    // It chooses an unused display and writes the number.
    const screen = start("Xvfb", ["-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "1280x900x24"]);
    const failed = once(screen, "exit").then(() => Promise.reject(new Error("Xvfb does not run")));
    const [display] = (await Promise.race([once(screen.stdio[3] as Readable, "data"), failed])) as [Buffer];
    const port = await unusedPort();
    const driver = start(process.env.WEBKIT_DRIVER ?? "/usr/bin/WebKitWebDriver", [`--port=${port}`], {
      DISPLAY: `:${String(display).trim()}`,
      LIBGL_ALWAYS_SOFTWARE: "1",
      // The browser's own sandbox needs user namespaces, which root in a container may not have.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
    });
    const ask: Command = (method, path, body) => asked(method, `http://127.0.0.1:${port}${path}`, body);
    await eventually("WebKitWebDriver listens", async () => {
      if (driver.exitCode !== null) throw new Error("WebKitWebDriver does not run");
      return ask("GET", "/status").then(yes, no);
    });
    const timeouts = { pageLoad: TIMEOUT, script: TIMEOUT };
    const capabilities = {
      alwaysMatch: { timeouts, ...(program && { "webkitgtk:browserOptions": program }) },
    };
    const session = (await ask("POST", "/session", { capabilities })) as {
      sessionId: string;
      capabilities: { browserVersion: string };
    };
    const command: Command = (method, path, body) =>
      ask(method, `/session/${session.sessionId}${path}`, method === "POST" ? { ...body } : undefined);
    return {
      version: session.capabilities.browserVersion,
      command,
      close: async () => {
        await command("DELETE", "");
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function asked(method: string, url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
  const { value } = (await response.json()) as { value: { error?: string; message?: string } | null };
  if (!response.ok) throw new Error(`WebKit: ${value?.error}: ${value?.message}`);
  return value;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill();
  await exit;
}

/** Opens a page, and waits until its scripts have run: WebDriver says earlier that it is there. */
export async function goTo(command: Command, url: string): Promise<void> {
  await command("POST", "/url", { url });
  const script = `const [url, done] = arguments;
    if (location.href.replace(/#.*/, "") !== url) done(false);
    else if (document.readyState === "complete") done(true);
    else addEventListener("load", () => done(true));`;
  // The page may change the part after it.
  const { href } = new URL(url.replace(/#.*/, ""));
  await eventually(`${url} is loaded`, async () =>
    Boolean(await command("POST", "/execute/async", { script, args: [href] })),
  );
}

/** Calls a function in the page, and gives what its promise comes to. */
export async function evaluate<T, A>(command: Command, work: (given: A) => T, given: A): Promise<Awaited<T>> {
  const answer = await command("POST", "/execute/async", {
    script: `const [given, done] = arguments;
      Promise.resolve(given).then(${work.toString()}).then(
        (value) => done(value === undefined ? {} : { value }), (error) => done({ error: String(error) }));`,
    args: [given ?? null],
  });
  const { value, error } = answer as { value?: Awaited<T>; error?: string };
  if (error !== undefined) throw new Error(error);
  return value as Awaited<T>;
}

const yes = () => true;
const no = () => false;
