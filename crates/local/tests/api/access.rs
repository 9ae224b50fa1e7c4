//! Access to the server: keys, origins, hosts, tokens.

use crate::server::{KEY, Server, isolations, refused};
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use shoreline_protocol::{limits, route};

#[tokio::test]
async fn no_route_answers_without_the_key() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let prefixes =
        ["".to_owned(), format!("/s/{}", sandbox.id), "/v1/namespaces/default".to_owned()];
    for route in route::ALL {
        // A terminal's socket has a token of its own.
        let unauthorized = match *route {
            route::PTY_SOCKET => (403, "INVALID_TOKEN".to_owned()),
            _ => (401, "UNAUTHORIZED".to_owned()),
        };
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        for prefix in &prefixes {
            if *route == route::PTY_SOCKET && prefix.starts_with("/v1") {
                continue;
            }
            let url = format!("{}{prefix}{}", server.url, route.fill(&[&sandbox.id]));
            let request = || server.client.request(method.clone(), &url);
            assert_eq!(refused(request()).await, unauthorized, "{url}");
            for key in ["", "x", "the key of the tes", "the key of the test2"] {
                assert_eq!(refused(request().bearer_auth(key)).await, unauthorized, "{url} {key}");
            }
            let basic = request().basic_auth("the key of the test", Some(""));
            assert_eq!(refused(basic).await, unauthorized);
        }
    }
    let unknown = server.client.get(format!("{}/nothing", server.url));
    assert_eq!(refused(unknown).await.0, 401);
}

#[tokio::test]
async fn a_name_that_somebody_points_here_is_refused() {
    let server = Server::start(&[]);
    let port = server.url.rsplit_once(':').unwrap().1.to_owned();
    let with_host =
        |host: String| server.request(Method::GET, "/sandboxes").header(header::HOST, host);
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil",
        "evil.com:.localhost",
        "evil.example.local",
        "8000-evil.local",
        "0-evil.localhost",
        "192.0.2.1",
    ] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let forbidden = (403, "FORBIDDEN_HOST".to_owned());
            assert_eq!(refused(with_host(host.clone())).await, forbidden, "{host}");
        }
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let answer = with_host(format!("{host}:{port}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{host}");
        // Port 0 is nobody's.
        let zero = refused(with_host(format!("{host}:0"))).await;
        assert_eq!(zero, (403, "FORBIDDEN_HOST".to_owned()), "{host}");
    }
}

#[tokio::test]
async fn a_name_that_another_machine_can_have_is_accepted_with_the_key_only() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let token = page_token(&server, json!({ "origin": PAGE })).await;
    for host in [format!("{}.local", sandbox.id), format!("9501-{}.local", sandbox.id)] {
        let ask = |path: &str| {
            let request = server.client.get(format!("{}{path}", server.url));
            request.header(header::HOST, &host)
        };
        let refusal = (401, "UNAUTHORIZED".to_owned());
        assert_eq!(refused(ask("/api/v1/health")).await, refusal, "{host}");
        assert_eq!(refused(ask("/api/v1/pty/x/ws")).await, refusal, "{host}");
        assert_eq!(refused(ask(route::PROVE_KEY.path)).await, refusal, "{host}");
        let page = ask("/api/v1/health").bearer_auth(&token).header(header::ORIGIN, PAGE);
        assert_eq!(refused(page).await, refusal, "{host}");
        let with_key = ask("/api/v1/health").bearer_auth(KEY).send().await.unwrap();
        assert_eq!(with_key.status(), StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_and_allowed_ones_are_told_so() {
    let allowed = "http://localhost:5173";
    let server = Server::start(&["--allow-origin", allowed]);
    let from =
        |origin: &str| server.request(Method::GET, "/sandboxes").header(header::ORIGIN, origin);
    for origin in ["https://evil.example", "null", "http://localhost:51730", "http://localhost"] {
        let answer = from(origin).send().await.unwrap();
        assert_eq!(answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
        assert_eq!(refused(from(origin)).await, (403, "FORBIDDEN_ORIGIN".to_owned()), "{origin}");
    }
    let answer = from(allowed).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], allowed);
    assert_eq!(answer.headers()[header::VARY], "Origin");
    // What some clients send that are no browser. Pages come from another port or another name.
    let port = server.url.rsplit_once(':').unwrap().1;
    for own in ["127.0.0.1", "localhost"] {
        let answer = from(&format!("http://{own}:{port}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{own}");
    }
    for other in [format!("http://8000-x.localhost:{port}"), format!("https://localhost:{port}")] {
        assert_eq!(refused(from(&other)).await, (403, "FORBIDDEN_ORIGIN".to_owned()), "{other}");
    }
    // An error must be readable by the page too.
    let wrong =
        server.client.get(format!("{}/sandboxes", server.url)).header(header::ORIGIN, allowed);
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], allowed);
}

