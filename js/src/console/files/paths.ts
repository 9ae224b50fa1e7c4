// Absolute paths in a sandbox.

export const join = (directory: string, name: string): string =>
  name.startsWith("/") ? name : `${directory.replace(/\/$/, "")}/${name}`;

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The directory above an absolute path; undefined for the root. */
export function parentOf(path: string): string | undefined {
  return path === "/" ? undefined : path.slice(0, path.lastIndexOf("/")) || "/";
}
