//! Unfinished lines: a client that asks for them sees bytes when they are written, others see nothing new.

use crate::server::{Sandbox, Server};
use crate::wait::TIMEOUT;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Position;
use shoreline_protocol::limits;
use shoreline_protocol::output::{LongLine, Mode, OutputDecoder};
use tokio::time::timeout;

/// A client that asks for unfinished lines.
struct Asking {
    answer: Response,
    decoder: OutputDecoder,
    position: Position,
    batch: Batch,
    /// The stream as it came.
    text: String,
}

impl Asking {
    async fn new(mode: Mode, request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let decoder = OutputDecoder::new(mode, limits::LINE_BYTES, LongLine::Refuse);
        Self {
            answer,
            decoder: decoder.with_pieces(true),
            position: Position::default(),
            batch: Batch::default(),
            text: String::new(),
        }
    }

    async fn follow(sandbox: &Sandbox, pid: u64, which: &str) -> Self {
        let path = format!("/processes/{pid}/{which}/follow?unfinished=true");
        Self::new(Mode::Follow, sandbox.request(Method::GET, &path)).await
    }

    /// Reads until the output is `text`.
    async fn until(&mut self, text: &str) {
        while self.batch.text != text {
            assert!(text.starts_with(&self.batch.text), "{:?}, not {text:?}", self.batch.text);
            assert!(self.read().await, "it ended with {:?}, not {text:?}", self.batch.text);
        }
    }

    async fn read(&mut self) -> bool {
        let chunk = timeout(TIMEOUT, self.answer.chunk()).await.expect("nothing came").unwrap();
        let Some(chunk) = chunk else { return false };
        self.text.push_str(&String::from_utf8_lossy(&chunk));
        self.decoder.push(&chunk, &mut self.position, &mut self.batch).unwrap();
        true
    }

    async fn rest(mut self) -> Self {
        while self.read().await {}
        self
    }

    /// The bytes of one stream.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in self.batch.events() {
            bytes.extend_from_slice(event.bytes());
            bytes.extend(event.is_terminated().then_some(b'\n'));
        }
        bytes
    }
}

/// Starts a script that reads its input.
async fn reading(sandbox: &Sandbox, script: &str) -> u64 {
    let body = json!({ "command": "sh", "args": ["-c", script], "stdin_mode": "pipe" });
    sandbox.start(body).await["pid"].as_u64().unwrap()
}

async fn answer(sandbox: &Sandbox, pid: u64, text: &'static str) {
    let request = sandbox.request(Method::POST, &format!("/processes/{pid}/stdin"));
    assert_eq!(request.body(text).send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_prompt_is_seen_before_it_is_answered() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script =
        "printf 'Name: '; read name; printf 'Password: ' >&2; read it; echo \"hello $name\"";
    let pid = reading(&sandbox, script).await;
    let mut both = Asking::follow(&sandbox, pid, "output").await;
    let mut stderr = Asking::follow(&sandbox, pid, "stderr").await;
    let plain = sandbox.request(Method::GET, &format!("/processes/{pid}/output/follow"));
    let plain = plain.send().await.unwrap();
    both.until("Name: ").await;
    answer(&sandbox, pid, "you\n").await;
    both.until("Name: Password: ").await;
    stderr.until("Password: ").await;
    // A client that comes later, or comes again, gets all of it.
    let mut late = Asking::follow(&sandbox, pid, "output").await;
    while late.batch.len() < 2 {
        late.read().await;
    }
    assert_eq!(late.batch.text, "Name: Password: ");
    answer(&sandbox, pid, "secret\n").await;
    let (both, stderr, late) = (both.rest().await, stderr.rest().await, late.rest().await);
    assert_eq!(both.batch.text, "Name: Password: hello you\n");
    assert_eq!(stderr.batch.text, "Password: ");
    assert_eq!(late.batch.text, "Name: Password: hello you\n");
    assert!(both.text.starts_with(
        "event: unfinished\ndata: {\"line\":\"Name: \",\"stream\":\"stdout\",\"offset\":0}\n\n"
    ));
    assert!(
        stderr
            .text
            .starts_with("event: unfinished\ndata: {\"line\":\"Password: \",\"offset\":0}\n\n")
    );
    // A client that does not ask sees what it always saw.
    let plain = plain.text().await.unwrap();
    assert!(!plain.contains("unfinished"), "{plain}");
    assert_eq!(plain.matches("event: output\n").count(), 2, "{plain}");
}

#[tokio::test]
async fn a_run_shows_its_unfinished_lines_where_they_are_asked_for() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // It goes on once this is there.
    let script = "printf begun; until [ -e go ]; do sleep 0.02; done; echo ' ended'";
    let body = json!({ "command": "sh", "args": ["-c", script] });
    let request = sandbox.request(Method::POST, "/processes/run?unfinished=true").json(&body);
    let mut run = Asking::new(Mode::Run, request).await;
    run.until("begun").await;
    let go = sandbox.request(Method::PUT, "/files?path=go").body("");
    assert_eq!(go.send().await.unwrap().status(), 204);
    let run = run.rest().await;
    assert_eq!(run.batch.text, "begun ended\n");
    assert!(run.decoder.end().is_some());
}

