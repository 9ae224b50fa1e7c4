// Made by `cargo xtask types` from Rust; never edited.

/** What a grant allows: each scope is a part of one sandbox's API. */
export type RelayScope =
  /** Run, start, restart, signal and kill processes, and write to their stdin. */
  | "processes"
  /** List processes, and read and follow their output. */
  | "output"
  /** Read files and list directories. */
  | "files:read"
  /** Write and delete files. */
  | "files:write"
  /** Create, list, use and end terminals. */
  | "terminals"

/** The scope of each route, by method and path below `/api/v1`. `*` matches one path segment. */
export const ROUTES: Readonly<Record<string, RelayScope>> = {
  "GET usage": "output",
  "POST processes": "processes",
  "GET processes": "output",
  "POST processes/run": "processes",
  "GET processes/*": "output",
  "DELETE processes/*": "processes",
  "POST processes/*/restart": "processes",
  "POST processes/*/signal": "processes",
  "POST processes/*/stdin": "processes",
  "POST processes/*/stdin/close": "processes",
  "GET processes/*/stdout": "output",
  "GET processes/*/stderr": "output",
  "GET processes/*/output": "output",
  "GET processes/*/stdout/follow": "output",
  "GET processes/*/stderr/follow": "output",
  "GET processes/*/output/follow": "output",
  "GET processes/*/exit/follow": "output",
  "GET channels": "output",
  "GET files": "files:read",
  "PUT files": "files:write",
  "DELETE files": "files:write",
  "GET files/list": "files:read",
  "GET fs": "files:read",
  "POST fs": "files:write",
  "POST fs/watches": "files:read",
  "GET fs/watches/*/follow": "files:read",
  "DELETE fs/watches/*": "files:read",
  "GET fs/glob": "files:read",
  "GET fs/grep": "files:read",
  "POST pty": "terminals",
  "GET pty": "terminals",
  "GET pty/*": "terminals",
  "DELETE pty/*": "terminals",
  "POST pty/*/resize": "terminals",
  "GET pty/*/ws": "terminals",
};
