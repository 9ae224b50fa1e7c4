// Failures in a file system, reported by a server or by a command.
import type { FileSystemErrorCode, ShorelineError } from "../errors.js";
import { shim } from "./shim.js";

/** By code: the meaning in libuv's words, and the texts of C libraries and of the sandbox's tools for it. */
const ERRORS: Record<FileSystemErrorCode, [string, RegExp?]> = {
  // Errors that the tools find themselves come first: their texts end in the texts of other errors.
  EINVAL: [
    "invalid argument",
    /invalid argument$|subdirectory of itself|into itself|recursion detected|same file$/,
  ],
  EISDIR: [
    "illegal operation on a directory",
    /is a directory$|omitting directory|cannot overwrite directory/,
  ],
  ENOTDIR: ["not a directory", /not a directory$|cannot overwrite non-directory/],
  ENOENT: ["no such file or directory", /no such file( or directory)?$|nonexistent|no such directory$/],
  EEXIST: ["file already exists", /file exists$|overwrite existing file$/],
  ENOTEMPTY: ["directory not empty", /directory not empty$/],
  EACCES: ["permission denied", /permission denied$/],
  EPERM: ["operation not permitted", /operation not permitted$/],
  EROFS: ["read-only file system", /read-only file system$/],
  EILSEQ: ["a name is not UTF-8"],
  ELOOP: ["too many symbolic links encountered", /too many levels of symbolic links$|symbolic link loop$/],
  ENAMETOOLONG: ["name too long", /file ?name too long$/],
  EXDEV: ["cross-device link not permitted", /cross-device link$/],
  EBUSY: ["resource busy or locked", /(device or )?resource busy$/],
  ETXTBSY: ["text file is busy", /text file busy$/],
  ENXIO: ["it is a FIFO, a socket or a device", /no such device or address$/],
  EMLINK: ["too many links", /too many links$/],
  ENOTSUP: ["operation not supported", /operation not supported$|not supported$/],
  EFBIG: ["file too large", /file too large$/],
  ENOSPC: ["no space left on device", /no space left on device$/],
  EDQUOT: ["disk quota exceeded", /quota exceeded$/],
  EIO: ["i/o error", /(input\/output|i\/o) error$/],
};

/** A failure in the file system, before it is known what the caller asked for. */
export class Failure extends Error {
  constructor(
    readonly code: FileSystemErrorCode,
    cause?: unknown,
  ) {
    super(code, { cause });
  }
}

/** What a command's last words on standard error mean. */
export function codeOf(stderr: string): FileSystemErrorCode | undefined {
  const last = stderr.trimEnd().split("\n").at(-1)?.toLowerCase() ?? "";
  const found = Object.entries(ERRORS).find(([, [, told]]) => told?.test(last));
  return found?.[0] as FileSystemErrorCode | undefined;
}

/** The code in a server's answer. */
export function serverCodeOf(error: unknown): FileSystemErrorCode | undefined {
  const code = shim.ShorelineError.is(error) ? error.serverCode : undefined;
  return code !== undefined && isFileSystemCode(code) ? code : undefined;
}

export function isFileSystemCode(code: string): code is FileSystemErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The caller's error; other errors as they are. */
export function explained(error: unknown, syscall: string, path: string, dest?: string): unknown {
  const code = error instanceof Failure ? error.code : serverCodeOf(error);
  if (code === undefined) return error;
  const cause = error instanceof Failure ? error.cause : error;
  const { status, serverCode, traceId } = shim.ShorelineError.is(cause)
    ? cause
    : ({} as Partial<ShorelineError>);
  const to = dest === undefined ? "" : ` -> '${dest}'`;
  const message = `${code}: ${ERRORS[code][0]}, ${syscall} '${path}'${to}`;
  const fields = { code, message, status, serverCode, traceId, cause };
  return Object.assign(new shim.FileSystemError(fields), { syscall, path, dest });
}
