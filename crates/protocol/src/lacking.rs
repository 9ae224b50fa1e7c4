//! Finds out what a server does not support. Older servers have the same API with fewer routes and fields, and ignore
//! unknown fields.

use alloc::string::String;

use crate::error::{Code, ServerCode};
use crate::failure::{self, ApiFailure, RequestKind};
use crate::route::{Method, Route};
use crate::text::{self, joined};

/// The properties of a request on which the meaning of an error answer depends.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The kind of request.
    pub kind: RequestKind,
    /// The route.
    pub route: Route,
    /// Whether the path has a name in place of a pid.
    pub by_name: bool,
}

/// Parts of paths that older servers lack, each with what those servers cannot do.
const OPTIONAL: [(&str, &str); 12] = [
    ("/suspend", "suspend sandboxes"),
    ("/resume", "resume sandboxes"),
    ("/restart", "restart processes"),
    ("/signal", "send signals to processes"),
    ("/stdin", "write to the input of processes"),
    ("/follow", "stream output"),
    ("/v1/pty", "open terminals"),
    ("/v1/tunnels", "tunnel connections"),
    ("/v1/files", "transfer files"),
    ("/v1/usage", "measure what processes use"),
    ("/snapshot", "take snapshots of sandboxes"),
    ("/copy", "copy sandboxes"),
];

fn inability(route: Route) -> Option<&'static str> {
    if route.method == Method::Patch {
        return Some("change sandboxes");
    }
    OPTIONAL.iter().find(|(part, _)| text::contains(route.path, part)).map(|(_, what)| *what)
}

/// Classifies an error answer as [`failure::classify`] does. If the server lacks the requested feature, the message says
/// so.
///
/// ```
/// use shoreline_protocol::{failure::RequestKind, lacking::{Asked, classify}, route};
/// let asked = Asked { kind: RequestKind::Lifecycle, route: route::SUSPEND_SANDBOX, by_name: false };
/// assert_eq!(classify(&asked, 404, "", b"").message, "this server cannot suspend sandboxes");
/// ```
#[must_use]
pub fn classify(asked: &Asked, status: u16, content_type: &str, body: &[u8]) -> ApiFailure {
    let mut failure = failure::classify(asked.kind, status, Some(content_type), body);
    let code = failure.server_code.as_deref();
    // Where there should have been JSON, it was not read.
    let is_empty = body.trim_ascii().is_empty() && !text::contains(content_type, "json");
    let is_router = code == Some(ServerCode::RouteNotFound.as_str())
        || code == Some(ServerCode::MethodNotAllowed.as_str())
        || code.is_none() && (status == 405 || is_empty);
    // Web frameworks answer an unknown path with text. Handlers of known paths answer with JSON.
    let is_path = code.is_none()
        && asked.by_name
        && text::contains(asked.route.path, "{process}")
        && text::contains(content_type, "text/plain");
    let message = match status {
        400 if is_path => {
            Some(String::from("this server knows processes by pid only: names need a newer server"))
        }
        404 | 405 | 501 if is_router => match inability(asked.route) {
            Some(what) => Some(joined(&["this server cannot ", what])),
            None if status == 404 => None,
            None => {
                let Route { method, path } = asked.route;
                Some(joined(&["this server does not offer ", method.as_str(), " ", path]))
            }
        },
        413 if code.is_none() => {
            failure.message.push_str(
                ": the server takes no body of this size; the limit of some servers is 2 MiB",
            );
            None
        }
        _ => None,
    };
    if let Some(message) = message {
        failure.code = Code::Unsupported;
        failure.message = message;
    }
    failure
}

/// Whether a sandbox has less of a resource than requested. Servers may round up.
#[must_use]
pub fn is_short(asked: f64, shown: f64) -> bool {
    // A server that stores 32-bit floats can return slightly less.
    shown < asked * 0.999
}

