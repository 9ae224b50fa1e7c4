//! Running one command to its end, as a state machine without I/O: it says what to do next. The caller
//! moves the bytes and reports the result.
//!
//! ```text
//! Post -> Read -> … -> exit, ended in order ------------------------> Done
//!   |       \-> broken, or ended without exit, pid known \
//!   \-> no such endpoint -> Start -> Attach -> Open ------> Follow -> Look -> Done
//!                                                             \-> exit known -> Done
//! ```
//!
//! A server without the endpoint can lose output that a process writes before its output is followed. There the command
//! waits behind a gate until the follow is attached. The gate is a shell that reads a line first.

use crate::batch::Batch;
use crate::cursor::Position;
use crate::error::Code;
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::follow::{Exited, Lines};
use crate::output::{End, Mode, OutputDecoder};
use crate::standing::Standing;

/// The next step of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the run. Requested at most once. Then [`Run::opened`], or [`Run::refused`].
    Post,
    /// Read the run's own stream; then [`Run::push`] or [`Run::over`].
    Read,
    /// Start the command as a process, with or without the gate ([`gate`]); then [`Run::started`], or
    /// [`Run::start_refused`].
    Start {
        /// Whether to start the command behind the gate, if it can be.
        gated: bool,
    },
    /// Take the lines that the server has of this process already, and follow the output from there; then
    /// [`Run::attached`].
    Attach {
        /// The process id.
        pid: u32,
    },
    /// Write a line to the standard input of this process; then [`Run::opened_gate`].
    Open {
        /// The process id.
        pid: u32,
    },
    /// Follow the output of this process from [`Run::position`] until its exit; then [`Run::followed`].
    Follow {
        /// The process id.
        pid: u32,
    },
    /// Wait, then read the process's record; then [`Run::looked`].
    Look {
        /// The process id.
        pid: u32,
        /// Delay before that.
        wait_ms: u64,
    },
    /// The command has ended, and all its output has been delivered.
    Done(Exit),
}

/// The end of a run's own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The body ended.
    Ended,
    /// The connection broke.
    Broke,
}

/// The state machine. It never reports an exit that the server did not report.
#[derive(Debug)]
pub struct Run {
    decoder: OutputDecoder,
    position: Position,
    pid: Option<u32>,
    handle: Option<u64>,
    output_open: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Posting,
    Reading,
    Starting { gated: bool },
    Attaching { pid: u32 },
    Opening { pid: u32 },
    Following { pid: u32 },
    Looking { pid: u32, looks: usize },
    Done(Exit),
}

/// Delay between polls of a process whose output has ended, ms. Some servers report the end of the output before the
/// exit, and a process can close its output and continue.
const LOOK_MS: [u64; 8] = [0, 20, 50, 100, 200, 500, 1000, 2000];

