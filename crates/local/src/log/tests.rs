//! Budgets and failures: nothing is kept beyond the limits, and nothing is lost silently.

use super::disk::MEMORY;
use super::*;
use shoreline_protocol::exit::ExitStatus;
use shoreline_protocol::stream::Stream;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// The size of a file of one record, at most: budgets are so small here that files have one record.
const ONE_RECORD: u64 = RECORD as u64 + 32 * 1024;
const EXIT: Exit = Exit { status: ExitStatus::Code(0), reason: None };

struct Logs {
    directory: TempDir,
    budget: Arc<Budget>,
    made: usize,
}

impl Logs {
    fn new(disk_bytes: u64) -> Self {
        let (directory, budget) = (TempDir::new().unwrap(), Arc::new(Budget::new(disk_bytes)));
        Self { directory, budget, made: 0 }
    }

    fn log(&mut self) -> Arc<Log> {
        self.made += 1;
        let directory = self.directory.path().join(self.made.to_string());
        Arc::new(Log::new(directory, self.budget.clone()))
    }

    fn bytes_on_disk(&self) -> u64 {
        bytes_below(self.directory.path())
    }
}

fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => bytes_below(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}

/// A chunk of `bytes` bytes whose one line names its event.
fn line(number: u64, bytes: usize) -> Vec<u8> {
    format!("{number:0>width$}\n", width = bytes - 1).into_bytes()
}

fn append(log: &Log, chunks: u64, bytes: usize) {
    let last = log.position().0;
    (last + 1..=last + chunks).for_each(|number| log.push(Stream::Stdout, &line(number, bytes)));
}

/// Reads everything: each event is either seen once, with its own text, or within a gap.
async fn events(log: &Arc<Log>) -> (u64, u64) {
    let (mut next, mut seen, mut missing) = (1, 0, 0);
    loop {
        match log.find(next).await.unwrap() {
            Found::Chunks(chunks) => {
                for chunk in chunks {
                    for line in chunk.lines(next) {
                        assert_eq!(line.id, next);
                        assert_eq!(std::str::from_utf8(line.bytes).unwrap().parse(), Ok(next));
                        (next, seen) = (next + 1, seen + 1);
                    }
                }
            }
            Found::Gap(to) => {
                assert!(to >= next);
                missing += to + 1 - next;
                next = to + 1;
            }
            Found::Nothing | Found::End => break,
        }
    }
    assert_eq!(next, log.position().0 + 1);
    (seen, missing)
}

#[tokio::test]
async fn the_output_of_the_process_that_ended_first_goes_first() {
    let mut logs = Logs::new(1024 * 1024);
    let ended: Vec<_> = [logs.log(), logs.log()].into();
    for log in ended.iter().rev() {
        append(log, 30, 16 * 1024);
        log.settle().await;
        log.end(EXIT);
        assert_eq!(events(log).await, (30, 0));
    }
    // The third log needs less than the first one has on disk.
    let running = logs.log();
    append(&running, 20, 16 * 1024);
    running.spill_now(0, MEMORY);
    // The last log of the list ended first.
    let [second, first] = [events(&ended[0]).await, events(&ended[1]).await];
    assert_eq!(second, (30, 0));
    assert!(first.1 > 0 && first.0 > 0, "{first:?}");
    assert_eq!(events(&running).await, (20, 0));
    append(&running, 300, 16 * 1024);
    running.spill_now(0, MEMORY);
    assert!(events(&ended[0]).await.1 > 20);
    let (seen, missing) = events(&running).await;
    assert!(seen >= 50 && missing > 200, "{seen} {missing}");
    assert!(logs.bytes_on_disk() <= 1024 * 1024);
}

#[tokio::test]
async fn a_running_log_can_write_whatever_the_others_use() {
    let mut logs = Logs::new(1024 * 1024);
    let [greedy, other] = [logs.log(), logs.log()];
    append(&greedy, 100, 16 * 1024);
    greedy.spill_now(0, MEMORY);
    append(&other, 20, 16 * 1024);
    other.spill_now(0, MEMORY);
    let (seen, missing) = events(&other).await;
    assert!(seen > 0 && seen + missing == 20);
    assert!(logs.bytes_on_disk() <= 1024 * 1024 + ONE_RECORD);
}

