// Made by `cargo xtask types` from Rust; never edited.

/** A stable error code. */
export type ErrorCode =
  /** An argument is invalid; nothing was sent. */
  | "invalid_argument"
  /** A URL is not http(s), or the key must not be sent to it; nothing was sent. */
  | "invalid_url"
  /** The address needs an API key and none was given. */
  | "missing_api_key"
  /** This runtime lacks something that the call needs; the message names the option that supplies it. */
  | "missing_capability"
  /** The API key is missing or wrong (401). */
  | "authentication"
  /** The API key does not allow this (403). */
  | "permission"
  /** There is no such process, session, file or route (404). */
  | "not_found"
  /** There is no such sandbox (404). */
  | "sandbox_not_found"
  /** The pool still has sandboxes (409). */
  | "pool_in_use"
  /** The state does not allow this now, or the name is taken (409). */
  | "conflict"
  /** The server rejected the request as invalid (400, 422 and other 4xx). */
  | "invalid_request"
  /** Too many requests or too many of something (429). */
  | "rate_limited"
  /** The body is larger than the server accepts (413). */
  | "payload_too_large"
  /** The server does not offer this: it refused (405, 501) or has no such route (404). */
  | "unsupported"
  /** The server ignores an option of the call: nothing was started, or it is being terminated. */
  | "not_supported_by_server"
  /** The sandbox or the service is not running (503). */
  | "unavailable"
  /** A proxy could not reach the sandbox (502, 504). */
  | "gateway"
  /** The server failed (500 and other 5xx). */
  | "server"
  /** No connection could be made; the request was certainly not sent. */
  | "connect_failed"
  /** The connection broke before an answer; the server may have processed the request. */
  | "connection_lost"
  /** The stream broke and could not be resumed; the error carries what was received. */
  | "stream_broken"
  /** The connection broke before the start of the command was confirmed: it may or may not have run. */
  | "run_outcome_unknown"
  /** The terminal's connection closed without an exit status. */
  | "session_closed"
  /** The server did not answer within the connect timeout. */
  | "connect_timeout"
  /** The connection was silent for longer than the idle timeout, also after reconnecting. */
  | "idle_timeout"
  /** The time limit passed and the server neither ended the command nor answered. */
  | "run_timeout"
  /** The awaited state or output did not come in time. */
  | "wait_timeout"
  /** The sandbox did not start in time. */
  | "start_timeout"
  /** The stream ended before the command's exit was reported; the error carries what was received. */
  | "stream_ended_without_exit"
  /** The answer has another content type than the protocol requires, for example a proxy's HTML page. */
  | "unexpected_content_type"
  /** The answer is not valid JSON of the expected shape. */
  | "invalid_response"
  /** A known event of a stream has the wrong shape. */
  | "malformed_event"
  /** An output line or event is longer than the limit. */
  | "line_too_long"
  /** The output does not fit into one result: set maxOutputBytes or follow it. */
  | "output_too_large"
  /** Output is missing: the server no longer has it, or its own count differs. */
  | "output_gap"
  /** The server no longer knows the process, so its output cannot be completed. */
  | "process_gone"
  /** A tree from a sandbox was not written: it contains a special file, a name that this machine cannot store, or a path that leaves the tree or occurs twice, or it is larger than `maxBytes`. */
  | "tree_refused"
  /** The caller's signal aborted the call. */
  | "aborted"
  /** The process ended before the awaited output came. */
  | "output_ended"
  /** The command did not exit with 0 and `check` was set. */
  | "command_failed"
  /** The WebAssembly core could not be loaded. */
  | "core_unavailable"
  /** The WebAssembly core failed: calls under way and existing objects are lost. Sandboxes that are created or connected to afterwards work. */
  | "core_dead"
  /** A call of `sandbox.fs` failed in the file system. */
  | FileSystemErrorCode;

/** The codes of a `FileSystemError`: the names of Linux's error numbers, as in Node. */
export type FileSystemErrorCode =
  /** There is no such file or directory. */
  | "ENOENT"
  /** The path exists. */
  | "EEXIST"
  /** A part of the path, or the path, is not a directory. */
  | "ENOTDIR"
  /** The path is a directory. */
  | "EISDIR"
  /** The directory is not empty. */
  | "ENOTEMPTY"
  /** Permission denied. */
  | "EACCES"
  /** The operation is not permitted. */
  | "EPERM"
  /** The file system is read-only. */
  | "EROFS"
  /** The operation is not valid for this path. */
  | "EINVAL"
  /** A name is not UTF-8. */
  | "EILSEQ"
  /** Too many levels of symbolic links. */
  | "ELOOP"
  /** The name or the path is too long. */
  | "ENAMETOOLONG"
  /** The paths are on different file systems. */
  | "EXDEV"
  /** The file or directory is in use. */
  | "EBUSY"
  /** The program is running. */
  | "ETXTBSY"
  /** The path is a FIFO, a socket or a device. */
  | "ENXIO"
  /** The file has too many links. */
  | "EMLINK"
  /** The file system does not support the operation. */
  | "ENOTSUP"
  /** The file is too large. */
  | "EFBIG"
  /** The disk is full. */
  | "ENOSPC"
  /** The disk quota is exceeded. */
  | "EDQUOT"
  /** The file system failed. */
  | "EIO"

/** The codes of each kind of error. */
export interface ErrorCodes {
  /** The codes of a `UsageError`. */
  usage: "invalid_argument" | "invalid_url" | "missing_api_key" | "missing_capability";
  /** The codes of a `ApiError`. */
  api: "authentication" | "permission" | "not_found" | "sandbox_not_found" | "pool_in_use" | "conflict" | "invalid_request" | "rate_limited" | "payload_too_large" | "unsupported" | "not_supported_by_server" | "unavailable" | "gateway" | "server";
  /** The codes of a `ConnectionError`. */
  connection: "connect_failed" | "connection_lost" | "stream_broken" | "run_outcome_unknown" | "session_closed";
  /** The codes of a `TimeoutError`. */
  timeout: "connect_timeout" | "idle_timeout" | "run_timeout" | "wait_timeout" | "start_timeout";
  /** The codes of a `ProtocolError`. */
  protocol: "stream_ended_without_exit" | "unexpected_content_type" | "invalid_response" | "malformed_event" | "line_too_long" | "output_too_large" | "output_gap" | "process_gone" | "tree_refused";
  /** The codes of a `AbortError`. */
  abort: "aborted";
  /** The codes of a `CommandError`. */
  command: "output_ended" | "command_failed";
  /** The codes of a `CoreError`. */
  core: "core_unavailable" | "core_dead";
}

/** The kind of an error. */
export type ErrorKind = keyof ErrorCodes;
