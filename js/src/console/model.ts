// What the console knows: the connection, the sandboxes, and what is in the one that is looked at.
import { computed, effect, type ReadonlySignal, signal, type Signal } from "@preact/signals";
import {
  type ClientOptions,
  ConnectionError,
  type CreateOptions,
  type ProcessAddress,
  type ProcessInfo,
  type PtyInfo,
  Sandbox,
  type SandboxInfo,
  ShorelineError,
  type StartProcessOptions,
} from "shoreline";
import { printable } from "../printable.js";
import { addressOfPlace, type Place, type View } from "./place.js";
import { Outputs } from "./outputs.js";
import { Meter } from "./processes/meter.js";

/** The connection to the server, as the last question to it went. */
export type Link = { state: "connecting" | "online" } | { state: "lost" | "refused"; message: string };

/** Broken connections are resumed as long as the console is open. */
export const FOREVER = { maxAttempts: 1_000_000, maxDelayMs: 5000 };

/** How many sandboxes that were looked at are remembered. */
const REMEMBERED = 16;

export const isOver = ({ status }: SandboxInfo): boolean => status === "terminated" || status === "timeout";

/** Between two looks at the server, ms. */
const LOOK = 2000;
const LONGEST_PAUSE = 10_000;
/** A server that does not answer a look in this time, s, counts as lost. */
const ANSWER = 10;

/** What is in the sandbox that is looked at. */
export interface Inside {
  sandbox: Sandbox;
  processes: Signal<ProcessInfo[]>;
  terminals: Signal<PtyInfo[]>;
  /** How the processes that this page has started were, by PID: servers do not tell directories and environments. */
  started: Map<number, StartProcessOptions>;
  meter: Meter;
  /** Whether the sandbox has ended: then this is what was known of it before. */
  readonly isOver: Signal<boolean>;
}

interface Notice {
  text: string;
  failed: boolean;
  /** What failed, or that it was the connection: when that works again, the notice goes. */
  of?: string | undefined;
}

/** `of` of every failure of the connection. */
const CONNECTION = "connection";

