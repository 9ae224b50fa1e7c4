// How a terminal comes about: what attaching needs is looked at before a session is made.
import { checkHandler, optionsOf } from "./arguments.js";
import { OPTIONS, sockets } from "./client.js";
import { call, callSync, core, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { PtySessionInfo } from "./generated/types.js";
import type { ClientOptions } from "./options.js";
import { Pty } from "./pty.js";
import type { CreatePtyOptions, PtyConnectionOptions } from "./pty-options.js";

/** What attaching takes. */
const ATTACHING = "onData onExit onReattach signal";
const reattaching = () => ({ reattach: optionNames(OPTIONS.follow).reconnect ?? null });

/** A terminal, opened and attached to; its session ends if that fails. */
export async function createPty(
  sandbox: Glue.Sandbox,
  client: ClientOptions,
  options: CreatePtyOptions,
): Promise<Pty> {
  const checked: Partial<CreatePtyOptions> = optionsOf(
    options,
    ATTACHING,
    reattaching(),
    optionNames(OPTIONS.pty),
  );
  const attach = await attacher(sandbox, client, checked);
  const session = await call<PtySessionInfo>(() => sandbox.createPty(options, checked.signal));
  try {
    return await attach(session);
  } catch (error) {
    await call(() => sandbox.killPty(session.sessionId, undefined)).catch(() => undefined);
    throw error;
  }
}

/** A session that is attached to. */
export async function connectPty(
  sandbox: Glue.Sandbox,
  client: ClientOptions,
  session: PtySessionInfo,
  options?: PtyConnectionOptions,
): Promise<Pty> {
  return (await attacher(sandbox, client, optionsOf(options, ATTACHING, reattaching())))(session);
}

async function attacher(
  sandbox: Glue.Sandbox,
  client: ClientOptions,
  options: PtyConnectionOptions,
): Promise<(session: PtySessionInfo) => Promise<Pty>> {
  for (const name of ["onData", "onExit", "onReattach"] as const) checkHandler(name, options[name]);
  const { Terminal } = await core();
  const { reattach = false } = options;
  const again = typeof reattach === "boolean" ? (reattach ? {} : undefined) : reattach;
  const terminal = callSync(() => new Terminal(again));
  const Socket = await sockets(client);
  return (session) => Pty.of(sandbox, terminal, Socket, session, options).connect(options);
}
