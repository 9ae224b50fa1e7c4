// The routes that a page can reach through the relay. The relay requests nothing else of a sandbox.
import { type RelayScope, ROUTES } from "../generated/routes.js";

export { type RelayScope, ROUTES };

/** Where a request goes: a sandbox, a path of its API, and what must be granted for it. */
export interface Target {
  sandboxId: string;
  /** Made of the table's words and of segments that were decoded and encoded again. */
  path: string;
  scope: RelayScope;
  /** The token in the path, where there is one. */
  token: string | undefined;
}

/** A sandbox's id or name: it may become a label of a host, so nothing else fits. */
export const SANDBOX_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Reads `{basePath}/{sandbox}[/token/{token}]/api/v1/…`. */
export function targetOf(method: string, pathname: string, basePath: string): Target | undefined {
  if (!pathname.startsWith(`${basePath}/`)) return undefined;
  const [sandboxId = "", ...rest] = pathname.slice(basePath.length + 1).split("/");
  const token = rest[0] === "token" ? rest.splice(0, 2)[1] : undefined;
  if (!SANDBOX_ID.test(sandboxId) || rest.shift() !== "api" || rest.shift() !== "v1") return undefined;
  for (const [route, scope] of Object.entries(ROUTES)) {
    const [verb, pattern = ""] = route.split(" ");
    const filled = verb === method ? fill(pattern.split("/"), rest) : undefined;
    if (filled !== undefined) return { sandboxId, path: `/api/v1/${filled}`, scope, token };
  }
  return undefined;
}

function fill(pattern: string[], segments: string[]): string | undefined {
  if (pattern.length !== segments.length) return undefined;
  const filled: string[] = [];
  for (const [i, word] of pattern.entries()) {
    const segment = word === "*" ? safe(segments[i] ?? "") : segments[i];
    if (segment === undefined || (word !== "*" && segment !== word)) return undefined;
    filled.push(segment);
  }
  return filled.join("/");
}

/** A segment that stays one however often somebody behind decodes it. */
function safe(segment: string): string | undefined {
  let plain: string;
  try {
    plain = decodeURIComponent(segment);
  } catch {
    return undefined;
  }
  if (plain === "" || /^\.+$|[/\\%\u0000-\u001f\u007f]/.test(plain)) return undefined;
  return encodeURIComponent(plain);
}
