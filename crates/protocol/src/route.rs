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
    /// The method as it stands in a request line.
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

    /// Whether repeating the request cannot do its work twice (RFC 9110, section 9.2.2, less PUT:
    /// a streamed body cannot be sent again).
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
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
    ($($(#[$doc:meta])* $name:ident = $method:ident $path:literal;)*) => {
        $($(#[$doc])* pub const $name: Route = Route { method: Method::$method, path: $path };)*
        /// Every route of the table.
        pub const ALL: &[Route] = &[$($name),*];
    };
}

routes! {
    /// Liveness.
    HEALTH = Get "/api/v1/health";
    /// Version, uptime, counts.
    INFO = Get "/api/v1/info";
    /// Starts a process.
    START_PROCESS = Post "/api/v1/processes";
    /// Lists processes.
    LIST_PROCESSES = Get "/api/v1/processes";
    /// Runs a command to its end, as an event stream.
    RUN = Post "/api/v1/processes/run";
    /// One process.
    GET_PROCESS = Get "/api/v1/processes/{process}";
    /// Kills a process.
    KILL_PROCESS = Delete "/api/v1/processes/{process}";
    /// Restarts a managed process.
    RESTART_PROCESS = Post "/api/v1/processes/{process}/restart";
    /// Sends a signal.
    SIGNAL_PROCESS = Post "/api/v1/processes/{process}/signal";
    /// Writes to standard input.
    WRITE_STDIN = Post "/api/v1/processes/{process}/stdin";
    /// Closes standard input.
    CLOSE_STDIN = Post "/api/v1/processes/{process}/stdin/close";
    /// Captured standard output.
    GET_STDOUT = Get "/api/v1/processes/{process}/stdout";
    /// Captured standard error.
    GET_STDERR = Get "/api/v1/processes/{process}/stderr";
    /// Captured output of both streams.
    GET_OUTPUT = Get "/api/v1/processes/{process}/output";
    /// Follows standard output.
    FOLLOW_STDOUT = Get "/api/v1/processes/{process}/stdout/follow";
    /// Follows standard error.
    FOLLOW_STDERR = Get "/api/v1/processes/{process}/stderr/follow";
    /// Follows both streams.
    FOLLOW_OUTPUT = Get "/api/v1/processes/{process}/output/follow";
    /// Reads a file.
    READ_FILE = Get "/api/v1/files";
    /// Writes a file.
    WRITE_FILE = Put "/api/v1/files";
    /// Deletes a file.
    DELETE_FILE = Delete "/api/v1/files";
    /// Lists a directory.
    LIST_DIRECTORY = Get "/api/v1/files/list";
    /// Creates a PTY session.
    CREATE_PTY = Post "/api/v1/pty";
    /// Lists PTY sessions.
    LIST_PTYS = Get "/api/v1/pty";
    /// One PTY session.
    GET_PTY = Get "/api/v1/pty/{session}";
    /// Ends a PTY session.
    KILL_PTY = Delete "/api/v1/pty/{session}";
    /// Resizes a terminal.
    RESIZE_PTY = Post "/api/v1/pty/{session}/resize";
    /// A terminal's WebSocket.
    PTY_SOCKET = Get "/api/v1/pty/{session}/ws";
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
    /// Whose key it is.
    INTROSPECT_KEY = Post "/platform/v1/keys/introspect";
    /// Makes a token for a web page; the local server's own.
    CREATE_PAGE_TOKEN = Post "/local/page-tokens";
    /// Resumes a sandbox.
    RESUME_SANDBOX = Post "/sandboxes/{sandbox}/resume";
}

/// What stands before a lifecycle path on an Indexify server (and, also accepted, on ours).
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
            assert!(ALL.iter().skip(i + 1).all(|b| a != b), "{a:?}");
        }
    }
}