#[tokio::test]
async fn ended_logs_share_their_memory() {
    let mut logs = Logs::new(u64::MAX);
    let mut ended = Vec::new();
    for _ in 0..600 {
        let log = logs.log();
        append(&log, 3, 16 * 1024);
        log.settle().await;
        log.end(EXIT);
        ended.push(log);
    }
    let (disk, running, memory) = logs.budget.used();
    assert_eq!(running, 0);
    assert!((15 << 20..=16 << 20).contains(&memory), "{memory}");
    assert!(disk > 10 << 20 && disk == logs.bytes_on_disk());
    for log in &ended {
        assert_eq!(events(log).await, (3, 0));
    }
    ended.clear();
    assert_eq!(logs.budget.used(), (0, 0, 0));
    assert_eq!(fs::read_dir(logs.directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn running_logs_keep_less_in_memory_when_there_are_many() {
    let mut logs = Logs::new(u64::MAX);
    let running: Vec<_> = (0..40).map(|_| logs.log()).collect();
    for log in &running {
        append(log, 200, 16 * 1024);
        log.spill().await;
    }
    let (_, memory, _) = logs.budget.used();
    assert!(memory < 70 << 20, "{memory}");
    for log in &running {
        assert_eq!(events(log).await, (200, 0));
    }
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_file_and_loses_nothing_that_fits_into_memory() {
    let mut logs = Logs::new(u64::MAX);
    let log = logs.log();
    // Opening this file works, writing to it does not: there is no space left.
    fs::create_dir(&log.directory).unwrap();
    symlink("/dev/full", log.path(1)).unwrap();
    append(&log, 10, 16 * 1024);
    log.spill_now(0, MEMORY);
    assert_eq!(fs::read_dir(&log.directory).unwrap().count(), 0);
    assert_eq!(logs.budget.used().0, 0);
    assert_eq!(events(&log).await, (10, 0));
    // The next write finds space again.
    log.spill_now(0, MEMORY);
    assert_eq!(logs.budget.used().1, 0);
    assert_eq!(events(&log).await, (10, 0));
}

#[tokio::test]
async fn while_writes_fail_memory_is_bounded_and_the_newest_output_is_kept() {
    let mut logs = Logs::new(u64::MAX);
    let log = logs.log();
    fs::write(&log.directory, "").unwrap();
    for _ in 0..40 {
        append(&log, 10, 16 * 1024);
        log.spill().await;
    }
    let (disk, memory, _) = logs.budget.used();
    assert_eq!(disk, 0);
    assert!(memory <= MEMORY && memory > MEMORY - 32 * 1024, "{memory}");
    let (seen, missing) = events(&log).await;
    assert!(seen > 250 && seen + missing == 400);
    log.settle().await;
    log.end(EXIT);
    assert_eq!(events(&log).await, (seen, missing));
    let (_, running, ended) = logs.budget.used();
    assert_eq!((running, ended), (0, memory));
}

/// Numbers that look random, and are the same for each seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }
}

#[tokio::test]
async fn whatever_the_order_of_appends_ends_and_drops_the_budget_holds() {
    const BUDGET: u64 = 512 * 1024;
    for seed in 0..12 {
        let (mut logs, mut numbers) = (Logs::new(BUDGET), Numbers(seed));
        let mut all: Vec<Arc<Log>> = Vec::new();
        for _ in 0..200 {
            let at = usize::try_from(numbers.below(6)).unwrap();
            let log = all.get(at % all.len().max(1)).cloned();
            match (numbers.below(10), log) {
                (0, _) | (_, None) => all.push(logs.log()),
                (1, Some(log)) => {
                    log.settle().await;
                    log.end(EXIT);
                }
                (2, Some(_)) if all.len() > 3 => drop(all.remove(at % all.len())),
                (_, Some(log)) => {
                    let bytes = usize::try_from(64 + numbers.below(32 * 1024 - 512)).unwrap();
                    append(&log, numbers.below(20), bytes);
                    // An ended process may have left others behind, which still write.
                    if log.ended().is_some() {
                        log.settle().await;
                    } else {
                        log.spill_now(usize::try_from(numbers.below(200_000)).unwrap(), MEMORY);
                    }
                }
            }
            let writing = all.iter().filter(|log| !log.lock().disk.is_empty()).count() as u64;
            let on_disk = logs.bytes_on_disk();
            assert_eq!(on_disk, logs.budget.used().0);
            assert!(on_disk <= BUDGET + writing * ONE_RECORD, "seed {seed}: {on_disk}");
        }
        for log in &all {
            events(log).await;
        }
        all.clear();
        assert_eq!(logs.budget.used(), (0, 0, 0), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn followers_of_logs_that_write_at_the_same_time_miss_nothing_silently() {
    let mut logs = Logs::new(1024 * 1024);
    let writers: Vec<_> = (0..6)
        .map(|index| {
            let log = logs.log();
            let follower = log.clone();
            tokio::spawn(async move {
                for _ in 0..60 {
                    append(&log, 8, 16 * 1024);
                    let writer = log.clone();
                    let spill = move || writer.spill_now(64 * 1024, MEMORY);
                    tokio::task::spawn_blocking(spill).await.unwrap();
                }
                if index % 2 == 0 {
                    log.settle().await;
                    log.end(EXIT);
                }
            });
            tokio::spawn(async move {
                while follower.position().0 < 480 {
                    read_what_is_there(&follower).await;
                }
                events(&follower).await
            })
        })
        .collect();
    for writer in writers {
        let (seen, missing) = writer.await.unwrap();
        assert_eq!(seen + missing, 480);
    }
    assert!(logs.bytes_on_disk() <= 1024 * 1024 + 6 * ONE_RECORD);
}

/// Reads up to the last event of this moment, while the log grows and records are dropped.
async fn read_what_is_there(log: &Arc<Log>) {
    let (mut next, last) = (1, log.position().0);
    while next <= last {
        next = match log.find(next).await.unwrap() {
            Found::Chunks(chunks) => {
                let first = chunks[0].lines(next).next().unwrap();
                assert_eq!(first.id, next);
                chunks[chunks.len() - 1].next()
            }
            Found::Gap(to) => to + 1,
            Found::Nothing | Found::End => panic!("event {next} of {last} vanished"),
        }
    }
}
