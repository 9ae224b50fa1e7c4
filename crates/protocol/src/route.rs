//! The one table of methods and paths, for the client and the server.

use alloc::string::String;

use crate::text;

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// The method as in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the request is idempotent (RFC 9110, section 9.2.2). PUT is excluded, since
    /// a streamed body cannot be sent again.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
}

macro_rules! scopes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// A part of one sandbox's API. A relay grants a page some of these parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scope {
            $($(#[doc = $doc])* $name,)*
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in grants and tokens.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What the scope allows.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

scopes! {
    /// Run, start, restart, signal and kill processes, and write to their stdin.
    Processes = "processes";
    /// List processes, and read and follow their output.
    Output = "output";
    /// Read files and list directories.
    FilesRead = "files:read";
    /// Write and delete files.
    FilesWrite = "files:write";
    /// Create, list, use and end terminals.
    Terminals = "terminals";
}

/// A method and a path pattern; `{name}` stands for one path segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The pattern, as axum and OpenAPI write it.
    pub path: &'static str,
}

impl Route {
    /// The scope that a page needs for this route. A relay forwards no route without a scope.
    ///
    /// A lookup, not a field: the client's routes have no use for scopes and should not carry them.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        let at = ALL.iter().position(|route| route == self)?;
        SCOPES.get(at).copied().flatten()
    }

    /// The path with its segments filled in, in order, each percent-encoded.
    ///
    /// ```
    /// use shoreline_protocol::route;
    /// assert_eq!(route::GET_PROCESS.fill(&["web server/1"]), "/api/v1/processes/web%20server%2F1");
    /// ```
    #[must_use]
    pub fn fill(&self, segments: &[&str]) -> String {
        let mut out = String::new();
        let mut segments = segments.iter();
        let mut path = self.path;
        while let Some((before, after)) = text::split(path, b"{") {
            out.push_str(before);
            percent_encode(segments.next().copied().unwrap_or_default(), &mut out);
            path = text::split(after, b"}").unwrap_or_default().1;
        }
        out.push_str(path);
        out
    }
}

/// Appends `text` with everything but RFC 3986's unreserved characters percent-encoded.
pub fn percent_encode(text: &str, out: &mut String) {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(nibble)).copied().unwrap_or('0'));
            }
        }
    }
}

