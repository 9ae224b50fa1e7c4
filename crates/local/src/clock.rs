//! The clock of a sandbox, which stops while the sandbox is suspended.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Whether a sandbox's clock runs. Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct Clock(watch::Receiver<bool>);

impl Clock {
    /// A running clock, and the sender that stops it (`true`).
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (stopped, clock) = watch::channel(false);
        (stopped, Self(clock))
    }

    /// Waits until the clock runs.
    pub(crate) async fn running(&mut self) {
        let _ = self.0.wait_for(|stopped| !stopped).await;
    }

    /// Whether the clock has stopped since the last call.
    pub(crate) fn has_stopped(&mut self) -> bool {
        let changed = self.0.has_changed().unwrap_or(false);
        *self.0.borrow_and_update() || changed
    }

    /// A timer for `duration` of this clock.
    pub(crate) fn timer(&self, duration: Duration) -> Timer {
        let stopped = self.0.clone();
        let since = (!*stopped.borrow()).then(Instant::now);
        Timer { stopped, left: duration, since }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.timer(duration).done().await;
    }
}

#[derive(Debug)]
pub(crate) struct Timer {
    stopped: watch::Receiver<bool>,
    /// The time that was left at `since`.
    left: Duration,
    /// The time at which the clock started, while it runs.
    since: Option<Instant>,
}

impl Timer {
    /// Returns when the time has passed. Safe to cancel: the elapsed time counts.
    pub(crate) async fn done(&mut self) {
        loop {
            if *self.stopped.borrow_and_update() {
                if let Some(since) = self.since.take() {
                    self.left = self.left.saturating_sub(since.elapsed());
                }
                if self.stopped.changed().await.is_ok() {
                    continue;
                }
            }
            let since = *self.since.get_or_insert_with(Instant::now);
            let end = async {
                match since.checked_add(self.left) {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => return,
                Ok(()) = self.stopped.changed() => {}
            }
        }
    }
}

/// Returns when the timer expires; without one, never.
pub(crate) async fn passed(timer: Option<&mut Timer>) {
    match timer {
        Some(timer) => timer.done().await,
        None => std::future::pending().await,
    }
}

/// Returns at that moment; without one, never.
pub(crate) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_timer_stands_still_with_its_clock() {
        let (stop, clock) = Clock::new();
        let began = Instant::now();
        let mut timer = clock.timer(10 * SECOND);
        let waits = async {
            // After a cancellation, the elapsed time still counts.
            let _ = tokio::time::timeout(SECOND, timer.done()).await;
            timer.done().await;
        };
        let stops = async {
            tokio::time::sleep(4 * SECOND).await;
            stop.send_replace(true);
            tokio::time::sleep(60 * SECOND).await;
            stop.send_replace(false);
        };
        tokio::join!(waits, stops);
        assert_eq!(began.elapsed().as_secs(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_whose_sandbox_is_gone_runs() {
        let (stop, clock) = Clock::new();
        drop(stop);
        clock.sleep(SECOND).await;
        let (stop, clock) = Clock::new();
        stop.send_replace(true);
        drop(stop);
        clock.sleep(SECOND).await;
    }

    #[tokio::test]
    async fn a_stop_in_between_is_noticed() {
        let (stop, mut clock) = Clock::new();
        assert!(!clock.has_stopped());
        stop.send_replace(true);
        stop.send_replace(false);
        assert!(clock.has_stopped());
        assert!(!clock.has_stopped());
    }
}
