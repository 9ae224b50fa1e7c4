// What the clicks have in common: a server, a way to it that can be cut, a browser, and the console's program.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { type Browser, Tab } from "./tab.js";
import { Way } from "../helpers/way.js";

const PROGRAM = join(process.cwd(), "target", "packed", "node_modules", "shoreline", "pkg", "cli", "main.js");

export class Session {
  server!: LocalServer;
  way!: Way;
  browser!: Browser;
  readonly #programs: ChildProcess[] = [];
  readonly #args: string[];
  /** Whether the page reaches the server through the command. */
  readonly isRelayed: boolean;

  /** `args` are further options of `shoreline console`. */
  constructor(launch: () => Promise<Browser>, args: string[] = []) {
    this.#args = args;
    this.isRelayed = args.includes("--relay");
    before(async () => {
      [this.server, this.browser] = await Promise.all([startLocal(), launch()]);
      this.way = await Way.to(this.server.url);
    });
    after(async () => {
      for (const program of this.#programs) program.kill("SIGKILL");
      await this.browser.close();
      await this.way.close();
      await this.server.close();
    });
  }

  /** Declares a test of a tab that has the console open. */
  test(name: string, work: (t: TestContext, tab: Tab) => Promise<void>): void {
    void test(name, { timeout: 300_000 }, async (t) => {
      const tab = await this.open(t);
      await work(t, tab);
      await tab.noErrors();
    });
  }

  /** A tab that has the console open, in a window of its own or in that of another tab, by a link or an address. */
  async open(t: TestContext, beside?: Tab, address?: string): Promise<Tab> {
    const page = await this.browser.newPage(beside?.page);
    t.after(() => page.close());
    const tab = new Tab(page, this.browser.name);
    await page.goto(address ?? (await this.#link()));
    await tab.shows(".connection", "Connected");
    return tab;
  }

  /** A sandbox of its own that the tab looks at. */
  async inSandbox(t: TestContext, tab: Tab, name: string): Promise<Sandbox> {
    const { url: apiUrl, apiKey } = this.server;
    const sandbox = await Sandbox.create({ apiUrl, apiKey, name });
    t.after(() => sandbox.terminate());
    // A page that is seen again looks at once.
    await tab.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")), undefined);
    await tab.click("button", `${name}…`);
    await tab.shows("h2", name);
    await tab.shows("[role=tab]", "Files");
    return sandbox;
  }

  /** Starts `shoreline console` and gives the link that it prints. */
  async #link(): Promise<string> {
    const env = { ...process.env, TENSORLAKE_API_URL: this.way.url, TENSORLAKE_API_KEY: this.server.apiKey };
    const program = spawn(process.execPath, [PROGRAM, "console", "--no-open", ...this.#args], {
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#programs.push(program);
    const [line] = (await once(program.stdout, "data")) as [Buffer];
    return String(line).trim();
  }
}

/** Runs a command by the form, and looks at it. */
export async function run(tab: Tab, command: string): Promise<void> {
  await tab.fill("Command", command);
  await tab.click("button", "Run");
  await tab.shows(".detail header code", command);
}

/** The lines of output that are in sight, with their numbers. */
export const rows = (tab: Tab): Promise<string[]> => tab.texts(".row");
