//! The limits on everything that a peer controls, with their reasons. One more than a limit is refused.

/// Bytes of one output line, terminator excluded. A minified bundle printed to a terminal fits.
/// The local server cuts a longer line into pieces (`"eol": false`), and the client refuses it.
pub const LINE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one server-sent event, all of its lines together. A line of [`LINE_BYTES`] whose every
/// byte is escaped as `\u00XX` takes six times its size, and may come with its base64 form.
pub const EVENT_BYTES: usize = 8 * LINE_BYTES;

/// Bytes of each stream that a run's result holds when its caller set no limit: half of the longest
/// string that JavaScript engines allow.
pub const OUTPUT_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of an answer that is read whole (JSON and error bodies), as the client accepts them.
pub const BODY_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of an error answer that are read for its text.
pub const ERROR_BODY_BYTES: usize = 256 * 1024;

/// Characters of a server's own error text that are kept: enough for a sentence and a path.
pub const ERROR_TEXT_CHARS: usize = 2000;

/// Bytes of a PTY message, opcode included: larger ones are dropped by existing servers.
pub const PTY_MESSAGE_BYTES: usize = 65_536;

/// Bytes of PTY input that existing servers accept in one second before they close with 1008.
pub const PTY_INPUT_BYTES_PER_SECOND: usize = 1_048_576;

/// Bytes of PTY input of one client, such as a large paste, that a local server buffers for a program that does not read.
/// A client with flow control sends no more. The server stops reading from other clients.
pub const PTY_INPUT_QUEUE_BYTES: usize = 1_048_576;

/// Bytes of PTY output that a client has credit for: the most in flight to a consumer that is slower than the
/// program. It allows 2.5 MB/s at a round trip of 100 ms. It is a quarter of the history, so that nothing is lost while
/// several clients reconnect.
pub const PTY_CREDIT_BYTES: usize = PTY_HISTORY_BYTES / 4;

/// Bytes of recent PTY output that a server replays to a new client.
pub const PTY_HISTORY_BYTES: usize = 1_048_576;

/// Channels of one WebSocket: more outputs than a page can show. A channel with a slow reader buffers a few hundred KB.
pub const CHANNELS: usize = 1024;

/// Bytes of a client's message on a WebSocket with channels. A command with a larger body is sent as an HTTP
/// request.
pub const CHANNEL_MESSAGE_BYTES: usize = 65_536;

/// Headers of a channel's request: several times what clients send.
pub const CHANNEL_HEADERS: usize = 32;

/// Bytes of credit that a channel can have. Credit takes no memory on the server.
pub const CHANNEL_CREDIT_BYTES: u32 = 64 * 1024 * 1024;

/// PTY sessions of one sandbox.
pub const PTY_SESSIONS: usize = 64;

/// Rows that a PTY can have; values outside 1..=500 are clamped.
pub const PTY_MAX_ROWS: u16 = 500;

/// Columns that a PTY can have; values outside 1..=1000 are clamped.
pub const PTY_MAX_COLS: u16 = 1000;

/// Seconds between keep-alive comments on an idle stream, at the most.
pub const KEEP_ALIVE_SECONDS: u64 = 15;

/// Seconds without a byte after which a stream counts as broken: three keep-alives.
pub const IDLE_TIMEOUT_SECONDS: u64 = 3 * KEEP_ALIVE_SECONDS;

/// The port of a sandbox's management API. It can never be exposed or made anonymous.
pub const MANAGEMENT_PORT: u16 = 9501;

/// Pages of a listing that the client reads, since a faulty server can return cursors without end.
pub const LIST_PAGES: usize = 10_000;

/// Bytes of output of one sandbox that a local server keeps on disk. Beyond this the server drops the
/// oldest output, and followers that ask for it get a gap event.
pub const LOG_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes of a JSON request body: more than the arguments and environment that Linux can start a
/// process with.
pub const REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Live sandboxes of one local server.
pub const SANDBOXES: usize = 256;

/// Terminated sandboxes that a local server still lists.
pub const TERMINATED_SANDBOXES: usize = 1000;

/// Processes of one sandbox that run at the same time.
pub const PROCESSES: usize = 2048;

/// Processes and threads of one sandbox, descendants included, where control groups enforce it: four for each started
/// process.
pub const SANDBOX_TASKS: usize = 4 * PROCESSES;

/// Ended processes of one sandbox whose output is kept.
pub const ENDED_PROCESSES: usize = 1000;

/// The most files that a local server opens, if the machine allows as many.
pub const OPEN_FILES: u64 = 65_536;

/// The part of a local server's descriptors for connections, as a divisor. A connection to a
/// port of a sandbox takes two. The last third is for processes, agents and logs.
pub const CONNECTIONS_PART: u64 = 3;

/// The part of a local server's descriptors for connections out of sandboxes, as a divisor.
pub const NETWORK_PART: u64 = 6;

/// Concurrent TCP connections out of one sandbox, if the server has enough descriptors.
pub const SANDBOX_CONNECTIONS: usize = 512;

/// Concurrent UDP flows out of one sandbox, if the server has enough descriptors. One more ends
/// the flow that was idle for the longest time.
pub const SANDBOX_FLOWS: usize = 256;

/// Entries of each list of a sandbox's network rules.
pub const NETWORK_RULES: usize = 1000;

/// Addresses that a local server keeps for the host names in a sandbox's network rules.
pub const NETWORK_NAMES: usize = 4096;

/// Seconds that a client of a local server has to send the head of a request, and that a connection
/// without an authorized request can be idle. A client sends a head in one packet or a few.
pub const REQUEST_HEAD_SECONDS: u64 = 10;

/// Seconds that a client of a local server can send nothing in the middle of a JSON body or a file. A
/// connection recovers from lost packets well within that time (RFC 6298).
pub const BODY_SILENCE_SECONDS: u64 = 30;

/// Bytes of a file in one request to a local server.
pub const FILE_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Entries of a directory that a local server lists.
pub const DIRECTORY_ENTRIES: usize = 200_000;

/// Watches on the files of one sandbox at the same time. Linux gives a user 128 instances of inotify by default.
pub const WATCHES: usize = 16;

/// The most directories that one watch covers.
pub const WATCH_DIRECTORIES: usize = 16_384;

/// Seconds after which a watch without a follower ends.
pub const WATCH_SECONDS: u64 = 60;

/// Patterns of one search that include paths, and as many that exclude paths.
pub const SEARCH_PATTERNS: usize = 64;

/// Bytes of all patterns of a search together. Percent-encoded, they fit into the head of a request, which is at most
/// 16 KiB in Node's servers.
pub const SEARCH_PATTERN_BYTES: usize = 4096;

/// Results of a search.
pub const SEARCH_RESULTS: u64 = 1_000_000;

/// Bytes of a line's text in a result of a search.
pub const SEARCH_LINE_BYTES: usize = 65_536;

/// Bytes of one result of a search as JSON: a path and a text, in which every byte is escaped as `\u00XX`.
pub const SEARCH_RESULT_BYTES: usize = 8 * SEARCH_LINE_BYTES;

/// Valid tokens for web pages. One more revokes the oldest.
pub const PAGE_TOKENS: usize = 256;

/// The longest lifetime of a token for a web page, in seconds.
pub const PAGE_TOKEN_SECONDS: u64 = 3600;

/// Seconds that a request which writes to standard input can pause, since other writers wait for it.
pub const STDIN_STALL_SECONDS: u64 = 60;
