// Inside a runtime: the host asks for the cases, and has them run one by one or several at a time.
import { cases, type Context, prepare, runCase, type Server } from "../../contract/index.js";

/** What the host asks. */
export type Request = { names: true } | { prepare: Server } | { run: string };

/** What it is told; text, so that it passes through everything. */
export interface Answer {
  names?: string[];
  error?: string;
}

let context: Context | undefined;

export async function answer(request: Request): Promise<Answer> {
  try {
    if ("names" in request) return { names: cases.map(({ name }) => name) };
    if ("prepare" in request) context = await prepare(request.prepare);
    else if (context) await runCase(context, request.run);
    else return { error: "not prepared" };
    return {};
  } catch (error) {
    return { error: told(error) };
  }
}

function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Only some runtimes have the message in the stack.
  const stack = error.stack?.includes(error.message) ? error.stack : `${String(error)}\n${error.stack ?? ""}`;
  return error.cause === undefined ? stack : `${stack}\ncaused by ${told(error.cause)}`;
}
