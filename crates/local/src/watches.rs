//! Watches on the files of a sandbox. The agent reports changes, and a log keeps them, so that a follower can resume after
//! a broken connection. A watch without followers ends.

use crate::agent::{Agent, BEGIN_ERROR, BEGIN_RESULT, refusal};
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::log::Log;
use crate::process::Table;
use parking_lot::Mutex;
use rustix::pipe::{PipeFlags, pipe_with};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::exit::{Exit, ExitStatus};
use shoreline_protocol::limits::{BODY_BYTES, WATCH_SECONDS, WATCHES};
use shoreline_protocol::stream::Stream;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// The most bytes of changes in one read.
const READ: usize = 64 * 1024;

/// The last line of a watch whose agent is lost.
const LOST: &[u8] =
    br#"{"type":"ended","code":"SANDBOX_NOT_RUNNING","message":"the sandbox has ended"}
"#;

/// The watches of one sandbox.
#[derive(Debug)]
pub(crate) struct Watches {
    agent: Arc<Agent>,
    clock: Clock,
    processes: Arc<Table>,
    room: Arc<Semaphore>,
    last: AtomicU64,
    watches: Arc<Mutex<BTreeMap<u64, Arc<Watch>>>>,
}

/// A watch whose changes are logged as lines of standard output.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) log: Arc<Log>,
    followers: watch::Sender<usize>,
    ended: CancellationToken,
}

/// A follower of a watch. The watch does not end while it exists.
pub(crate) struct Following(Arc<Watch>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.followers.send_modify(|followers| *followers -= 1);
    }
}

impl Watch {
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        self.followers.send_modify(|followers| *followers += 1);
        Following(self.clone())
    }

    /// Logs changes until the watch has no followers.
    async fn run(&self, mut pipe: Receiver, clock: Clock) {
        let abandoned = abandoned(self.followers.subscribe(), clock);
        tokio::pin!(abandoned);
        let mut buffer = vec![0; READ];
        loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => break,
                () = &mut abandoned => break,
                read = pipe.read(&mut buffer), if !self.log.is_closed() => {
                    let read = read.unwrap_or(0);
                    if read == 0 {
                        self.close().await;
                    } else {
                        self.log.push(Stream::Stdout, &buffer[..read]);
                        self.log.spill().await;
                    }
                }
            }
        }
        self.close().await;
    }

    async fn close(&self) {
        if self.log.is_closed() {
            return;
        }
        self.log.finish(Stream::Stdout);
        self.log.push(Stream::Stdout, LOST);
        self.log.settle().await;
        self.log.end(Exit { status: ExitStatus::Code(0), reason: None });
    }
}

impl Watches {
    pub(crate) fn new(agent: Arc<Agent>, clock: Clock, processes: Arc<Table>) -> Self {
        let room = Arc::new(Semaphore::new(WATCHES));
        let (last, watches) = Default::default();
        Self { agent, clock, processes, room, last, watches }
    }

    /// Starts a watch. Returns its id once changes are reported.
    pub(crate) async fn start(&self, path: String, recursive: bool) -> Result<u64> {
        let room = self.room.clone().try_acquire_owned().map_err(|_| {
            let text = format!("a sandbox has {WATCHES} watches at most: end some first");
            ApiError::new(ServerCode::TooManyProcesses, text)
        })?;
        let internal = |error| ApiError::internal(&error);
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| internal(e.into()))?;
        let mut pipe = Receiver::from_owned_fd(ours).map_err(internal)?;
        self.agent.watch(path, recursive, theirs).await?;
        begin(&mut pipe).await?;
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let watch = Arc::new(Watch {
            log: self.processes.new_log(&format!("watch-{id}")),
            followers: watch::Sender::default(),
            ended: CancellationToken::new(),
        });
        self.watches.lock().insert(id, watch.clone());
        let (watches, clock) = (self.watches.clone(), self.clock.clone());
        tokio::spawn(async move {
            watch.run(pipe, clock).await;
            watches.lock().remove(&id);
            drop(room);
        });
        Ok(id)
    }

    pub(crate) fn get(&self, id: &str) -> Result<Arc<Watch>> {
        let found = id.parse().ok().and_then(|id: u64| self.watches.lock().get(&id).cloned());
        found
            .ok_or_else(|| ApiError::new(ServerCode::NotFound, format!("there is no watch {id:?}")))
    }

    /// Returns when the changes of every watch are complete, once the agent has ended.
    pub(crate) async fn ended(&self) {
        let watches: Vec<_> = self.watches.lock().values().cloned().collect();
        for watch in watches {
            watch.log.closed().await;
        }
    }

    /// Removes every watch of a sandbox that has ended.
    pub(crate) fn clear(&self) {
        let watches = std::mem::take(&mut *self.watches.lock());
        watches.into_values().for_each(|watch| watch.ended.cancel());
    }

    pub(crate) fn end(&self, id: &str) -> Result<()> {
        self.get(id)?.ended.cancel();
        Ok(())
    }
}

/// Waits until the watch has begun.
async fn begin(pipe: &mut Receiver) -> Result<()> {
    match pipe.read_u8().await {
        Ok(BEGIN_RESULT) => Ok(()),
        Ok(BEGIN_ERROR) => {
            let mut text = Vec::new();
            let read = pipe.take(BODY_BYTES as u64).read_to_end(&mut text).await;
            read.map_err(|error| ApiError::internal(&error))?;
            let wrong = || ApiError::internal(&io::Error::other("the sandbox gave no result"));
            Err(refusal(&text).unwrap_or_else(wrong))
        }
        _ => Err(ApiError::not_running()),
    }
}

/// Returns once there was no follower for `WATCH_SECONDS` of the sandbox's clock.
async fn abandoned(mut followers: watch::Receiver<usize>, clock: Clock) {
    loop {
        // The sender lives as long as the watch.
        let _ = followers.wait_for(|followers| *followers == 0).await;
        tokio::select! {
            _ = followers.wait_for(|followers| *followers > 0) => {}
            () = clock.sleep(Duration::from_secs(WATCH_SECONDS)) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_abandoned_once_nobody_followed_it_for_long_in_the_time_of_the_sandbox() {
        let (stop, clock) = Clock::new();
        let followers = watch::Sender::new(1);
        let began = Instant::now();
        let abandoned = tokio::spawn(abandoned(followers.subscribe(), clock));
        sleep(Duration::from_secs(1000)).await;
        followers.send_replace(0);
        sleep(Duration::from_secs(WATCH_SECONDS - 1)).await;
        followers.send_replace(1);
        sleep(Duration::from_secs(1000)).await;
        followers.send_replace(0);
        stop.send_replace(true);
        sleep(Duration::from_secs(1000)).await;
        assert!(!abandoned.is_finished());
        stop.send_replace(false);
        abandoned.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 3000 - 1 + 2 * WATCH_SECONDS);
    }
}
