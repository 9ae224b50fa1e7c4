// Places in the console, as parts of an address: /SANDBOX/VIEW, then the process or the directory.
import type { ProcessAddress } from "shoreline";

export const VIEWS = ["processes", "terminal", "files"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  /** Name or id. */
  sandbox: string;
  view: View;
  process?: ProcessAddress | undefined;
  /** Absolute. */
  directory?: string | undefined;
}

export function addressOfPlace({ sandbox, view, process, directory }: Place): string {
  const parts = [sandbox, view];
  if (view === "processes" && process !== undefined) parts.push(String(process));
  if (view === "files" && directory?.startsWith("/")) parts.push(...directory.slice(1).split("/"));
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** What an address leads to; nothing if it is none. */
export function placeOf(address: string): Place | undefined {
  let parts: string[];
  try {
    parts = address.split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const [start, sandbox, name, ...rest] = parts;
  if (start !== "" || !sandbox) return undefined;
  const view = VIEWS.find((each) => each === name) ?? "processes";
  const [process] = rest;
  return {
    sandbox,
    view,
    ...(view === "processes" && process && { process: /^\d+$/.test(process) ? Number(process) : process }),
    ...(view === "files" && rest.length > 0 && { directory: `/${rest.join("/")}` }),
  };
}