/// Whether the time limit of a sandbox differs from the requested one, in seconds. 0 requests the longest that the
/// server allows.
#[must_use]
pub fn is_other_limit(asked: f64, shown: f64) -> bool {
    asked != 0.0 && shown != asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    const PLAIN: &str = "text/plain; charset=utf-8";
    const JSON: &str = "application/json";

    fn read(route: Route, by_name: bool, status: u16, kind: &str, body: &str) -> (Code, String) {
        let asked = Asked { kind: RequestKind::SandboxPlane, route, by_name };
        let failure = classify(&asked, status, kind, body.as_bytes());
        (failure.code, failure.message)
    }

    #[test]
    fn a_route_that_is_missing_is_named_by_what_it_does() {
        for (route, what) in [
            (route::SUSPEND_SANDBOX, "suspend sandboxes"),
            (route::RESUME_SANDBOX, "resume sandboxes"),
            (route::UPDATE_SANDBOX, "change sandboxes"),
            (route::RESTART_PROCESS, "restart processes"),
            (route::SIGNAL_PROCESS, "send signals to processes"),
            (route::USAGE, "measure what processes use"),
            (route::WRITE_STDIN, "write to the input of processes"),
            (route::CLOSE_STDIN, "write to the input of processes"),
            (route::FOLLOW_STDERR, "stream output"),
            (route::CREATE_PTY, "open terminals"),
            (route::KILL_PTY, "open terminals"),
            (route::TCP_TUNNEL, "tunnel connections"),
            (route::READ_FILE, "transfer files"),
            (route::LIST_DIRECTORY, "transfer files"),
        ] {
            let expected = (Code::Unsupported, joined(&["this server cannot ", what]));
            for (status, kind, body) in [
                (404, "", ""),
                (405, "", ""),
                (405, PLAIN, "Method Not Allowed"),
                (501, "", "\n"),
                (404, JSON, r#"{"error":"no such route","code":"ROUTE_NOT_FOUND"}"#),
                (405, JSON, r#"{"error":"not that one","code":"METHOD_NOT_ALLOWED"}"#),
            ] {
                assert_eq!(read(route, false, status, kind, body), expected, "{status} {body}");
            }
        }
        let other = read(route::LIST_PROCESSES, false, 405, "", "");
        assert_eq!(other.1, "this server does not offer GET /api/v1/processes");
    }

    #[test]
    fn what_is_not_there_stays_not_found() {
        for (route, kind, body, code) in [
            (route::SUSPEND_SANDBOX, PLAIN, "Sandbox not found", Code::NotFound),
            (route::SIGNAL_PROCESS, JSON, r#"{"error":"Process 7 not found"}"#, Code::NotFound),
            (route::READ_FILE, JSON, r#"{"error":"gone","code":"NOT_FOUND"}"#, Code::NotFound),
            (route::GET_PROCESS, "", "", Code::NotFound),
            (route::GET_PTY, "text/html", "<h1>404</h1>", Code::NotFound),
            (route::GET_PTY, JSON, "", Code::NotFound),
        ] {
            assert_eq!(read(route, true, 404, kind, body).0, code, "{body}");
        }
        let words = r#"{"error":"a local sandbox has no snapshots","code":"UNSUPPORTED"}"#;
        let own = read(route::SUSPEND_SANDBOX, false, 501, JSON, words);
        assert_eq!(own, (Code::Unsupported, String::from("a local sandbox has no snapshots")));
    }

    #[test]
    fn a_server_without_names_is_told_from_a_wrong_request() {
        let text = "Invalid URL: Cannot parse `web` to a `u32`";
        let (code, message) = read(route::GET_STDOUT, true, 400, PLAIN, text);
        assert_eq!(code, Code::Unsupported);
        assert!(message.ends_with("names need a newer server"), "{message}");
        assert_eq!(read(route::GET_STDOUT, false, 400, PLAIN, text).0, Code::InvalidRequest);
        assert_eq!(read(route::GET_PTY, true, 400, PLAIN, text).0, Code::InvalidRequest);
        let ended = r#"{"error":"Process 7 is not running"}"#;
        let answer = read(route::SIGNAL_PROCESS, true, 400, JSON, ended);
        assert_eq!(answer, (Code::InvalidRequest, String::from("Process 7 is not running")));
    }

    #[test]
    fn a_body_that_is_too_large_is_told_with_the_limit_of_some_servers() {
        let (code, message) = read(route::WRITE_FILE, false, 413, PLAIN, "length limit exceeded");
        assert_eq!(code, Code::PayloadTooLarge);
        assert!(message.starts_with("length limit exceeded: "), "{message}");
        assert!(message.ends_with("2 MiB"), "{message}");
        let own = r#"{"error":"at most 64 MB","code":"PAYLOAD_TOO_LARGE"}"#;
        assert_eq!(read(route::WRITE_FILE, false, 413, JSON, own).1, "at most 64 MB");
    }

    #[test]
    fn servers_may_round_up_sizes_but_not_change_time_limits() {
        assert!(is_short(10_240.0, 1024.0));
        assert!(!is_short(1000.0, 1024.0));
        assert!(!is_short(0.7, f64::from(0.7_f32)));
        assert!(is_other_limit(60.0, 600.0) && is_other_limit(7200.0, 3600.0));
        assert!(!is_other_limit(60.0, 60.0) && !is_other_limit(0.0, 3600.0));
    }
}
