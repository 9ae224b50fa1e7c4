//! The routes of the API.

use super::app::App;
use super::{
    captured, channels, complete, files, fs, gate, ignored, lifecycle, pages, process, proof, pty,
    search, stream, tunnel, unread, watches,
};
use crate::error::ApiError;
use axum::Router;
use axum::handler::Handler;
use axum::http::Uri;
use axum::middleware;
use axum::routing::MethodFilter;
use axum::routing::{MethodRouter, on};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::route::{self, Method, Route, Scope};
use std::sync::Arc;

type Routes = Router<Arc<App>>;

/// Adds a route of the table.
fn add<T: 'static>(routes: Routes, route: Route, handler: impl Handler<T, Arc<App>>) -> Routes {
    let filter = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    };
    let handler: MethodRouter<Arc<App>> = on(filter, handler);
    routes.route(route.path, handler)
}

fn lifecycle_routes() -> Routes {
    let routes = Router::new();
    let routes = add(routes, route::CREATE_SANDBOX, lifecycle::create);
    let routes = add(routes, route::LIST_SANDBOXES, lifecycle::list);
    let routes = add(routes, route::GET_SANDBOX, lifecycle::get);
    let routes = add(routes, route::DELETE_SANDBOX, lifecycle::delete);
    let routes = add(routes, route::UPDATE_SANDBOX, lifecycle::update);
    let routes = add(routes, route::SUSPEND_SANDBOX, lifecycle::suspend);
    add(routes, route::RESUME_SANDBOX, lifecycle::resume)
}

/// The routes whose answers are event streams and whose scopes are allowed.
fn streaming_routes(allowed: &[Scope]) -> Routes {
    let is_allowed = |route: Route| route.scope().is_some_and(|scope| allowed.contains(&scope));
    let mut routes = Router::new();
    if is_allowed(route::RUN) {
        routes = add(routes, route::RUN, process::run);
    }
    if is_allowed(route::FOLLOW_OUTPUT) {
        routes = add(routes, route::FOLLOW_STDOUT, stream::follow_stdout);
        routes = add(routes, route::FOLLOW_STDERR, stream::follow_stderr);
        routes = add(routes, route::FOLLOW_OUTPUT, stream::follow_output);
        routes = add(routes, route::FOLLOW_EXIT, stream::follow_exit);
    }
    if is_allowed(route::FOLLOW_WATCH) {
        routes = add(routes, route::FOLLOW_WATCH, watches::follow);
    }
    routes
}

fn sandbox_routes() -> Routes {
    let routes = streaming_routes(Scope::ALL);
    let routes = add(routes, route::CHANNELS, channels::open);
    let routes = add(routes, route::HEALTH, process::health);
    let routes = add(routes, route::INFO, process::info);
    let routes = add(routes, route::USAGE, process::usage);
    let routes = add(routes, route::START_PROCESS, process::start);
    let routes = add(routes, route::LIST_PROCESSES, process::list);
    let routes = add(routes, route::GET_PROCESS, process::get);
    let routes = add(routes, route::KILL_PROCESS, process::kill);
    let routes = add(routes, route::RESTART_PROCESS, process::restart);
    let routes = add(routes, route::SIGNAL_PROCESS, process::signal);
    let routes = add(routes, route::WRITE_STDIN, process::write_stdin);
    let routes = add(routes, route::CLOSE_STDIN, process::close_stdin);
    let routes = add(routes, route::GET_STDOUT, captured::stdout);
    let routes = add(routes, route::GET_STDERR, captured::stderr);
    let routes = add(routes, route::GET_OUTPUT, captured::output);
    let routes = add(routes, route::CREATE_PTY, pty::create);
    let routes = add(routes, route::LIST_PTYS, pty::list);
    let routes = add(routes, route::GET_PTY, pty::get);
    let routes = add(routes, route::KILL_PTY, pty::kill);
    let routes = add(routes, route::RESIZE_PTY, pty::resize);
    let routes = add(routes, route::PTY_SOCKET, pty::socket);
    let routes = add(routes, route::READ_FILE, files::read);
    let routes = add(routes, route::WRITE_FILE, files::write);
    let routes = add(routes, route::DELETE_FILE, files::delete);
    let routes = add(routes, route::LIST_DIRECTORY, files::list);
    let routes = add(routes, route::LOOK_AT_FILES, fs::look);
    let routes = add(routes, route::CHANGE_FILES, fs::change);
    let routes = add(routes, route::WATCH_FILES, watches::start);
    let routes = add(routes, route::END_WATCH, watches::end);
    let routes = add(routes, route::GLOB, search::glob);
    let routes = add(routes, route::GREP, search::grep);
    add(routes, route::TCP_TUNNEL, tunnel::open)
}

/// The routes that a channel of a WebSocket can request.
pub(super) fn channel_router(app: Arc<App>, allowed: &[Scope]) -> Router {
    let router = streaming_routes(allowed).nest("/s/{sandbox}", streaming_routes(allowed));
    behind_the_gate(router, app)
}

/// Adds the layers that every request passes.
fn behind_the_gate(routes: Routes, app: Arc<App>) -> Router {
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(async || {
            ApiError::new(ServerCode::MethodNotAllowed, "the route does not take this method")
        })
        // After the gate, so that a request to a port of a sandbox ends when its client disconnects.
        .layer(middleware::from_fn_with_state(app.clone(), complete::run))
        .layer(middleware::from_fn_with_state(app.clone(), gate::check))
        .with_state(app)
}

/// The whole API. A sandbox is named by the path's prefix, by header or by host, so that every
/// client reaches it (docs/protocol.md, 1.3 and 1.4).
pub(super) fn router(app: Arc<App>) -> Router {
    let routes = add(Router::new(), route::INTROSPECT_KEY, lifecycle::introspect_key)
        .merge(add(Router::new(), route::CREATE_PAGE_TOKEN, pages::create))
        .merge(add(Router::new(), route::PROVE_KEY, proof::prove))
        .merge(sandbox_routes())
        .nest("/s/{sandbox}", sandbox_routes())
        .merge(lifecycle_routes())
        .nest(route::NAMESPACED, lifecycle_routes());
    behind_the_gate(routes, app)
        .layer(middleware::from_fn(ignored::tell))
        .layer(middleware::from_fn(unread::read_on))
}

/// The error for unknown routes: 501 for routes of the public API, 404 for others.
async fn no_route(uri: Uri) -> ApiError {
    const NOT_HERE: [(&str, &str); 9] = [
        ("/snapshot", "snapshots"),
        ("/sandbox-pools", "pools"),
        ("/archived-sandboxes", "an archive of sandboxes"),
        ("/images", "images"),
        ("/copy", "copies of sandboxes"),
        ("/file_systems", "file systems"),
        ("/logs", "logs of sandboxes: read the output of its processes"),
        ("/api/v1/blob/", "blobs of images"),
        ("/api/v1/ssh/", "SSH: open a terminal"),
    ];
    let path = uri.path();
    // `/sandboxes/{sandbox}/processes` lists the processes that have logs.
    let of_logs = path.contains("/sandboxes/") && path.ends_with("/processes");
    let path = if of_logs { "/logs" } else { path };
    match NOT_HERE.iter().find(|(part, _)| path.contains(part)) {
        Some((_, what)) => ApiError::unsupported(what),
        None => ApiError::new(ServerCode::RouteNotFound, "there is no such route"),
    }
}
