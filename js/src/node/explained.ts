// What Node's errors about files mean.
import { UsageError } from "../errors.js";

const MEANINGS: Record<string, string> = {
  ENOENT: "there is no such file or directory",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
  EEXIST: "it is there already",
  ENOTEMPTY: "it is a directory that is not empty",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EILSEQ: "the file system does not take the name",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
};

/** An error of the system as one that says what could not be done to what; other errors as they are. */
export function explained(error: unknown, what: "read" | "write", path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const isSystem = error instanceof Error && "syscall" in error && typeof code === "string";
  if (!isSystem) return error;
  const message = `cannot ${what} ${path}: ${MEANINGS[code] ?? code}`;
  return new UsageError({ code: "invalid_argument", message, cause: error });
}
