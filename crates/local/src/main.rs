//! The local sandbox server: the public sandbox API on loopback, with real processes.

mod agent;
mod clock;
mod error;
mod http;
mod isolation;
mod limits;
mod log;
mod netlink;
mod network;
mod process;
mod pty;
mod random;
mod reservation;
mod sandbox;
mod watches;
mod wire;

use clap::Parser;
use isolation::{Isolation, Network, Wanted, WantedNetwork};
use limits::Enforcement;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shoreline_protocol::limits::OPEN_FILES;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};

/// How long connections may take to end with the server.
const LINGER: Duration = Duration::from_millis(300);
/// How long the server's end waits for work that blocks.
const BLOCKED: Duration = Duration::from_millis(100);

/// Runs commands in sandboxes on this machine, over the Tensorlake sandbox API.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 8900)]
    port: u16,

    /// The address; without isolation only loopback is taken
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,

    /// What keeps sandboxes apart from this machine and from each other
    #[arg(long, value_enum, default_value_t = Wanted::Auto)]
    isolation: Wanted,

    /// Which network sandboxes have
    #[arg(long, value_enum, default_value_t = WantedNetwork::Auto)]
    network: WantedNetwork,

    /// What holds sandboxes to their resources
    #[arg(long, value_enum, default_value_t = limits::Wanted::Auto)]
    limits: limits::Wanted,

    /// A file or directory of this machine that every sandbox sees, read-only unless it ends in :rw; may be repeated
    #[arg(long = "mount", value_name = "HOST:INSIDE[:ro|:rw]")]
    mounts: Vec<OsString>,

    /// The key that every request must carry; made at the start unless given. Other users of this machine see the
    /// option, not the variable
    #[arg(long, env = "SHORELINE_LOCAL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// A web origin whose pages may use the server, such as http://localhost:5173
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<String>,

    /// Bytes of output that each sandbox keeps on disk; the oldest output is dropped beyond
    #[arg(long, default_value_t = shoreline_protocol::limits::LOG_BYTES)]
    max_log_bytes: u64,

    /// Bytes of a file that is written to a sandbox
    #[arg(long, default_value_t = shoreline_protocol::limits::FILE_BYTES)]
    max_file_bytes: u64,

    /// Print one line of JSON with `url`, `apiKey`, `isolation` and `network` when ready
    #[arg(long)]
    json: bool,

    /// Stop after so many seconds in which no sandbox was there and nothing was asked
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    stop_when_idle: Option<u64>,

    /// Stop when standard input ends, as it does when the program that started this one ends
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    let Err(error) = start() else { return ExitCode::SUCCESS };
    eprintln!("shoreline-local: {error}");
    ExitCode::FAILURE
}

fn start() -> io::Result<()> {
    // Inside a sandbox the same executable has other work.
    let mut raw = std::env::args_os().skip(1);
    match raw.next() {
        Some(first) if first == "agent" => {
            return agent::main(agent::Args::parse_from(std::env::args_os().skip(1)));
        }
        Some(first) if first == agent::LAUNCH => return agent::launch(raw),
        _ => {}
    }
    let args = Args::parse();
    // What the shell that starts the server has open is not for sandboxes, and a lock or a pipe must not stay in use
    // for as long as the server runs.
    // SAFETY: the server has opened nothing yet and has no other thread, so nothing owns these descriptors.
    unsafe { close_fds::close_open_fds(3, &[]) };
    open_more_files()?;
    // Before there are threads, which would be moved each for itself.
    let enforcement = Enforcement::choose(args.limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(args, enforcement));
    // A disk that does not answer must not hold up the end.
    runtime.shutdown_timeout(BLOCKED);
    served
}

async fn serve(args: Args, enforcement: Enforcement) -> io::Result<()> {
    let isolation = Isolation::choose(args.isolation)?;
    let network = Network::choose(args.network, &isolation)?;
    if isolation.is_none() && !args.host.is_loopback() {
        let text = "without isolation the server listens on loopback only: leave out --host";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mounts = isolation.mounts(&args.mounts)?;
    let enforcement = enforcement.with(&isolation);
    let token = match args.api_key {
        Some(key) if key.is_empty() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the key must not be empty"));
        }
        Some(key) => key,
        None => random::token()?,
    };
    let listener = TcpListener::bind(SocketAddr::new(args.host, args.port)).await?;
    let app = Arc::new(http::App::new(
        sandbox::Registry::new(
            isolation.clone(),
            network,
            mounts,
            enforcement,
            args.max_log_bytes,
        )?,
        listener.local_addr()?,
        token.clone(),
        args.allow_origins,
        args.max_file_bytes,
    ));
    let url = &app.url;
    let stop = Arc::new(Notify::new());
    let mut stopped = Stop::new(args.until_stdin_closes)?;
    let note = match (isolation.is_none(), network) {
        (true, _) => ": commands run as this user on this machine",
        (false, Network::Host) => "; network of this machine, its loopback ports included",
        (false, _) => "",
    };
    let limits = app.registry.enforcement().name();
    eprintln!(
        "shoreline-local: listening on {url}; limits by {limits}; isolation {}{note}",
        isolation.name()
    );
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(
            out,
            "{}",
            serde_json::json!({
                "url": url,
                "apiKey": token,
                "isolation": isolation.name(),
                "network": network.name(),
            })
        )?;
    } else {
        writeln!(out, "URL:     {url}\nAPI key: {token}")?;
    }
    out.flush()?;
    drop(out);

    let server = tokio::spawn(http::serve(listener, app.clone(), {
        let stop = stop.clone();
        async move { stop.notified().await }
    }));
    let idle = until_idle(&app, args.stop_when_idle.map(Duration::from_secs));
    let signalled = tokio::select! {
        signalled = stopped.wait() => signalled,
        () = idle => false,
    };
    tokio::spawn(async move {
        // The end of standard input is no signal: a program that stops the server can both signal it and exit.
        if !signalled {
            stopped.signal().await;
        }
        stopped.signal().await;
        // Agents end with their sockets, and what is left of the files is removed at the next start.
        std::process::exit(1);
    });
    // Streams end with the processes that they follow; a connection that does not is left behind.
    app.registry.close().await;
    stop.notify_one();
    let _ = tokio::time::timeout(LINGER, server).await;
    Ok(())
}

/// Done when nothing has happened for so long.
async fn until_idle(app: &http::App, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mut last = app.started;
    loop {
        tokio::time::sleep_until((last + limit).into()).await;
        // A sandbox that is there is somebody's, however long nothing is asked of it.
        last = if app.registry.is_idle() { app.last_asked() } else { Instant::now() };
        if last.elapsed() >= limit {
            return;
        }
    }
}

/// Pipes of many processes, connections of many followers: a process may often have no more than 1024 open,
/// unless it asks for more. What is started here has as many.
fn open_more_files() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(())
}

/// What asks the server to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn new(until_stdin_closes: bool) -> io::Result<Self> {
        let stdin = until_stdin_closes.then(|| {
            let (open, closed) = oneshot::channel();
            // A thread of its own: the runtime would wait for one of its own to finish the read.
            std::thread::spawn(move || {
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                drop(open);
            });
            closed
        });
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())?, stdin })
    }

    /// Returns at the next signal or when standard input ends; whether it was a signal.
    async fn wait(&mut self) -> bool {
        let closed = self.stdin.take();
        let stdin = async {
            match closed {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.signal() => true,
            () = stdin => false,
        }
    }

    /// Returns at the next signal.
    async fn signal(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
