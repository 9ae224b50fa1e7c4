//! Records of processes, with the holders of the output of ended ones.

use super::Process;
use crate::agent::Holder;
use crate::wire::process::{OutputHolder, ProcessInfo};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The time limit for the search. A record without holders is better than none.
const SEARCH: Duration = Duration::from_secs(1);

/// The records of a sandbox's processes.
pub(crate) async fn records(processes: &[Arc<Process>]) -> Vec<ProcessInfo> {
    let mut records: Vec<_> = processes.iter().map(|process| process.info()).collect();
    let open: Vec<_> = records
        .iter_mut()
        .zip(processes)
        .filter(|(record, _)| record.output_open == Some(true))
        .collect();
    let Some((_, any)) = open.first() else { return records };
    let pipes = open.iter().flat_map(|(_, process)| process.pipes.iter().copied()).collect();
    let Ok(Ok(found)) = timeout(SEARCH, any.agent.holders(pipes)).await else { return records };
    for (record, process) in open {
        let holders = holders(&found, &process.pipes);
        record.output_holders = (!holders.is_empty()).then_some(holders);
    }
    records
}

/// The holders of these pipes, each once.
fn holders(found: &[Holder], pipes: &[u64]) -> Vec<OutputHolder> {
    let mut holders: Vec<OutputHolder> = Vec::new();
    for Holder { pipe, pid, command } in found {
        if pipes.contains(pipe) && holders.iter().all(|holder| holder.pid != *pid) {
            holders.push(OutputHolder { pid: *pid, command: command.clone() });
        }
    }
    holders
}
