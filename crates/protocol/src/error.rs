//! The one table of errors.
//!
//! [`Code`] is `error.code` of the client; [`ServerCode`] is `code` of an error body on the wire.

/// The class of an error: what the caller can do next. Each is one JavaScript class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The call itself is wrong; nothing was sent.
    Usage,
    /// The server answered with an error status.
    Api,
    /// No connection, or a connection that broke and could not be resumed.
    Connection,
    /// A deadline passed.
    Timeout,
    /// The server sent what the protocol does not allow, or ended too early.
    Protocol,
    /// The caller aborted.
    Abort,
    /// The command ran and failed, and the caller asked for that to be an error.
    Command,
    /// The WebAssembly core could not be loaded, or has failed.
    Core,
}

impl Kind {
    /// The name in JavaScript.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Api => "api",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Abort => "abort",
            Self::Command => "command",
            Self::Core => "core",
        }
    }
}

macro_rules! codes {
    ($($name:ident $text:literal $kind:ident $retryable:literal $doc:literal;)*) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $doc] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as text, for example `not_found`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The class of the error.
            #[must_use]
            pub const fn kind(self) -> Kind { match self { $(Self::$name => Kind::$kind,)* } }

            /// Whether the same call may succeed later without a change.
            #[must_use]
            pub const fn is_retryable(self) -> bool { match self { $(Self::$name => $retryable,)* } }

            /// What it means, as the documentation has it.
            #[must_use]
            pub const fn doc(self) -> &'static str { match self { $(Self::$name => $doc,)* } }
        }
    };
}

codes! {
    InvalidArgument "invalid_argument" Usage false "An argument is invalid; nothing was sent.";
    InvalidUrl "invalid_url" Usage false "A URL is not http(s), or the key must not be sent to it; nothing was sent.";
    MissingApiKey "missing_api_key" Usage false "The address needs an API key and none was given.";
    MissingCapability "missing_capability" Usage false "This runtime lacks something that the call needs; the message names the option that supplies it.";

    Authentication "authentication" Api false "The API key is missing or wrong (401).";
    Permission "permission" Api false "The API key does not allow this (403).";
    NotFound "not_found" Api false "There is no such process, session, file or route (404).";
    SandboxNotFound "sandbox_not_found" Api false "There is no such sandbox (404).";
    PoolInUse "pool_in_use" Api false "The pool still has sandboxes (409).";
    Conflict "conflict" Api false "The state does not allow this now, or the name is taken (409).";
    InvalidRequest "invalid_request" Api false "The server rejected the request as invalid (400, 422 and other 4xx).";
    RateLimited "rate_limited" Api true "Too many requests or too many of something (429).";
    PayloadTooLarge "payload_too_large" Api false "The body is larger than the server accepts (413).";
    Unsupported "unsupported" Api false "The server does not offer this: it refused (405, 501) or has no such route (404).";
    NotSupportedByServer "not_supported_by_server" Api false "The server ignores an option of the call: nothing was started, or it is being terminated.";
    Unavailable "unavailable" Api true "The sandbox or the service is not running (503).";
    Gateway "gateway" Api true "A proxy could not reach the sandbox (502, 504).";
    Server "server" Api false "The server failed (500 and other 5xx).";

    ConnectFailed "connect_failed" Connection true "No connection could be made; the request was certainly not sent.";
    ConnectionLost "connection_lost" Connection true "The connection broke before an answer; the server may have processed the request.";
    StreamBroken "stream_broken" Connection false "The stream broke and could not be resumed; the error carries what was received.";
    RunOutcomeUnknown "run_outcome_unknown" Connection false "The connection broke before the start of the command was confirmed: it may or may not have run.";
    SessionClosed "session_closed" Connection false "The terminal's connection closed without an exit status.";

    ConnectTimeout "connect_timeout" Timeout true "The server did not answer within the connect timeout.";
    IdleTimeout "idle_timeout" Timeout true "The connection was silent for longer than the idle timeout, also after reconnecting.";
    RunTimeout "run_timeout" Timeout false "The time limit passed and the server neither ended the command nor answered.";
    WaitTimeout "wait_timeout" Timeout true "The awaited state or output did not come in time.";
    StartTimeout "start_timeout" Timeout true "The sandbox did not start in time.";

    StreamEndedWithoutExit "stream_ended_without_exit" Protocol false "The stream ended before the command's exit was reported; the error carries what was received.";
    UnexpectedContentType "unexpected_content_type" Protocol false "The answer has another content type than the protocol requires, for example a proxy's HTML page.";
    InvalidResponse "invalid_response" Protocol false "The answer is not valid JSON of the expected shape.";
    MalformedEvent "malformed_event" Protocol false "A known event of a stream has the wrong shape.";
    LineTooLong "line_too_long" Protocol false "An output line or event is longer than the limit.";
    OutputTooLarge "output_too_large" Protocol false "The output does not fit into one result: set maxOutputBytes or follow it.";
    OutputGap "output_gap" Protocol false "Output is missing: the server no longer has it, or its own count differs.";
    ProcessGone "process_gone" Protocol false "The server no longer knows the process, so its output cannot be completed.";
    TreeRefused "tree_refused" Protocol false "A tree from a sandbox was not written: it contains a special file, a name that this machine cannot store, or a path that leaves the tree or occurs twice, or it is larger than `maxBytes`.";

    Aborted "aborted" Abort false "The caller's signal aborted the call.";
    OutputEnded "output_ended" Command false "The process ended before the awaited output came.";
    CommandFailed "command_failed" Command false "The command did not exit with 0 and `check` was set.";
    CoreUnavailable "core_unavailable" Core false "The WebAssembly core could not be loaded.";
    CoreDead "core_dead" Core false "The WebAssembly core failed: calls under way and existing objects are lost. Sandboxes that are created or connected to afterwards work.";
}

