//! The proof of a client and of the server that they know the key.

use crate::server::{KEY, Server, refused};
use hmac::{Hmac, Mac as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use shoreline_protocol::route;

/// The proof with which a client or a server shows that it knows the key.
fn proof(key: &str, role: &str, url: &str, nonce: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("shoreline-local\n{role}\n{url}\n{nonce}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_server_proves_that_it_knows_the_key_to_whoever_proves_it() {
    let server = Server::start(&[]);
    let ask = |nonce: &str, proof: &str| {
        let request = server.client.get(format!("{}{}", server.url, route::PROVE_KEY.path));
        request.query(&[("nonce", nonce), ("proof", proof)])
    };
    let nonce = "0123456789abcdef".repeat(4);
    let mine = proof(KEY, "client", &server.url, &nonce);
    let answer = ask(&nonce, &mine).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer, json!({ "proof": proof(KEY, "server", &server.url, &nonce) }));

    let unauthorized = (401, "UNAUTHORIZED".to_owned());
    let other = "fedcba9876543210".repeat(4);
    let elsewhere = "http://127.0.0.1:1";
    for (nonce, proof) in [
        (&nonce, proof("another key", "client", &server.url, &nonce)),
        // Another nonce's, another server's, and what a server answers.
        (&other, mine.clone()),
        (&nonce, proof(KEY, "client", elsewhere, &nonce)),
        (&nonce, proof(KEY, "server", &server.url, &nonce)),
        (&nonce, mine[1..].to_owned()),
        (&nonce, mine.to_uppercase()),
        (&nonce, String::new()),
    ] {
        assert_eq!(refused(ask(nonce, &proof)).await, unauthorized, "{nonce} {proof}");
    }
    for nonce in
        ["", "0", &nonce[1..], &format!("{nonce}0"), &nonce.to_uppercase(), &"é".repeat(32)]
    {
        let good = proof(KEY, "client", &server.url, nonce);
        assert_eq!(refused(ask(nonce, &good)).await, unauthorized, "{nonce}");
    }
}
