//! Waiting for a condition by polling.

use std::time::{Duration, Instant};

/// The time limit of a wait. It is long enough for a machine under load.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls `condition` until it holds. Panics with `what` where it does not hold within `limit`.
pub async fn until(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    found(limit, what, async || condition().await.then_some(())).await;
}

/// Polls `look` until it returns something. Panics with `what` where it returns nothing within `limit`.
pub async fn found<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