#[tokio::test]
async fn a_preflight_is_answered_to_allowed_origins_only() {
    let allowed = "http://localhost:5173";
    let server = Server::start(&["--allow-origin", allowed]);
    let preflight = |origin: &'static str| {
        server
            .client
            .request(Method::OPTIONS, format!("{}/s/x/api/v1/processes/run", server.url))
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
    };
    assert_eq!(refused(preflight("https://evil.example")).await.0, 403);
    let answer = preflight(allowed).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], allowed);
    let headers = answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    for name in ["Authorization", "Content-Type", "Last-Event-ID", "X-Tensorlake-Sandbox-Id"] {
        assert!(headers.split(", ").any(|allowed| allowed == name), "{name}");
    }
}

const PAGE: &str = "http://127.0.0.1:5173";

/// Requests a token for a page and returns the answer.
async fn page_token(server: &Server, body: Value) -> String {
    let request = server.request(Method::POST, "/local/page-tokens").json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["expires_in"], body.get("ttl_secs").cloned().unwrap_or(json!(300)));
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_for_a_page_is_good_for_its_origin_and_makes_no_other() {
    let server = Server::start(&[]);
    let ask = |token: &str, origin: Option<&str>| {
        let request = server.client.get(format!("{}/sandboxes", server.url)).bearer_auth(token);
        match origin {
            Some(origin) => request.header(header::ORIGIN, origin),
            None => request,
        }
    };
    let forbidden = (403, "FORBIDDEN_ORIGIN".to_owned());
    let unauthorized = (401, "UNAUTHORIZED".to_owned());
    assert_eq!(refused(ask(KEY, Some(PAGE))).await, forbidden);
    let token = page_token(&server, json!({ "origin": PAGE })).await;
    let other = page_token(&server, json!({ "origin": "http://127.0.0.1:5174" })).await;
    let answer = ask(&token, Some(PAGE)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], PAGE);
    let preflight = server
        .client
        .request(Method::OPTIONS, format!("{}/sandboxes", server.url))
        .header(header::ORIGIN, PAGE)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    assert_eq!(preflight.send().await.unwrap().status(), StatusCode::NO_CONTENT);

    assert_eq!(refused(ask(&other, Some(PAGE))).await, unauthorized);
    assert_eq!(refused(ask(&token[1..], Some(PAGE))).await, unauthorized);
    assert_eq!(refused(ask(&format!("{token}0"), Some(PAGE))).await, unauthorized);
    assert_eq!(refused(ask(&token, None)).await, unauthorized);
    assert_eq!(refused(ask(&token, Some("http://127.0.0.1:51730"))).await, forbidden);
    // The name of this server itself is no page's.
    assert_eq!(refused(ask(&token, Some(&server.url))).await, unauthorized);

    let again = server
        .client
        .post(format!("{}/local/page-tokens", server.url))
        .bearer_auth(&token)
        .header(header::ORIGIN, PAGE)
        .json(&json!({ "origin": PAGE }));
    assert_eq!(refused(again).await, unauthorized);
    for wrong in [
        json!({ "origin": "null" }),
        json!({ "origin": "" }),
        json!({ "origin": "http://" }),
        json!({ "origin": "http://x/path" }),
        json!({ "origin": "http://X" }),
        json!({ "origin": "ftp://x" }),
        json!({ "origin": format!("http://{}", "x".repeat(256)) }),
        json!({ "origin": PAGE, "ttl_secs": 0 }),
        json!({ "origin": PAGE, "ttl_secs": 3601 }),
    ] {
        let request = server.request(Method::POST, "/local/page-tokens").json(&wrong);
        assert_eq!(refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn a_token_for_a_page_expires_with_its_origin() {
    let server = Server::start(&[]);
    let token = page_token(&server, json!({ "origin": PAGE, "ttl_secs": 1 })).await;
    let ask = || {
        let request = server.client.get(format!("{}/sandboxes", server.url));
        request.bearer_auth(&token).header(header::ORIGIN, PAGE)
    };
    until(TIMEOUT, "the token expires", async || {
        ask().send().await.unwrap().status() != StatusCode::OK
    })
    .await;
    assert_eq!(refused(ask()).await, (403, "FORBIDDEN_ORIGIN".to_owned()));
}

#[tokio::test]
async fn so_many_tokens_for_pages_live_that_the_oldest_makes_room() {
    let server = Server::start(&[]);
    let first = page_token(&server, json!({ "origin": PAGE })).await;
    let status = async || {
        let request = server.client.get(format!("{}/sandboxes", server.url)).bearer_auth(&first);
        request.header(header::ORIGIN, PAGE).send().await.unwrap().status()
    };
    for _ in 1..limits::PAGE_TOKENS {
        page_token(&server, json!({ "origin": PAGE })).await;
    }
    assert_eq!(status().await, StatusCode::OK);
    page_token(&server, json!({ "origin": PAGE })).await;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_token_exposes_no_ports() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let token = page_token(&server, json!({ "origin": PAGE })).await;
    let unauthorized = (401, "UNAUTHORIZED".to_owned());
    let path = format!("/sandboxes/{}", sandbox.id);
    let page = |method: Method, path: &str, body: Value| {
        let request = server.client.request(method, format!("{}{path}", server.url));
        request.bearer_auth(&token).header(header::ORIGIN, PAGE).json(&body)
    };
    let open = json!({ "allow_unauthenticated_access": true });
    assert_eq!(refused(page(Method::PATCH, &path, open.clone())).await, unauthorized);
    assert_eq!(refused(page(Method::POST, "/sandboxes", open.clone())).await, unauthorized);
    let alias = json!({ "allow_unauthenticated_proxy_access": true });
    assert_eq!(refused(page(Method::PATCH, &path, alias.clone())).await, unauthorized);
    assert_eq!(refused(page(Method::POST, "/sandboxes", alias)).await, unauthorized);
    // Nor ports that the next change with the key would open unseen.
    let ports = json!({ "exposed_ports": [8000, 8001] });
    assert_eq!(refused(page(Method::PATCH, &path, ports.clone())).await, unauthorized);
    assert_eq!(refused(page(Method::POST, "/sandboxes", ports.clone())).await, unauthorized);
    for body in [&ports, &open] {
        let changed = server.request(Method::PATCH, &path).json(body).send().await.unwrap();
        assert_eq!(changed.status(), StatusCode::OK);
    }
    let more = json!({ "exposed_ports": [8000, 8001, 8002] });
    assert_eq!(refused(page(Method::PATCH, &path, more)).await, unauthorized);
    assert_eq!(refused(page(Method::PATCH, &path, open)).await, unauthorized);
    // It can close them.
    for closed in [
        json!({ "exposed_ports": [8001] }),
        json!({ "allow_unauthenticated_access": false, "exposed_ports": [] }),
    ] {
        let closed = page(Method::PATCH, &path, closed).send().await.unwrap();
        assert_eq!(closed.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn without_authorization_nothing_is_woken_and_nothing_is_learnt() {
    let server = Server::start(&[]);
    let body = json!({ "name": "asleep", "exposed_ports": [8000] });
    let made = server.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let sandbox = server.attach(made["sandbox_id"].as_str().unwrap());
    let body = json!({ "command": "sleep", "args": ["1000"] });
    let pty = sandbox.request(Method::POST, "/pty").json(&body).send().await.unwrap();
    let pty: Value = pty.json().await.unwrap();
    let (session, token) = (pty["session_id"].as_str().unwrap(), pty["token"].as_str().unwrap());
    let suspend = server.request(Method::POST, "/sandboxes/asleep/suspend").send().await.unwrap();
    assert_eq!(suspend.status(), StatusCode::ACCEPTED);
    let state = async || {
        let info = server.request(Method::GET, "/sandboxes/asleep").send().await.unwrap();
        let info: Value = info.json().await.unwrap();
        info["status"].as_str().unwrap().to_owned()
    };
    let port = server.url.rsplit_once(':').unwrap().1.to_owned();
    for label in ["8000-asleep", "8001-asleep", "8000-nobody"] {
        let host = format!("{label}.localhost:{port}");
        let request = server.client.get(&server.url).header(header::HOST, host);
        assert_eq!(refused(request).await, (401, "UNAUTHORIZED".to_owned()), "{label}");
    }
    let socket = |sandbox: &str, session: &str, token: &str| {
        let path = format!("/s/{sandbox}/api/v1/pty/{session}/ws?token={token}");
        let request = server.client.get(format!("{}{path}", server.url));
        request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    for (sandbox, session) in [("asleep", session), ("asleep", "none"), ("nobody", session)] {
        let request = socket(sandbox, session, "wrong");
        assert_eq!(refused(request).await, (403, "INVALID_TOKEN".to_owned()), "{sandbox}");
    }
    assert_eq!(state().await, "suspended");
    let attached = socket("asleep", session, token).send().await.unwrap();
    assert_eq!(attached.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(state().await, "running");
}

#[tokio::test]
async fn what_the_shell_has_open_is_not_kept_open() {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    std::fs::write(&lock, "").unwrap();
    let open = format!("exec 3<'{0}' 7>>'{0}' 8<'{0}'", lock.display());
    let server = Server::start_under(&open, &[]);
    for descriptor in std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap() {
        let file = std::fs::read_link(descriptor.unwrap().path()).unwrap_or_default();
        assert_ne!(file, lock);
    }
}

#[tokio::test]
async fn the_address_that_is_printed_is_accepted() {
    let list = async |server: &Server, url: &str| {
        let request = server.client.get(format!("{url}/sandboxes")).bearer_auth(KEY);
        request.send().await.unwrap().status()
    };
    for host in ["127.0.0.1", "127.0.0.2", "::1"] {
        let server = Server::start(&["--host", host]);
        assert_eq!(list(&server, &server.url).await, StatusCode::OK, "{host}");
        // As clients that name the address to which they connect.
        let own = server.request(Method::GET, "/sandboxes").header(header::ORIGIN, &server.url);
        assert_eq!(own.send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
    if !isolations().contains(&"bubblewrap") {
        return;
    }
    let server = Server::start(&["--host", "0.0.0.0", "--isolation", "bubblewrap"]);
    assert_eq!(list(&server, &server.url).await, StatusCode::OK);
    // No packet is sent by this: it asks for the address of the interface that would be used.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("192.0.2.1:9").is_ok() {
        let port = server.url.rsplit_once(':').unwrap().1;
        let local = format!("{}:{port}", probe.local_addr().unwrap().ip());
        assert_eq!(list(&server, &format!("http://{local}")).await, StatusCode::OK);
        // Good for connections to this address only.
        if !local.starts_with("127.") {
            let other = server.client.get(format!("http://127.0.0.1:{port}/sandboxes"));
            let other = other.bearer_auth(KEY).header(header::HOST, local);
            assert_eq!(refused(other).await, (403, "FORBIDDEN_HOST".to_owned()));
        }
    }
}
