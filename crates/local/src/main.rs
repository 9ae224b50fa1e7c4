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

/// The time limit for connections to close when the server stops.
const LINGER: Duration = Duration::from_millis(300);
/// The time limit for blocking work when the server stops.
const BLOCKED: Duration = Duration::from_millis(100);

/// Runs commands in sandboxes on this machine, over the Tensorlake sandbox API.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port to listen on; 0 chooses a free one
    #[arg(long, default_value_t = 8900)]
    port: u16,

    /// The address to listen on; without isolation it must be a loopback address
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,

    /// How sandboxes are isolated from this machine and from each other
    #[arg(long, value_enum, default_value_t = Wanted::Auto)]
    isolation: Wanted,

    /// The network of sandboxes
    #[arg(long, value_enum, default_value_t = WantedNetwork::Auto)]
    network: WantedNetwork,

    /// How the resources of sandboxes are limited
    #[arg(long, value_enum, default_value_t = limits::Wanted::Auto)]
    limits: limits::Wanted,

    /// A file or directory of this machine that every sandbox sees, read-only unless the value ends in :rw; can be repeated
    #[arg(long = "mount", value_name = "HOST:INSIDE[:ro|:rw]")]
    mounts: Vec<OsString>,

    /// The API key that requests need; the default is a random one. Other users of this machine can see the option,
    /// but not the variable
    #[arg(long, env = "SHORELINE_LOCAL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// A web origin whose pages can use the server, such as http://localhost:5173; can be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<String>,

    /// Bytes of output that are kept on disk for each sandbox; beyond this the oldest output is dropped
    #[arg(long, default_value_t = shoreline_protocol::limits::LOG_BYTES)]
    max_log_bytes: u64,

    /// The largest file that can be written to a sandbox, in bytes
    #[arg(long, default_value_t = shoreline_protocol::limits::FILE_BYTES)]
    max_file_bytes: u64,

    /// Print one line of JSON with `url`, `apiKey`, `isolation` and `network` when ready
    #[arg(long)]
    json: bool,

    /// Stop after this many seconds without a sandbox and without a request
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    stop_when_idle: Option<u64>,

    /// Stop when standard input ends, for example because the program that started the server has ended
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    let Err(error) = start() else { return ExitCode::SUCCESS };
    eprintln!("shoreline-local: {error}");
    ExitCode::FAILURE
}

fn start() -> io::Result<()> {
    // In a sandbox the same executable is the agent or a launcher.
    let mut raw = std::env::args_os().skip(1);
    match raw.next() {
        Some(first) if first == "agent" => {
            return agent::main(agent::Args::parse_from(std::env::args_os().skip(1)));
        }
        Some(first) if first == agent::LAUNCH => return agent::launch(raw),
        _ => {}
    }
    let args = Args::parse();
    // Descriptors that the server inherits must not reach sandboxes, and must not keep a lock or a pipe in use
    // while the server runs.
    // SAFETY: the server has opened nothing yet and has no other thread, so nothing owns these descriptors.
    unsafe { close_fds::close_open_fds(3, &[]) };
    open_more_files()?;
    // Before there are threads, which would be moved each for itself.
    let enforcement = Enforcement::choose(args.limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(args, enforcement));
    // A disk that does not answer must not block the shutdown.
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
        // Agents end with their sockets. The next start removes the remaining files.
        std::process::exit(1);
    });
    // Streams end with the processes that they follow. Other connections are not waited for.
    app.registry.close().await;
    stop.notify_one();
    let _ = tokio::time::timeout(LINGER, server).await;
    Ok(())
}

/// Returns when the server was idle for `limit`.
async fn until_idle(app: &http::App, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mut last = app.started;
    loop {
        tokio::time::sleep_until((last + limit).into()).await;
        // The server is not idle while a sandbox exists.
        last = if app.registry.is_idle() { app.last_asked() } else { Instant::now() };
        if last.elapsed() >= limit {
            return;
        }
    }
}

/// Raises the limit on open descriptors, which is often 1024: many processes and followers need more. Processes of
/// sandboxes inherit the limit.
fn open_more_files() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(())
}

/// Requests to stop the server: signals, and the end of standard input.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn new(until_stdin_closes: bool) -> io::Result<Self> {
        let stdin = until_stdin_closes.then(|| {
            let (open, closed) = oneshot::channel();
            // Not a thread of the runtime, whose shutdown would wait for the read.
            std::thread::spawn(move || {
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                drop(open);
            });
            closed
        });
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())?, stdin })
    }

    /// Waits for the next signal or the end of standard input. Returns whether it was a signal.
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
