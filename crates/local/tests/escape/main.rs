//! Attempts to get out of a sandbox, at every level, as root and as a user: none succeeds that `claims` says is
//! held, and SECURITY.md says the same. The attempts are Python programs (`*.py`), which also run on the host,
//! where they have to succeed: an attempt that cannot succeed proves nothing.

#![allow(missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod exhaustion;
mod host_side;
mod world;

use claims::{CLAIMS, Held, UNCONTROLLED};
use std::collections::{BTreeMap, BTreeSet};
use world::{Outcome, World};

/// The outcome of every attempt, by name.
type Outcomes = BTreeMap<String, Outcome>;

/// The least number of attempts at each level.
const ATTEMPTS: usize = 60;

/// Returns the outcomes that contradict the claims.
fn check(level: &str, user: &str, outcomes: &Outcomes) -> Vec<String> {
    let mut wrong = Vec::new();
    for claim in &CLAIMS {
        let of_claim: Vec<_> = outcomes.iter().filter(|(_, it)| it.claim == claim.id).collect();
        let got: Vec<_> = of_claim.iter().filter(|(_, outcome)| outcome.got()).collect();
        match claim.held(level, user) {
            Held::Yes => {
                wrong
                    .extend(got.iter().map(|(name, it)| format!("{name} succeeded {}", it.detail)));
            }
            // A table that says less than is true is wrong, too.
            Held::No if got.is_empty() => wrong.push(format!("{} is held", claim.id)),
            Held::No => {}
        }
    }
    let known = |outcome: &Outcome| CLAIMS.iter().any(|claim| claim.id == outcome.claim);
    let broken = outcomes.iter().filter(|(_, it)| it.result == "broken" || !known(it));
    wrong.extend(
        broken.map(|(name, outcome)| format!("{name} is {}: {}", outcome.result, outcome.detail)),
    );
    wrong
}

#[tokio::test]
async fn no_attempt_succeeds_where_the_table_says_held() {
    let (mut wrong, mut ever_got, mut names) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    let worlds = world::worlds();
    for (level, user) in &worlds {
        let mut world = World::start(level, user).await;
        let inside = world.inside().await;
        let found = check(level, user, &inside);
        wrong.extend(found.iter().map(|what| format!("{level} as {user}: {what}")));
        names.extend(inside.iter().map(|(name, it)| (name.clone(), it.claim.clone())));
        // The same on the host, without a sandbox.
        let outside = world.outside();
        ever_got.extend(outside.iter().filter(|(_, it)| it.got()).map(|(name, _)| name.clone()));
        world.end();
        let got = inside.values().filter(|outcome| outcome.got()).count();
        // `npm test` counts by these lines.
        println!(
            "escape: {level} as {user}: {} held, {} not held as documented, {} wrong",
            inside.len() - got,
            got,
            found.len()
        );
        assert!(inside.len() >= ATTEMPTS, "{level} as {user}: {} attempts", inside.len());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Without root on the host, many attempts fail there for want of rights.
    if worlds.iter().any(|(_, user)| *user == "root") {
        let counts = |name: &&String| !UNCONTROLLED.contains(&name.as_str());
        let never: Vec<_> =
            names.keys().filter(|name| !ever_got.contains(*name)).filter(counts).collect();
        assert!(never.is_empty(), "succeed nowhere, not even on the host: {never:?}");
    }
    if !names.is_empty() {
        claims::check_security_md(&names);
    }
}