#[tokio::test]
async fn a_program_that_is_never_quiet_is_seen() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("while :; do printf .; sleep 0.005; done").await;
    let mut dots = Asking::follow(&sandbox, pid, "stdout").await;
    while dots.batch.len() < 5 {
        dots.read().await;
    }
    let killed = sandbox.request(Method::DELETE, &format!("/processes/{pid}")).send().await;
    assert_eq!(killed.unwrap().status(), 204);
    let dots = dots.rest().await;
    // The line's own event has all of it.
    let last = dots.text.split("\n\n").filter(|event| event.starts_with("id: 1\n")).last().unwrap();
    assert!(last.contains(&format!("\"line\":\"{}\"", dots.batch.text)), "{last}");
    assert!(dots.batch.text.bytes().all(|byte| byte == b'.'));
}

#[tokio::test]
async fn characters_are_sent_whole_and_other_bytes_as_they_are() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = r"printf '\377\303'; read go; printf '\251\n'";
    let pid = reading(&sandbox, script).await;
    let mut output = Asking::follow(&sandbox, pid, "output").await;
    output.until("\u{fffd}").await;
    assert_eq!(output.bytes(), b"\xff");
    answer(&sandbox, pid, "\n").await;
    let output = output.rest().await;
    assert_eq!(output.bytes(), b"\xff\xc3\xa9\n");
    assert_eq!(output.batch.text, "\u{fffd}\u{e9}\n");
}

#[tokio::test]
async fn a_long_unfinished_line_is_sent_in_parts() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "head -c 1000000 /dev/zero | tr '\\0' x; read go; echo end";
    let pid = reading(&sandbox, script).await;
    let mut output = Asking::follow(&sandbox, pid, "stdout").await;
    while output.batch.text.len() < 1_000_000 {
        output.read().await;
    }
    answer(&sandbox, pid, "\n").await;
    let output = output.rest().await;
    assert!(output.batch.text == format!("{}end\n", "x".repeat(1_000_000)));
    let longest = output.batch.events().map(|event| event.text.len()).max();
    assert!(longest <= Some(64 * 1024), "{longest:?}");
}

#[tokio::test]
async fn asking_for_neither_yes_nor_no_is_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo").await;
    let path = format!("/processes/{pid}/output/follow?unfinished=maybe");
    let refused = sandbox.refused(sandbox.request(Method::GET, &path)).await;
    assert_eq!(refused, (400, "INVALID_REQUEST".to_owned()));
    let body = json!({ "command": "true" });
    let run = sandbox.request(Method::POST, "/processes/run?unfinished=1").json(&body);
    assert_eq!(sandbox.refused(run).await, (400, "INVALID_REQUEST".to_owned()));
    assert_eq!(sandbox.get("/processes").await["processes"].as_array().unwrap().len(), 1);
}