impl Run {
    /// The state before anything was sent.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self {
            decoder: lines.decoder(Mode::Run),
            position: Position::default(),
            pid: None,
            handle: None,
            output_open: false,
            stage: Stage::Posting,
        }
    }

    /// For a command with input. No server has a run with input, so it is started as a process.
    #[must_use]
    pub fn with_input(self) -> Self {
        Self { stage: Stage::Starting { gated: true }, ..self }
    }

    /// The next step of the caller.
    #[must_use]
    pub fn step(&self) -> Step {
        match self.stage {
            Stage::Posting => Step::Post,
            Stage::Reading => Step::Read,
            Stage::Starting { gated } => Step::Start { gated },
            Stage::Attaching { pid } => Step::Attach { pid },
            Stage::Opening { pid } => Step::Open { pid },
            Stage::Following { pid } => Step::Follow { pid },
            Stage::Looking { pid, looks } => {
                let wait_ms = LOOK_MS.get(looks).or(LOOK_MS.last()).copied().unwrap_or_default();
                Step::Look { pid, wait_ms }
            }
            Stage::Done(exit) => Step::Done(exit),
        }
    }

    /// The server has begun the run's event stream.
    pub fn opened(&mut self) {
        self.position.connected();
        self.stage = Stage::Reading;
    }

    /// The server answered the run with an error. Returns `false` if that is final.
    #[must_use]
    pub fn refused(&mut self, status: u16, server_code: Option<&str>) -> bool {
        let refused = lacks_run(status, server_code);
        if refused {
            self.stage = Stage::Starting { gated: true };
        }
        refused
    }

    /// Reads a chunk of the run's stream, and appends its output to `out`.
    ///
    /// # Errors
    /// When some lines are certainly lost.
    pub fn push(&mut self, chunk: &[u8], out: &mut Batch) -> Result<(), StreamError> {
        let result = self.decoder.push(chunk, &mut self.position, out);
        self.output_open = self.decoder.output_open();
        if let Some(started) = self.decoder.started() {
            self.pid = Some(started.pid);
            self.handle = started.handle;
        }
        result?;
        // A server that sends unfinished lines finishes them before it reports the exit.
        if self.exit().is_some() && self.position.is_within_a_line() {
            return Err(StreamError::ShortLine);
        }
        Ok(())
    }

    /// The exit that the run's own stream has reported. Output can still follow.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        match self.decoder.end() {
            Some(End::Exit(exit)) => Some(exit),
            _ => None,
        }
    }

    /// The run's stream has ended.
    ///
    /// # Errors
    /// If neither the exit nor the process is known: the code of the failure.
    pub fn over(&mut self, how: Over) -> Result<(), Code> {
        self.stage = match (self.exit(), self.pid, how) {
            (Some(exit), _, Over::Ended) | (Some(exit), None, _) => Stage::Done(exit),
            // If the connection broke after the exit, output can be missing.
            (_, Some(pid), _) => Stage::Following { pid },
            (None, None, Over::Ended) => return Err(Code::StreamEndedWithoutExit),
            (None, None, Over::Broke) => return Err(Code::RunOutcomeUnknown),
        };
        Ok(())
    }

    /// The command was started as a process, with the gate if `gated`.
    pub fn started(&mut self, pid: u32, handle: Option<u64>, gated: bool) {
        self.pid = Some(pid);
        self.handle = handle;
        self.stage = if gated { Stage::Attaching { pid } } else { Stage::Following { pid } };
    }

    /// The server answered the start with an error. Returns `false` if that is final. Otherwise the sandbox may lack a
    /// shell, and the command is started without the gate.
    #[must_use]
    pub fn start_refused(&mut self, status: u16) -> bool {
        let gated = matches!(self.stage, Stage::Starting { gated: true });
        let again = gated && matches!(status, 400 | 404 | 422 | 500);
        if again {
            self.stage = Stage::Starting { gated: false };
        }
        again
    }

    /// The follow is attached: no output can be missed from now on.
    pub fn attached(&mut self) {
        if let Stage::Attaching { pid } = self.stage {
            self.stage = Stage::Opening { pid };
        }
    }

    /// The gate is open, and the command runs.
    pub fn opened_gate(&mut self) {
        if let Stage::Opening { pid } = self.stage {
            self.stage = Stage::Following { pid };
        }
    }

    /// Whether a process waits at the gate, so that the command has not run.
    #[must_use]
    pub const fn is_at_gate(&self) -> bool {
        matches!(self.stage, Stage::Attaching { .. } | Stage::Opening { .. })
    }

    /// The process's output has been followed to its end, or to the mark of the exit.
    pub fn followed(&mut self, exited: Option<Exited>) {
        if let Stage::Following { pid } = self.stage {
            if let Some(exited) = exited {
                self.output_open = exited.output_open;
            }
            self.stage = match exited.map(|exited| exited.exit).or(self.exit()) {
                Some(exit) => Stage::Done(exit),
                None => Stage::Looking { pid, looks: 0 },
            };
        }
    }

    /// Whether a child of the command still held its output open at the exit. Its later output can be followed by
    /// pid.
    #[must_use]
    pub const fn output_open(&self) -> bool {
        self.output_open
    }

    /// Reads the process's record.
    ///
    /// # Errors
    /// [`StreamError::ExitLost`].
    pub fn looked(&mut self, standing: Standing) -> Result<(), StreamError> {
        self.stage = match (standing, self.stage) {
            (Standing::Ended(exit), _) => Stage::Done(exit),
            (Standing::Running, Stage::Looking { pid, looks }) => {
                Stage::Looking { pid, looks: looks.saturating_add(1) }
            }
            (Standing::Running, stage) => stage,
            (Standing::Lost, _) => return Err(StreamError::ExitLost),
        };
        Ok(())
    }

    /// The position in the output.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The process, once it is known.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The server's stable number of the process, if it has one.
    #[must_use]
    pub const fn handle(&self) -> Option<u64> {
        self.handle
    }
}

/// Whether this answer to a `run` says that the endpoint is missing, so that nothing was started.
#[must_use]
pub fn lacks_run(status: u16, server_code: Option<&str>) -> bool {
    match status {
        405 | 501 => true,
        404 => matches!(server_code, None | Some("NOT_FOUND" | "ROUTE_NOT_FOUND")),
        _ => false,
    }
}

/// The shell that waits for a line and then executes the command, and its arguments before those of the command. The
/// command's standard input is what follows the line (`input`), or empty. A shell reads a line from a pipe byte
/// by byte, so that nothing of the input is lost (POSIX, `read`).
#[must_use]
pub const fn gate(input: bool) -> (&'static str, [&'static str; 2]) {
    let script = if input {
        "read -r line && exec \"$0\" \"$@\""
    } else {
        "read -r line && exec \"$0\" \"$@\" </dev/null"
    };
    ("sh", ["-c", script])
}

/// Steps against a command whose time limit has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
    /// Stop waiting for its exit.
    GiveUp,
}

/// The steps that the client takes against a time limit, each with its delay in ms. A server that enforces the limit
/// gets time to do so. On other servers SIGTERM is sent first.
///
/// ```
/// use shoreline_protocol::run::{Act, enforcement};
/// let acts: Vec<_> = enforcement(1000.0, false).collect();
/// assert_eq!(acts, [(1000.0, Act::Terminate), (2000.0, Act::Kill), (5000.0, Act::GiveUp)]);
/// let acts: Vec<_> = enforcement(1000.0, true).collect();
/// assert_eq!(acts, [(6000.0, Act::Kill), (5000.0, Act::GiveUp)]);
/// ```
pub fn enforcement(limit_ms: f64, by_server: bool) -> impl Iterator<Item = (f64, Act)> {
    /// Time for the server to kill the command.
    const SERVER_MS: f64 = 5_000.0;
    /// Between SIGTERM and SIGKILL.
    const TERM_MS: f64 = 2_000.0;
    /// Between SIGKILL and the report of the exit.
    const REPORT_MS: f64 = 5_000.0;
    let kill_ms = if by_server { limit_ms + SERVER_MS } else { TERM_MS };
    [(limit_ms, Act::Terminate), (kill_ms, Act::Kill), (REPORT_MS, Act::GiveUp)]
        .into_iter()
        .skip(usize::from(by_server))
}