macro_rules! routes {
    (@option) => { None };
    (@option $scope:ident) => { Some(Scope::$scope) };
    ($($(#[$doc:meta])* $name:ident = $method:ident $path:literal $(, $scope:ident)?;)*) => {
        $($(#[$doc])* pub const $name: Route = Route { method: Method::$method, path: $path };)*
        /// Every route of the table.
        pub const ALL: &[Route] = &[$($name),*];
        /// The scope of each route of [`ALL`].
        const SCOPES: &[Option<Scope>] = &[$(routes!(@option $($scope)?)),*];
    };
}

routes! {
    /// Liveness.
    HEALTH = Get "/api/v1/health";
    /// Version, uptime, counts.
    INFO = Get "/api/v1/info";
    /// What the processes of the sandbox use; the local server's own.
    USAGE = Get "/api/v1/usage", Output;
    /// Starts a process.
    START_PROCESS = Post "/api/v1/processes", Processes;
    /// Lists processes.
    LIST_PROCESSES = Get "/api/v1/processes", Output;
    /// Runs a command to its end, as an event stream.
    RUN = Post "/api/v1/processes/run", Processes;
    /// One process.
    GET_PROCESS = Get "/api/v1/processes/{process}", Output;
    /// Kills a process.
    KILL_PROCESS = Delete "/api/v1/processes/{process}", Processes;
    /// Restarts a managed process.
    RESTART_PROCESS = Post "/api/v1/processes/{process}/restart", Processes;
    /// Sends a signal.
    SIGNAL_PROCESS = Post "/api/v1/processes/{process}/signal", Processes;
    /// Writes to standard input.
    WRITE_STDIN = Post "/api/v1/processes/{process}/stdin", Processes;
    /// Closes standard input.
    CLOSE_STDIN = Post "/api/v1/processes/{process}/stdin/close", Processes;
    /// Captured standard output.
    GET_STDOUT = Get "/api/v1/processes/{process}/stdout", Output;
    /// Captured standard error.
    GET_STDERR = Get "/api/v1/processes/{process}/stderr", Output;
    /// Captured output of both streams.
    GET_OUTPUT = Get "/api/v1/processes/{process}/output", Output;
    /// Follows standard output.
    FOLLOW_STDOUT = Get "/api/v1/processes/{process}/stdout/follow", Output;
    /// Follows standard error.
    FOLLOW_STDERR = Get "/api/v1/processes/{process}/stderr/follow", Output;
    /// Follows both streams.
    FOLLOW_OUTPUT = Get "/api/v1/processes/{process}/output/follow", Output;
    /// Follows a process to its exit, without output; the local server's own.
    FOLLOW_EXIT = Get "/api/v1/processes/{process}/exit/follow", Output;
    /// Follows outputs and runs commands, each on a channel of one WebSocket.
    CHANNELS = Get "/api/v1/channels", Output;
    /// Reads a file.
    READ_FILE = Get "/api/v1/files", FilesRead;
    /// Writes a file.
    WRITE_FILE = Put "/api/v1/files", FilesWrite;
    /// Deletes a file.
    DELETE_FILE = Delete "/api/v1/files", FilesWrite;
    /// Lists a directory.
    LIST_DIRECTORY = Get "/api/v1/files/list", FilesRead;
    /// Looks at files and directories, as Node's `fs` does; the local server's own.
    LOOK_AT_FILES = Get "/api/v1/fs", FilesRead;
    /// Changes files and directories, as Node's `fs` does; the local server's own.
    CHANGE_FILES = Post "/api/v1/fs", FilesWrite;
    /// Watches files for changes; the local server's own.
    WATCH_FILES = Post "/api/v1/fs/watches", FilesRead;
    /// Follows the changes of a watch; the local server's own.
    FOLLOW_WATCH = Get "/api/v1/fs/watches/{watch}/follow", FilesRead;
    /// Ends a watch; the local server's own.
    END_WATCH = Delete "/api/v1/fs/watches/{watch}", FilesRead;
    /// Finds files and directories by patterns of their paths; the local server's own.
    GLOB = Get "/api/v1/fs/glob", FilesRead;
    /// Finds lines of files by a regular expression; the local server's own.
    GREP = Get "/api/v1/fs/grep", FilesRead;
    /// Creates a PTY session.
    CREATE_PTY = Post "/api/v1/pty", Terminals;
    /// Lists PTY sessions.
    LIST_PTYS = Get "/api/v1/pty", Terminals;
    /// One PTY session.
    GET_PTY = Get "/api/v1/pty/{session}", Terminals;
    /// Ends a PTY session.
    KILL_PTY = Delete "/api/v1/pty/{session}", Terminals;
    /// Resizes a terminal.
    RESIZE_PTY = Post "/api/v1/pty/{session}/resize", Terminals;
    /// A terminal's WebSocket.
    PTY_SOCKET = Get "/api/v1/pty/{session}/ws", Terminals;
    /// A TCP tunnel's WebSocket.
    TCP_TUNNEL = Get "/api/v1/tunnels/tcp";
    /// Creates a sandbox.
    CREATE_SANDBOX = Post "/sandboxes";
    /// Lists sandboxes.
    LIST_SANDBOXES = Get "/sandboxes";
    /// One sandbox.
    GET_SANDBOX = Get "/sandboxes/{sandbox}";
    /// Changes a sandbox.
    UPDATE_SANDBOX = Patch "/sandboxes/{sandbox}";
    /// Terminates a sandbox.
    DELETE_SANDBOX = Delete "/sandboxes/{sandbox}";
    /// Suspends a sandbox.
    SUSPEND_SANDBOX = Post "/sandboxes/{sandbox}/suspend";
    /// Takes a snapshot of a sandbox.
    SNAPSHOT_SANDBOX = Post "/sandboxes/{sandbox}/snapshot";
    /// Copies a sandbox.
    COPY_SANDBOX = Post "/sandboxes/{sandbox}/copy";
    /// Lists snapshots.
    LIST_SNAPSHOTS = Get "/snapshots";
    /// One snapshot.
    GET_SNAPSHOT = Get "/snapshots/{snapshot}";
    /// Deletes a snapshot.
    DELETE_SNAPSHOT = Delete "/snapshots/{snapshot}";
    /// Describes the owner of the key.
    INTROSPECT_KEY = Post "/platform/v1/keys/introspect";
    /// Makes a token for a web page; the local server's own.
    CREATE_PAGE_TOKEN = Post "/local/page-tokens";
    /// Proves that the server knows the key to a client that proves it; the local server's own.
    PROVE_KEY = Get "/local/proof";
    /// Resumes a sandbox.
    RESUME_SANDBOX = Post "/sandboxes/{sandbox}/resume";
}

/// The prefix of lifecycle paths on an Indexify server. Our server accepts it too.
pub const NAMESPACED: &str = "/v1/namespaces/{namespace}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_and_encodes_each_segment() {
        assert_eq!(GET_PROCESS.fill(&["42"]), "/api/v1/processes/42");
        assert_eq!(CLOSE_STDIN.fill(&["a b"]), "/api/v1/processes/a%20b/stdin/close");
        assert_eq!(GET_SANDBOX.fill(&["../x"]), "/sandboxes/..%2Fx");
        assert_eq!(GET_PROCESS.fill(&["é"]), "/api/v1/processes/%C3%A9");
    }

    #[test]
    fn no_route_stands_twice() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(
                ALL.iter().skip(i + 1).all(|b| (a.method, a.path) != (b.method, b.path)),
                "{a:?}"
            );
        }
    }

    #[test]
    fn processes_channels_files_and_terminals_have_a_scope_and_nothing_else_has() {
        for route in ALL {
            let parts = ["processes", "usage", "channels", "files", "fs", "pty"];
            let is_relayed = route
                .path
                .strip_prefix("/api/v1/")
                .is_some_and(|path| parts.iter().any(|part| path.starts_with(part)));
            assert_eq!(route.scope().is_some(), is_relayed, "{route:?}");
        }
    }
}
