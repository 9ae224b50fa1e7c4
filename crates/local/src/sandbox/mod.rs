//! Sandboxes: a directory, an agent, processes, terminals, and their common lifecycle.

mod access;
mod directory;
mod lifecycle;
mod registry;

pub(crate) use access::{OpenFile, Writing};
pub(crate) use registry::{Direction, Filter, Registry};

use crate::agent::{Agent, Agents};
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::isolation::{self, Isolation, Mount};
use crate::limits::{Enforcement, Limits};
use crate::log::now_ms;
use crate::network::{Budget, Network, Policy};
use crate::process::Table;
use crate::pty::Sessions;
use crate::watches::Watches;
use crate::wire::sandbox::{CreateRequest, NetworkPolicy, Resources, SandboxInfo, Status};
use lifecycle::{Command, Ended, Lifecycle, Phase};
use parking_lot::Mutex;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::record::EnforcedLimits;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The time limit for a request to terminate a sandbox.
const END: Duration = Duration::from_millis(4500);

/// One sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) processes: Arc<Table>,
    pub(crate) terminals: Arc<Sessions>,
    pub(crate) watches: Arc<Watches>,
    agent: Arc<Agent>,
    image: Option<String>,
    resources: Resources,
    pub(crate) enforced: EnforcedLimits,
    /// The most bytes that a file can have.
    pub(crate) file_bytes: Option<u64>,
    /// Its own network, if it has one.
    network: Option<Arc<Network>>,
    /// Whether the machine's ports are its own.
    shares_network: bool,
    created_at: u64,
    settings: Arc<Mutex<Settings>>,
    commands: UnboundedSender<Command>,
    ending: CancellationToken,
    phase: watch::Receiver<Phase>,
}

/// The properties that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Option<String>,
    pub(crate) exposed_ports: Vec<u16>,
    /// Whether exposed ports need no key.
    pub(crate) allow_unauthenticated_access: bool,
    /// The network rules, if the network is restricted.
    pub(crate) network_policy: Option<NetworkPolicy>,
    /// Seconds that it runs before it is suspended, or terminated where it has no name then; 0 is no limit.
    pub(crate) timeout_secs: Option<u64>,
}

impl Settings {
    pub(super) fn time_limit(&self) -> Option<Duration> {
        self.timeout_secs.filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }
}

/// The settings that all sandboxes of a server share.
#[derive(Clone, Debug)]
struct Ground {
    /// The parent of the sandboxes' directories.
    directory: PathBuf,
    isolation: Isolation,
    mounts: Arc<[Mount]>,
    network: isolation::Network,
    /// The budget of all their connections.
    sockets: Budget,
    enforcement: Arc<Enforcement>,
    agents: Arc<Agents>,
    log_bytes: u64,
}

impl Ground {
    fn network_for(&self, policy: &Policy) -> isolation::Network {
        match (self.network, policy == &Policy::CLOSED) {
            (isolation::Network::Host, true) => isolation::Network::None,
            (network, _) => network,
        }
    }
}

impl Sandbox {
    /// Makes a sandbox and starts its agent. Blocks.
    fn new(
        id: String,
        request: CreateRequest,
        policy: Policy,
        ground: &Ground,
    ) -> io::Result<Arc<Self>> {
        let directory = ground.directory.join(&id);
        directory::make(&directory)?;
        let started = Self::start(id, request, policy, ground, directory.clone());
        if started.is_err() {
            let _ = directory::remove(&directory);
        }
        started
    }

    fn start(
        id: String,
        request: CreateRequest,
        policy: Policy,
        ground: &Ground,
        directory: PathBuf,
    ) -> io::Result<Arc<Self>> {
        let Ground { isolation, mounts, sockets, enforcement, agents, log_bytes, .. } = ground;
        let network = ground.network_for(&policy);
        let place = isolation.prepare(&directory, network)?;
        let megabytes = |number: Option<u64>| number.map(|number| number.saturating_mul(1 << 20));
        let limits = Limits {
            memory: megabytes(request.resources.memory_mb),
            file_size: megabytes(request.resources.disk_mb()),
            cpus: request.resources.cpus,
        };
        let mut command = isolation.agent(&place, mounts)?;
        let enforced = enforcement.scopes(&limits);
        let group = enforcement.hold(&id, &limits, &mut command)?;
        let (wrapped, uid) = (isolation.is_wrapped(), place.host_uid());
        let (agent, host, lost) =
            Agent::start(command, group, agents.clone(), wrapped, uid, request.env)?;
        let agent = Arc::new(agent);
        let (stop_clock, clock) = Clock::new();
        let shares_network = network == isolation::Network::Host;
        let network = (network == isolation::Network::Own).then(|| {
            let network = Network::new(policy, clock.clone(), sockets.clone());
            network.carry(agent.network()?, id.clone());
            io::Result::Ok(Arc::new(network))
        });
        let network = network.transpose()?;
        let logs = directory.join("log");
        let processes = Arc::new(Table::new(agent.clone(), clock.clone(), logs, *log_bytes));
        let terminals = Arc::new(Sessions::new(agent.clone(), clock.clone()));
        let watches = Watches::new(agent.clone(), clock.clone(), processes.clone());
        let watches = Arc::new(watches);
        let settings = Arc::new(Mutex::new(Settings {
            name: request.name,
            exposed_ports: request.exposed_ports,
            allow_unauthenticated_access: request.allow_unauthenticated_access,
            network_policy: request.network,
            timeout_secs: request.timeout_secs,
        }));
        let (sender, commands) = unbounded_channel();
        let (phase, shown) = watch::channel(Phase::Running);
        let ending = CancellationToken::new();
        let time_limit = settings.lock().time_limit();
        let lifecycle = Lifecycle {
            id: id.clone(),
            agent: agent.clone(),
            host,
            lost,
            processes: processes.clone(),
            terminals: terminals.clone(),
            watches: watches.clone(),
            network: network.clone(),
            directory,
            commands,
            phase,
            stop_clock,
            ending: ending.clone(),
            timer: time_limit.map(|limit| clock.timer(limit)),
            clock,
            settings: settings.clone(),
        };
        tokio::spawn(lifecycle.run());
        Ok(Arc::new(Self {
            id,
            processes,
            terminals,
            watches,
            agent,
            image: request.image,
            resources: request.resources,
            enforced,
            file_bytes: limits.file_size,
            network,
            shares_network,
            created_at: now_ms(),
            settings,
            commands: sender,
            ending,
            phase: shown,
        }))
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.settings.lock().name.clone()
    }