macro_rules! server_codes {
    ($($name:ident $text:literal $status:literal $doc:literal;)*) => {
        /// A code in an error body on the wire, with its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ServerCode { $(#[doc = $doc] $name,)* }

        impl ServerCode {
            /// Every server code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The HTTP status of the answer.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            /// What it means, as the documentation has it.
            #[must_use]
            pub const fn doc(self) -> &'static str { match self { $(Self::$name => $doc,)* } }

            /// Whether the code is an errno name (errno(3)), for example `ENOENT`.
            #[must_use]
            pub fn is_errno(self) -> bool {
                self.as_str().starts_with('E') && !self.as_str().contains('_')
            }
        }
    };
}

server_codes! {
    InvalidRequest "INVALID_REQUEST" 400 "The request is malformed: JSON, query or value.";
    InvalidShape "INVALID_SHAPE" 422 "Well-formed JSON of the wrong shape.";
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415 "A JSON body without a JSON content type.";
    Unauthorized "UNAUTHORIZED" 401 "No token, or a wrong one.";
    ForbiddenHost "FORBIDDEN_HOST" 403 "The Host header is not one that this server answers to.";
    ForbiddenOrigin "FORBIDDEN_ORIGIN" 403 "The Origin is not on the allow-list.";
    RouteNotFound "ROUTE_NOT_FOUND" 404 "There is no such route.";
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 "The route exists, the method does not.";
    NotFound "NOT_FOUND" 404 "Process, PTY session or file missing.";
    SandboxNotFound "SANDBOX_NOT_FOUND" 404 "There is no such sandbox.";
    MissingSandboxId "MISSING_SANDBOX_ID" 400 "The request names no sandbox: by header, host or path.";
    SandboxNotRunning "SANDBOX_NOT_RUNNING" 503 "The sandbox is suspended or terminated.";
    NameTaken "NAME_TAKEN" 409 "A live sandbox or managed process has that name.";
    Conflict "CONFLICT" 409 "The state does not allow this now.";
    Unsupported "UNSUPPORTED" 501 "The local server does not offer this.";
    SpawnFailed "SPAWN_FAILED" 400 "The command could not be started; the text says why.";
    ExecutableNotFound "EXECUTABLE_NOT_FOUND" 404 "The executable does not exist.";
    WorkingDirNotFound "WORKING_DIR_NOT_FOUND" 400 "The working directory does not exist or is not a directory.";
    UserNotFound "USER_NOT_FOUND" 400 "There is no such user in the sandbox.";
    ProcessNotRunning "PROCESS_NOT_RUNNING" 409 "The process has already ended.";
    InvalidSignal "INVALID_SIGNAL" 400 "Not a signal number.";
    StdinNotWritable "STDIN_NOT_WRITABLE" 400 "stdin is not a pipe, is closed, or its process is gone.";
    OutputExpired "OUTPUT_EXPIRED" 410 "The requested events are no longer kept.";
    PathTraversal "PATH_TRAVERSAL" 403 "A `..` component in a path, or a path that leaves the sandbox.";
    IsDirectory "IS_DIRECTORY" 400 "A file was expected.";
    NotADirectory "NOT_A_DIRECTORY" 400 "A directory was expected.";
    InvalidPath "INVALID_PATH" 400 "The path is empty, has a NUL, or is not UTF-8.";
    PermissionDenied "PERMISSION_DENIED" 403 "The file system refused.";
    RangeNotSatisfiable "RANGE_NOT_SATISFIABLE" 416 "The Range lies outside the file.";
    PayloadTooLarge "PAYLOAD_TOO_LARGE" 413 "The body is over the limit.";
    RequestTimeout "REQUEST_TIMEOUT" 408 "The client sent nothing for too long in the middle of a body.";
    StorageFull "STORAGE_FULL" 507 "The disk or the log budget is full.";
    TooManySessions "TOO_MANY_SESSIONS" 429 "Too many PTY sessions.";
    TooManyProcesses "TOO_MANY_PROCESSES" 429 "Too many processes in the sandbox.";
    TooManySandboxes "TOO_MANY_SANDBOXES" 429 "Too many sandboxes.";
    TooManyConnections "TOO_MANY_CONNECTIONS" 503 "All connections of the server are in use.";
    TooManyChannels "TOO_MANY_CHANNELS" 429 "The WebSocket has the maximum number of channels.";
    InvalidToken "INVALID_TOKEN" 403 "Wrong PTY token.";
    SessionNotFound "SESSION_NOT_FOUND" 404 "No such PTY session, on its WebSocket.";
    UpgradeRequired "UPGRADE_REQUIRED" 426 "The route supports only WebSockets.";
    ConnectionRefused "CONNECTION_REFUSED" 502 "Nothing listens on that port in the sandbox.";
    ProxyError "PROXY_ERROR" 502 "The connection to the port in the sandbox broke.";
    Enoent "ENOENT" 404 "There is no such file or directory.";
    Eexist "EEXIST" 409 "The path exists.";
    Enotdir "ENOTDIR" 409 "A part of the path, or the path, is not a directory.";
    Eisdir "EISDIR" 409 "The path is a directory.";
    Enotempty "ENOTEMPTY" 409 "The directory is not empty.";
    Eacces "EACCES" 403 "Permission denied.";
    Eperm "EPERM" 403 "The operation is not permitted.";
    Erofs "EROFS" 403 "The file system is read-only.";
    Einval "EINVAL" 409 "The operation is not valid for this path.";
    Eilseq "EILSEQ" 409 "A name is not UTF-8.";
    Eloop "ELOOP" 409 "Too many levels of symbolic links.";
    Enametoolong "ENAMETOOLONG" 409 "The name or the path is too long.";
    Exdev "EXDEV" 409 "The paths are on different file systems.";
    Ebusy "EBUSY" 409 "The file or directory is in use.";
    Etxtbsy "ETXTBSY" 409 "The program is running.";
    Enxio "ENXIO" 409 "The path is a FIFO, a socket or a device.";
    Emlink "EMLINK" 409 "The file has too many links.";
    Enotsup "ENOTSUP" 409 "The file system does not support the operation.";
    Efbig "EFBIG" 413 "The file is too large.";
    Enospc "ENOSPC" 507 "The disk is full.";
    Edquot "EDQUOT" 507 "The disk quota is exceeded.";
    Eio "EIO" 500 "The file system failed.";
    InternalError "INTERNAL_ERROR" 500 "The server failed.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        for (i, code) in Code::ALL.iter().enumerate() {
            let text = code.as_str();
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{text}");
            assert!(code.doc().ends_with('.'), "{text}");
            assert!(Code::ALL.iter().skip(i + 1).all(|other| other.as_str() != text), "{text}");
        }
    }

    #[test]
    fn server_codes_are_unique_and_have_an_error_status() {
        for (i, code) in ServerCode::ALL.iter().enumerate() {
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert!(ServerCode::ALL.iter().skip(i + 1).all(|c| c.as_str() != code.as_str()));
        }
    }
}
