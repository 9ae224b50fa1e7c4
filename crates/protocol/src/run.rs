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
//! A server without the endpoint may lose what a process writes before its output is followed. There the command waits
//! behind a gate, a shell that reads a line first, until the follow is attached.

use crate::batch::Batch;
use crate::cursor::Position;
use crate::error::Code;
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::follow::{Exited, Lines};
use crate::output::{End, Mode, OutputDecoder};
use crate::standing::Standing;

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the run; it is asked for once, ever. Then [`Run::opened`], or [`Run::refused`].
    Post,
    /// Read the run's own stream; then [`Run::push`] or [`Run::over`].
    Read,
    /// Start the command as a process, behind the gate ([`gate`]) or by itself; then [`Run::started`], or
    /// [`Run::start_refused`].
    Start {
        /// Whether the gate is wanted, where the command can be behind one.
        gated: bool,
    },
    /// Take the lines that the server has of this process already, and follow the output from there; then
    /// [`Run::attached`].
    Attach {
        /// The process.
        pid: u32,
    },
    /// Write a line to the standard input of this process; then [`Run::opened_gate`].
    Open {
        /// The process.
        pid: u32,
    },
    /// Follow the output of this process from [`Run::position`] until its exit; then [`Run::followed`].
    Follow {
        /// The process.
        pid: u32,
    },
    /// Wait, look at the process's record; then [`Run::looked`].
    Look {
        /// The process.
        pid: u32,
        /// How long to wait first.
        wait_ms: u64,
    },
    /// The command has ended like this, and all its output has been delivered.
    Done(Exit),
}

/// How a run's own stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// In order.
    Ended,
    /// By an error.
    Broke,
}

/// The machine. It never reports an exit that the server did not report.
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

/// Between two looks at a process whose output has ended, ms: some servers report the end of the
/// output first, and a process may close its output and go on.
const LOOK_MS: [u64; 8] = [0, 20, 50, 100, 200, 500, 1000, 2000];

impl Run {
    /// Before anything was sent.
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

    /// For a command with input, which no run takes: it is started as a process on every server.
    #[must_use]
    pub fn with_input(self) -> Self {
        Self { stage: Stage::Starting { gated: true }, ..self }
    }

    /// What has to be done next.
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

    /// The server answered the run with an error. `false` when that is final.
    #[must_use]
    pub fn refused(&mut self, status: u16, server_code: Option<&str>) -> bool {
        let refused = lacks_run(status, server_code);
        if refused {
            self.stage = Stage::Starting { gated: true };
        }
        refused
    }

    /// Takes what was read of the run's stream, and appends the output in it to `out`.
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

    /// The exit, as the run's own stream has it. Output may still follow.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        match self.decoder.end() {
            Some(End::Exit(exit)) => Some(exit),
            _ => None,
        }
    }

    /// The run's stream is over.
    ///
    /// # Errors
    /// Neither the exit nor the process is known, so that there is no going on: with this code.
    pub fn over(&mut self, how: Over) -> Result<(), Code> {
        self.stage = match (self.exit(), self.pid, how) {
            (Some(exit), _, Over::Ended) | (Some(exit), None, _) => Stage::Done(exit),
            // After an exit that is followed by a break, output may be missing.
            (_, Some(pid), _) => Stage::Following { pid },
            (None, None, Over::Ended) => return Err(Code::StreamEndedWithoutExit),
            (None, None, Over::Broke) => return Err(Code::RunOutcomeUnknown),
        };
        Ok(())
    }

    /// The command was started as a process, `gated` or by itself.
    pub fn started(&mut self, pid: u32, handle: Option<u64>, gated: bool) {
        self.pid = Some(pid);
        self.handle = handle;
        self.stage = if gated { Stage::Attaching { pid } } else { Stage::Following { pid } };
    }

    /// The server answered the start with an error. `false` when that is final; otherwise there may be no shell, and the
    /// command is started without the gate.
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

    /// Whether, at the exit, something that the command started held its output open: what it writes later
    /// can be followed by pid.
    #[must_use]
    pub const fn output_open(&self) -> bool {
        self.output_open
    }

    /// What the process's record says.
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

    /// Where the output is.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The process, once it is known.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The server's stable number for the process, where it gives one.
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

/// The shell that waits for a line and then becomes the command; and its arguments before the command and the command's
/// own. The command's standard input is what follows the line (`input`), or empty. A shell reads a line from a pipe byte
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

/// What is done about a command whose time limit has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask it to end (SIGTERM).
    Terminate,
    /// Kill it.
    Kill,
    /// Stop waiting for the report of its end.
    GiveUp,
}

/// What the client does about a time limit, and after how many ms each. A server that keeps the
/// limit itself gets time to do so; for one that does not, the command is asked to end first.
///
/// ```
/// use shoreline_protocol::run::{Act, enforcement};
/// let acts: Vec<_> = enforcement(1000.0, false).collect();
/// assert_eq!(acts, [(1000.0, Act::Terminate), (2000.0, Act::Kill), (5000.0, Act::GiveUp)]);
/// let acts: Vec<_> = enforcement(1000.0, true).collect();
/// assert_eq!(acts, [(6000.0, Act::Kill), (5000.0, Act::GiveUp)]);
/// ```
pub fn enforcement(limit_ms: f64, by_server: bool) -> impl Iterator<Item = (f64, Act)> {
    /// For the server to end the command.
    const SERVER_MS: f64 = 5_000.0;
    /// Between SIGTERM and SIGKILL.
    const TERM_MS: f64 = 2_000.0;
    /// Between SIGKILL and the report of the end.
    const REPORT_MS: f64 = 5_000.0;
    let kill_ms = if by_server { limit_ms + SERVER_MS } else { TERM_MS };
    [(limit_ms, Act::Terminate), (kill_ms, Act::Kill), (REPORT_MS, Act::GiveUp)]
        .into_iter()
        .skip(usize::from(by_server))
}