    fn ended(&self) -> Option<Ended> {
        match *self.phase.borrow() {
            Phase::Terminated(ended) => Some(ended),
            _ => None,
        }
    }

    /// Whether the sandbox is not terminated.
    pub(crate) fn is_alive(&self) -> bool {
        self.ended().is_none()
    }

    /// Stops every process of a named sandbox. Returns whether the sandbox ran.
    pub(crate) async fn suspend(&self) -> Result<bool> {
        if self.name().is_none() {
            let text = "only a named sandbox can be suspended: give it a name first";
            return Err(ApiError::new(ServerCode::InvalidRequest, text));
        }
        self.ask(Command::Suspend).await
    }

    /// Continues a suspended sandbox, and restarts its time limit. Returns whether it was suspended.
    pub(crate) async fn resume(&self) -> Result<bool> {
        if matches!(*self.phase.borrow(), Phase::Running) {
            return Ok(false);
        }
        self.ask(Command::Resume).await
    }

    /// Starts the time limit of the settings over.
    pub(crate) fn restart_time_limit(&self) {
        // One that has ended needs no limit.
        let _ = self.commands.send(Command::RestartTimeLimit);
    }

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<bool>>) -> Command,
    ) -> Result<bool> {
        let (reply, changed) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| ApiError::not_running())?;
        changed.await.unwrap_or_else(|_| Err(ApiError::not_running()))
    }

    /// Kills everything in it and removes its files. Does nothing if it is terminated.
    pub(crate) async fn terminate(&self) -> Result<()> {
        self.ending.cancel();
        let mut phase = self.phase.clone();
        // The sender goes once the files are removed, too.
        let gone = async { while phase.changed().await.is_ok() {} };
        if timeout(END, gone).await.is_err() && self.is_alive() {
            let text =
                "something in the sandbox does not end, although it was killed: ask again later";
            return Err(ApiError::new(ServerCode::InternalError, text));
        }
        Ok(())
    }

    /// The record of the sandbox. `base_url` is the address of this server, `ingress` the host below which ports have names.
    pub(crate) fn info(&self, base_url: &str, ingress: Option<&str>) -> SandboxInfo {
        let ended = self.ended();
        let Settings {
            name,
            exposed_ports,
            allow_unauthenticated_access,
            network_policy,
            timeout_secs,
        } = self.settings();
        SandboxInfo {
            id: self.id.clone(),
            namespace: "default".to_owned(),
            status: self.status(),
            name,
            image: self.image.clone(),
            resources: self.resources,
            enforced: self.enforced,
            timeout_secs,
            created_at: self.created_at,
            terminated_at: ended.map(|ended| ended.at),
            termination_reason: ended.map(|ended| ended.reason.as_str().to_owned()),
            exposed_ports,
            allow_unauthenticated_access,
            network: network_policy.clone(),
            network_policy,
            sandbox_url: ended.is_none().then(|| self.url(base_url)),
            ingress_endpoint: ingress.filter(|_| ended.is_none()).map(str::to_owned),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match *self.phase.borrow() {
            // It is not terminated while processes can run.
            Phase::Running | Phase::Suspending | Phase::Terminating => Status::Running,
            Phase::Suspended | Phase::Resuming => Status::Suspended,
            Phase::Terminated(_) => Status::Terminated,
        }
    }

    /// The address of its API. It is a path, since not every resolver resolves names below `localhost`.
    pub(crate) fn url(&self, base_url: &str) -> String {
        format!("{base_url}/s/{}", self.id)
    }
}