export class Model {
  readonly link: Signal<Link> = signal({ state: "connecting" });
  readonly sandboxes: Signal<SandboxInfo[]> = signal([]);
  /** The id of the sandbox that is looked at. */
  readonly selected = signal<string | undefined>(undefined);
  readonly info: ReadonlySignal<SandboxInfo | undefined>;
  /** Set once it is attached to. */
  readonly inside = signal<Inside | undefined>(undefined);
  readonly view: Signal<View> = signal("processes");
  /** The process that is looked at. */
  readonly process = signal<ProcessAddress | undefined>(undefined);
  /** The directory that is looked at, or what is written in its field. */
  readonly directory = signal(".");
  /** Whether the list of processes is in sight: what they use is measured only then. */
  seesProcesses: () => boolean = () => false;
  /** What was said last, for people who see it and people who hear it. */
  readonly notice = signal<Notice | undefined>(undefined);
  readonly options: ClientOptions;
  readonly outputs = new Outputs();
  /** What was in the sandboxes that were looked at last, by id. */
  readonly #insides = new Map<string, Inside>();
  /** A request to a suspended sandbox resumes it. */
  readonly #suspending = new Set<string>();
  #closed = false;
  #failures = 0;
  #wake: () => void = () => undefined;
  /** Whether another look is wanted than the one that is under way. */
  #again = false;
  readonly #onWake = (): void => {
    if (document.visibilityState === "visible") this.refresh();
  };

  /** A place that somebody wants to look at. */
  #wanted: Place | undefined;
  /** How often a place was wanted: each time it is shown anew. */
  readonly visits = signal(0);
  #stopTelling = (): void => undefined;
  readonly #onPlace: ((address: string, title: string) => void) | undefined;

  constructor(options: ClientOptions, place?: Place, onPlace?: (address: string, title: string) => void) {
    this.options = options;
    this.#onPlace = onPlace;
    this.#wanted = place;
    this.info = computed(() =>
      this.sandboxes.value.find(({ sandboxId }) => sandboxId === this.selected.value),
    );
  }

  start(): void {
    addEventListener("online", this.#onWake);
    document.addEventListener("visibilitychange", this.#onWake);
    this.#stopTelling = effect(() => {
      const info = this.info.value;
      if (!info) return;
      const sandbox = info.name ?? info.sandboxId;
      const view = this.view.value;
      const process = this.process.value;
      const address = addressOfPlace({ sandbox, view, process, directory: this.directory.value });
      const what = view === "processes" && process !== undefined ? `process ${process}` : view;
      this.#onPlace?.(address, printable(`${sandbox}: ${what}`));
    });
    void this.#watch();
  }

  close(): void {
    this.#closed = true;
    this.#stopTelling();
    removeEventListener("online", this.#onWake);
    document.removeEventListener("visibilitychange", this.#onWake);
    this.#wake();
  }

  /** Looks at the server now. */
  refresh(): void {
    this.#again = true;
    this.#wake();
  }

  say(text: string): void {
    this.notice.value = { text: printable(text), failed: false };
  }

  /** Does something that somebody asked for, and says what went wrong. Whether it went well. */
  async act(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      if (this.notice.value?.of === what) this.notice.value = undefined;
      this.refresh();
      return true;
    } catch (error) {
      this.fail(what, error);
      return false;
    }
  }

  fail(what: string, error: unknown): void {
    const of = error instanceof ConnectionError ? CONNECTION : what;
    this.notice.value = { text: printable(`${what}: ${messageOf(error)}`), failed: true, of };
  }

  warn(text: string): void {
    this.notice.value = { text: printable(text), failed: true };
  }

  select(id: string): void {
    if (id === this.selected.value) return;
    this.#lookAt(id);
    this.refresh();
  }

  #lookAt(id: string): void {
    this.selected.value = id;
    this.inside.value = undefined;
    this.process.value = undefined;
    this.directory.value = ".";
  }

  /** Makes a sandbox and looks at it. Returns what went wrong. */
  async create(options: CreateOptions): Promise<string | undefined> {
    try {
      const made = await Sandbox.create({ ...this.options, ...options });
      this.sandboxes.value = [await made.info(), ...this.sandboxes.value];
      this.select(made.sandboxId);
      this.say(`Sandbox ${options.name ?? made.sandboxId} runs.`);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async suspend(sandbox: Sandbox): Promise<void> {
    this.#suspending.add(sandbox.sandboxId);
    await this.act("It was not suspended", () => sandbox.suspend());
    // Not before the list says so, or the next look would wake it.
    await this.#list().catch(() => undefined);
    this.#suspending.delete(sandbox.sandboxId);
  }

  async resume(id: string): Promise<void> {
    await this.act("It was not resumed", async () => (await Sandbox.connect(id, this.options)).resume());
  }

  async terminate(id: string): Promise<void> {
    await this.act("It was not terminated", () => Sandbox.terminate(id, this.options));
  }

  async #watch(): Promise<void> {
    while (!this.#closed) {
      let pause = LOOK;
      this.#again = false;
      try {
        await this.#look();
        this.#failures = 0;
        if (this.link.value.state !== "online") this.link.value = { state: "online" };
        if (this.notice.value?.of === CONNECTION) this.notice.value = undefined;
      } catch (error) {
        pause = Math.min(LONGEST_PAUSE, 500 * 2 ** this.#failures++);
        const refused = ShorelineError.is(error) && (error.status === 401 || error.status === 403);
        this.link.value = { state: refused ? "refused" : "lost", message: messageOf(error) };
      }
      if (this.#isPressing()) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Whether there is no time to pause. */
  #isPressing(): boolean {
    return this.#closed || (this.#again && this.#failures === 0);
  }

  async #list(): Promise<void> {
    const looking = { maxRetries: 0, connectTimeout: ANSWER, signal: AbortSignal.timeout(ANSWER * 1000) };
    const all = await Sandbox.list({ ...this.options, ...looking });
    const info = this.info.value;
    const isGone =
      info && this.#insides.has(info.sandboxId) && all.every(({ sandboxId }) => sandboxId !== info.sandboxId);
    // Some servers forget a sandbox when it ends. What this page has read of it stays.
    this.sandboxes.value = isGone ? [...all, isOver(info) ? info : { ...info, status: "terminated" }] : all;
  }

  goTo(place: Place): void {
    this.#wanted = place;
    this.refresh();
  }

  #lookAtWanted({ sandbox, view, process, directory = "." }: Place): void {
    const all = this.sandboxes.value.filter(
      ({ name, sandboxId }) => name === sandbox || sandboxId === sandbox,
    );
    const found = all.find(({ status }) => status === "running") ?? all[0];
    if (!found) {
      this.warn(`There is no sandbox ${sandbox}: it may have ended`);
      return;
    }
    if (found.sandboxId !== this.selected.value) this.#lookAt(found.sandboxId);
    this.view.value = view;
    this.process.value = process;
    this.directory.value = directory;
    this.visits.value++;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #look(): Promise<void> {
    await this.#list();
    if (this.#isClosed()) return;
    if (this.#wanted !== undefined) this.#lookAtWanted(this.#wanted);
    this.#wanted = undefined;
    if (this.selected.value === undefined || !this.info.value) {
      const first = this.sandboxes.value.find(({ status }) => status === "running");
      if (first) this.#lookAt(first.sandboxId);
    }
    const info = this.info.value;
    if (info && isOver(info)) {
      this.inside.value = ended(this.#insides.get(info.sandboxId));
      return;
    }
    if (info?.status !== "running" || this.#suspending.has(info.sandboxId)) {
      this.inside.value = undefined;
      return;
    }
    const inside = this.#insides.get(info.sandboxId) ?? {
      sandbox: await Sandbox.connect(info.sandboxId, this.options),
      processes: signal<ProcessInfo[]>([]),
      terminals: signal<PtyInfo[]>([]),
      started: new Map<number, StartProcessOptions>(),
      meter: new Meter(),
      isOver: signal(false),
    };
    if (this.#isClosed()) return;
    const limit = AbortSignal.timeout(ANSWER * 1000);
    const [processes, terminals] = await Promise.all([
      inside.sandbox.listProcesses({ signal: limit }),
      inside.sandbox.listPtys({ signal: limit }),
      this.seesProcesses() ? inside.meter.measure(inside.sandbox, limit) : undefined,
    ]);
    // Meanwhile another may have been chosen.
    if (this.selected.value !== info.sandboxId) return;
    this.#remember(info.sandboxId, inside);
    inside.processes.value = processes;
    inside.terminals.value = terminals;
    this.inside.value = inside;
  }

  #remember(id: string, inside: Inside): void {
    this.#insides.delete(id);
    this.#insides.set(id, inside);
    for (const oldest of this.#insides.keys())
      if (this.#insides.size > REMEMBERED) this.#insides.delete(oldest);
  }
}

/** No status of a server: nothing tells how a process ended that ran when its sandbox ended. */
const ENDED = "ended with the sandbox" as ProcessInfo["status"];

/** What is known of a sandbox that has ended. */
function ended(inside: Inside | undefined): Inside | undefined {
  if (!inside || inside.isOver.value) return inside;
  inside.isOver.value = true;
  inside.meter.uses.value = new Map();
  inside.processes.value = inside.processes.value.map((process) => ({
    ...process,
    ...(process.status === "running" && { status: ENDED }),
    ...(process.managed && { managed: { ...process.managed, status: "stopped" } }),
    outputOpen: false,
  }));
  return inside;
}

/** A name goes on when its process is started again. */
export const addressOf = ({ managed, pid }: ProcessInfo): ProcessAddress => managed?.name ?? pid;

/** What went wrong, with why. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const message = printable(error.message);
  const why = error.cause instanceof Error ? messageOf(error.cause) : "";
  return why === "" || message.includes(why) ? message : `${message}: ${why}`;
}
