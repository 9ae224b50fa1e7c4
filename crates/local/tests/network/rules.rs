//! The rules of a sandbox's network: `allow_internet_access`, `allow_out`, `deny_out`.

use crate::server::{Server, refused};
use crate::world::{OUTSIDE, World, python};
use reqwest::Method;
use serde_json::{Value, json};

/// The outcome of a connection to each outside address, and to one by name.
const TRY: &str = "
print(tried('198.51.100.1', 80), tried('198.51.100.2', 80), tried('2001:db8:1::1', 80))
for name in ['a.example', 'b.example']:
    try: print(tried(socket.gethostbyname(name), 80))
    except OSError: print('unknown')
";

#[tokio::test]
async fn rules_hold_for_addresses_ranges_and_names() {
    let test = "rules::rules_hold_for_addresses_ranges_and_names";
    let Some(world) = World::enter(test) else { return };
    world.internet.name("a.example", OUTSIDE[0]);
    world.internet.name("b.example", OUTSIDE[1]);
    let server = world.server(&[]);
    const YES: &str = "connected";
    const NO: &str = "EHOSTUNREACH";
    const NO6: &str = "EACCES";
    for (rules, [first, second, v6, a, b]) in [
        (json!(null), [YES, YES, YES, YES, YES]),
        (json!({}), [YES, YES, YES, YES, YES]),
        (json!({ "allow_internet_access": false }), [NO, NO, NO6, "unknown", "unknown"]),
        (json!({ "deny_out": ["198.51.100.1"] }), [NO, YES, YES, NO, YES]),
        (json!({ "deny_out": ["198.51.100.0/24"] }), [NO, NO, YES, NO, NO]),
        (json!({ "deny_out": ["2001:db8::/32"] }), [YES, YES, NO6, YES, YES]),
        (json!({ "allow_out": ["198.51.100.2"] }), [NO, YES, NO6, "unknown", "unknown"]),
        // Its address is open once its name was looked up: the first line is printed before.
        (json!({ "allow_out": ["b.example"] }), [NO, NO, NO6, "unknown", YES]),
        (
            json!({ "allow_internet_access": false, "allow_out": ["2001:db8:1::/64", "a.example"] }),
            [NO, NO, YES, YES, "unknown"],
        ),
        (
            json!({ "allow_out": ["198.51.100.0/24", "a.example"], "deny_out": ["198.51.100.1/32"] }),
            [NO, YES, NO6, NO, "unknown"],
        ),
    ] {
        let sandbox = server.sandbox_with(json!({ "network": rules })).await;
        let seen = python(&sandbox, TRY).await;
        assert_eq!(seen, format!("{first} {second} {v6}\n{a}\n{b}"), "{rules}");
    }
}

async fn info(server: &Server, id: &str) -> Value {
    let path = format!("/sandboxes/{id}");
    server.request(Method::GET, &path).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_change_of_the_rules_is_for_new_connections() {
    let test = "rules::a_change_of_the_rules_is_for_new_connections";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    assert_eq!(info(&server, &sandbox.id).await["network_policy"], json!(null));
    let program = "
import os
s = ask('whole')
open('/tmp/connected', 'w')
while not os.path.exists('/tmp/changed'): time.sleep(0.01)
print(tried('198.51.100.1', 80))
s.sendall(b'still here'); s.shutdown(socket.SHUT_WR)
print(read(s))
";
    let change = async {
        while sandbox.run_script("test -e /tmp/connected").await.exit_code() != Some(0) {}
        let rules =
            json!({ "allow_internet_access": true, "allow_out": [], "deny_out": ["198.51.100.1"] });
        let patch = server.request(Method::PATCH, &format!("/sandboxes/{}", sandbox.id));
        let patched = patch.json(&json!({ "network": rules })).send().await.unwrap();
        assert_eq!(patched.status(), 200);
        assert_eq!(info(&server, &sandbox.id).await["network_policy"], rules);
        sandbox.run_script("touch /tmp/changed").await;
    };
    let (seen, ()) = tokio::join!(python(&sandbox, program), change);
    assert_eq!(seen, "EHOSTUNREACH\nb'still here'");
    let patch = server.request(Method::PATCH, &format!("/sandboxes/{}", sandbox.id));
    patch.json(&json!({ "network": null })).send().await.unwrap();
    assert_eq!(python(&sandbox, "print(tried('198.51.100.1', 80))").await, "connected");
}

#[tokio::test]
async fn what_cannot_be_enforced_is_refused() {
    let test = "rules::what_cannot_be_enforced_is_refused";
    let Some(world) = World::enter(test) else { return };
    let invalid = (400, "INVALID_REQUEST".to_owned());
    let unsupported = (501, "UNSUPPORTED".to_owned());
    let own = world.server(&[]);
    let id = own.sandbox().await.id;
    for (rules, answer) in [
        (json!({ "allow_out": ["10.0.0.0/33"] }), &invalid),
        (json!({ "allow_out": ["http://a.example"] }), &invalid),
        (json!({ "deny_out": [""] }), &invalid),
        (json!({ "deny_out": ["a.example"] }), &unsupported),
    ] {
        for (method, path) in
            [(Method::POST, "/sandboxes".to_owned()), (Method::PATCH, format!("/sandboxes/{id}"))]
        {
            let request = own.request(method, &path).json(&json!({ "network": rules }));
            assert_eq!(&refused(request).await, answer, "{rules}");
        }
    }
    for shared in [world.server(&["--network", "host"]), Server::start(&["--isolation", "none"])] {
        let id =
            shared.sandbox_with(json!({ "network": { "allow_internet_access": true } })).await.id;
        for rules in [
            json!({ "allow_internet_access": false, "allow_out": ["1.1.1.1"] }),
            json!({ "allow_out": ["1.1.1.1"] }),
            json!({ "deny_out": ["1.1.1.1"] }),
        ] {
            for (method, path) in [
                (Method::POST, "/sandboxes".to_owned()),
                (Method::PATCH, format!("/sandboxes/{id}")),
            ] {
                let request = shared.request(method, &path).json(&json!({ "network": rules }));
                assert_eq!(refused(request).await, unsupported, "{rules}");
            }
        }
    }
}
