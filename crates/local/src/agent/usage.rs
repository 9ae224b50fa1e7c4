//! Measures the resource usage of the sandbox's processes (proc_pid_stat(5)). The sandbox chooses their number and
//! command lines, so everything here is bounded.

use super::holders::command_of;
use super::message::{Usage, Used};
use super::tree;
use rustix::param::{clock_ticks_per_second, page_size};
use std::cmp::Reverse;
use std::fs;
use std::time::{Duration, Instant};

/// The time limit for a measurement.
const MEASURE: Duration = Duration::from_millis(300);
/// Bytes of JSON that fit into one packet, with the frame around them.
const ANSWER_BYTES: usize = 60_000;

/// Every process below the agent, those first that have used the most processor time.
pub(super) fn measure() -> Usage {
    let end = Instant::now() + MEASURE;
    let mut processes: Vec<Used> =
        tree::descendants(tree::own()).into_iter().filter_map(used_by).collect();
    processes.sort_by_key(|used| Reverse(used.cpu_ms));
    let mut bytes = 0;
    let mut usage = Usage::default();
    for used in processes {
        let used = Used { command: command_of(used.pid), ..used };
        bytes += serde_json::to_string(&used).map_or(0, |json| json.len() + 1);
        if bytes > ANSWER_BYTES || Instant::now() > end {
            usage.truncated = true;
            break;
        }
        usage.processes.push(used);
    }
    usage
}

/// Measures a process, without its command line. Returns `None` if the process is gone.
fn used_by(pid: u32) -> Option<Used> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(pid: u32, stat: &str) -> Option<Used> {
    // The name in parentheses may have any character in it. The field after it has the number 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    // A zombie uses nothing, and waits to be reaped.
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    let ticks = field(14)?.saturating_add(field(15)?);
    Some(Used {
        pid,
        parent: u32::try_from(field(4)?).ok()?,
        command: String::new(),
        cpu_ms: ticks.saturating_mul(1000) / clock_ticks_per_second().max(1),
        memory_bytes: field(24)?.saturating_mul(page_size() as u64),
        threads: u32::try_from(field(20)?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "1 1 0 -1 0 0 0 0 0 30 12 0 0 20 0 2 0 100 1000000 25 18446744073709551615";

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let used = parse(7, &format!("7 (a) R 9 (b)) S 3 {REST}")).unwrap();
        let tick = 1000 / clock_ticks_per_second();
        assert_eq!((used.pid, used.parent, used.threads), (7, 3, 2));
        assert_eq!(used.cpu_ms, 42 * tick);
        assert_eq!(used.memory_bytes, 25 * page_size() as u64);
        assert_eq!(parse(7, &format!("7 (a) Z 3 {REST}")), None);
        assert_eq!(parse(7, "7 (a) S 3"), None);
    }
}
