// Where the sandboxes of sessions come from, and how they end.
import { type ClientOptions, Sandbox, ShorelineError } from "shoreline";
import { clientOptions, type GlobalOptions } from "../client.js";
import { isHere, leaseSeconds, renewed } from "../lease.js";
import { newSandbox, type NewSandboxOptions } from "../new-sandbox.js";
import { note } from "../print.js";

/** A sandbox of a session. */
export interface Box {
  sandbox: Sandbox;
  /** Ends it, unless it was named. */
  release(): Promise<void>;
}

export class SandboxSource {
  readonly #globals: GlobalOptions;
  readonly #named: string | undefined;
  readonly #wanted: ReturnType<typeof newSandbox>;
  readonly #seconds: number;

  constructor(globals: GlobalOptions, named: string | undefined, options: NewSandboxOptions) {
    this.#globals = globals;
    this.#named = named;
    // Wrong options are told before a client waits for an answer.
    this.#wanted = newSandbox(options);
    this.#seconds = leaseSeconds();
  }

  /** Whether sessions share a sandbox that outlives them. */
  get isNamed(): boolean {
    return this.#named !== undefined;
  }

  async box(): Promise<Box> {
    const client = await clientOptions(this.#globals);
    if (this.#named !== undefined) {
      const sandbox = await this.#find(this.#named, client);
      return { sandbox, release: () => Promise.resolve() };
    }
    const sandbox = await Sandbox.create({ ...client, ...this.#wanted });
    // Killed programs leave no sandbox behind.
    const leave = renewed(sandbox, isHere(client) ? this.#seconds : 0);
    return {
      sandbox,
      release: async () => {
        leave();
        await sandbox.terminate().catch(() => {
          note(
            `Sandbox ${sandbox.sandboxId} may still run: end it by \`shoreline terminate ${sandbox.sandboxId}\`.`,
          );
        });
      },
    };
  }

  /** By id, else by name: one that is suspended is resumed, and one that does not exist is created. */
  async #find(named: string, client: ClientOptions): Promise<Sandbox> {
    try {
      const sandbox = await Sandbox.connect(named, client);
      if ((await sandbox.status()) === "suspended") await sandbox.resume();
      return sandbox;
    } catch (error) {
      if (!ShorelineError.is(error) || error.code !== "sandbox_not_found") throw error;
      return Sandbox.getOrCreate(named, { ...client, ...this.#wanted });
    }
  }
}
