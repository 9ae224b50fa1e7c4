//! Every vector of `vectors.json`, through the public doors, at every split of its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Position;
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::{RequestKind, classify};
use shoreline_protocol::follow::Lines;
use shoreline_protocol::limits;
use shoreline_protocol::output::{End, LongLine, Mode};
use shoreline_protocol::pty::{Closed, Input, Output, Size, closed};
use shoreline_protocol::retry::{self, Failure, Policy};
use shoreline_protocol::route::Method;
use shoreline_protocol::run::{Over, Run, Step};
use shoreline_protocol::sse::{Item, Sse, TooLong};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::Transcript;
use shoreline_protocol::utf8::lossy;

fn section(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    all[name].as_array().unwrap().clone()
}

/// The reads as the vector has them.
fn reads(vector: &Value) -> Vec<Vec<u8>> {
    let decode = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    vector["chunks_b64"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|chunk| match chunk {
            Value::Object(repeat) => {
                vec![decode(&repeat["b64"]); repeat["times"].as_u64().unwrap() as usize]
            }
            text => vec![decode(text)],
        })
        .collect()
}

/// The vector's own reads, single bytes, and every cut into two; for long ones, cuts far apart.
fn splits(reads: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let whole = reads.concat();
    let step = (whole.len() / 400).max(1);
    let mut all = vec![reads.to_vec(), vec![whole.clone()]];
    all.push(whole.chunks(1).map(<[u8]>::to_vec).collect());
    all.push(whole.chunks(7).map(<[u8]>::to_vec).collect());
    for at in (0..whole.len()).step_by(step) {
        all.push(vec![whole[..at].to_vec(), vec![], whole[at..].to_vec()]);
    }
    all
}

#[test]
fn sse() {
    let vectors = section("sse");
    assert_eq!(vectors.len(), 34);
    for vector in vectors {
        let expected = &vector["expected"];
        for split in splits(&reads(&vector)) {
            let mut sse = Sse::new(limits::EVENT_BYTES);
            let (mut events, mut comments, mut retries) = (vec![], vec![], vec![]);
            for read in &split {
                sse.push(read, |item| {
                    match item {
                        Item::Event { name, data, id, .. } => {
                            let name = if name.is_empty() { b"message" } else { name };
                            events.push((lossy(name), lossy(data), lossy(id)));
                        }
                        Item::Comment(comment) => comments.push(lossy(comment)),
                        Item::Retry(ms) => retries.push(ms),
                    }
                    Ok::<(), TooLong>(())
                })
                .unwrap();
            }
            let wanted: Vec<_> = expected["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| {
                    let data = match &event["data_repeat"] {
                        Value::Null => event["data"].as_str().unwrap().to_owned(),
                        repeat => repeat["text"]
                            .as_str()
                            .unwrap()
                            .repeat(repeat["times"].as_u64().unwrap() as usize),
                    };
                    let text = |key: &str| event[key].as_str().unwrap().to_owned();
                    (text("event"), data, text("id"))
                })
                .collect();
            let id = &vector["id"];
            assert!(events == wanted, "{id}: {events:.300?}");
            assert_eq!(json!(comments), expected["comments"], "{id}");
            assert_eq!(json!(retries), expected["retry"], "{id}");
            assert_eq!(json!(sse.finish()), expected["trailing_discarded"], "{id}");
        }
    }
}

const LINES: Lines = Lines { limit: limits::LINE_BYTES, long: LongLine::Refuse, pieces: false };

/// The result of a run's stream, and its output, joined as the vectors have it.
fn run_stream(split: &[Vec<u8>], over: Over) -> (Run, Result<(), Code>, [String; 2]) {
    let mut run = Run::new(LINES);
    run.opened();
    let mut transcript = Transcript::new(None);
    for read in split {
        let mut batch = Batch::default();
        run.push(read, &mut batch).unwrap();
        transcript.push(&batch).unwrap();
    }
    let over = run.over(over);
    let joined = [Stream::Stdout, Stream::Stderr].map(|stream| {
        let text = transcript.finish(stream).piece.text;
        text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
    });
    (run, over, joined)
}

#[test]
fn run() {
    let vectors = section("run");
    assert_eq!(vectors.len(), 30);
    for vector in vectors {
        let (id, expected) = (&vector["id"], &vector["expected"]);
        let reads = match &vector["http"] {
            Value::Null => reads(&vector),
            http => {
                let content_type = http["content_type"].as_str().unwrap_or_default();
                if !content_type.to_ascii_lowercase().contains("text/event-stream") {
                    http_answer(id, http, &expected["error"]);
                    continue;
                }
                vec![http["body"].as_str().unwrap().as_bytes().to_vec()]
            }
        };
        let reset = vector["ending"] == "reset";
        for split in splits(&reads) {
            let how = if reset { Over::Broke } else { Over::Ended };
            let (mut run, over, [stdout, stderr]) = run_stream(&split, how);
            if reset && run.exit().is_some() {
                // The follow finds that the server has nothing more.
                assert_eq!(Some(run.step()), run.pid().map(|pid| Step::Follow { pid }), "{id}");
                run.followed(None);
            }
            if let Step::Done(exit) = run.step() {
                let result = json!({
                    "exit_code": exit.exit_code(), "signal": exit.signal(),
                    "oom_killed": exit.oom_killed(), "timed_out": exit.timed_out(),
                    "stdout": stdout, "stderr": stderr, "pid": run.pid(), "handle": run.handle(),
                });
                assert_eq!(result, expected["result"], "{id}");
                continue;
            }
            // With a pid it goes on from there; without, that is all that can be known.
            match run.pid() {
                Some(pid) => assert_eq!(run.step(), Step::Follow { pid }, "{id}"),
                None if reset => assert_eq!(over, Err(Code::RunOutcomeUnknown), "{id}"),
                None => assert_eq!(over, Err(Code::StreamEndedWithoutExit), "{id}"),
            }
            let kind = if reset { Code::StreamBroken } else { Code::StreamEndedWithoutExit };
            let error = json!({
                "kind": kind.as_str(), "pid": run.pid(),
                "partial_stdout": stdout, "partial_stderr": stderr,
            });
            assert_eq!(error, expected["error"], "{id}");
        }
    }
}

/// A run's answer that is no stream.
fn http_answer(id: &Value, http: &Value, expected: &Value) {
    let status = http["status"].as_u64().unwrap() as u16;
    if status < 400 {
        assert_eq!(expected["kind"], Code::UnexpectedContentType.as_str(), "{id}");
        return;
    }
    let body = http["body"].as_str().unwrap().as_bytes();
    let failure = classify(RequestKind::SandboxPlane, status, http["content_type"].as_str(), body);
    let no_such_endpoint = Run::new(LINES).refused(status, failure.server_code.as_deref());
    assert_eq!(no_such_endpoint, expected["kind"] == "unsupported_endpoint", "{id}");
    if !no_such_endpoint {
        assert_eq!(json!(failure.server_code), expected["code"], "{id}");
        assert_eq!(json!(failure.message), expected["message"], "{id}");
    }
}

#[test]
fn follow() {
    let vectors = section("follow");
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        for split in splits(&reads(&vector)) {
            let mut decoder = LINES.decoder(Mode::Follow);
            let mut batch = Batch::default();
            for read in &split {
                decoder.push(read, &mut Position::default(), &mut batch).unwrap();
            }
            let events: Vec<_> = batch
                .events()
                .map(|event| {
                    let line = event.text.strip_suffix('\n').unwrap();
                    let time = (!event.time.is_nan()).then_some(event.time as u64);
                    let stream = event.stream().map(Stream::as_str);
                    json!({"stream": stream, "line": line, "timestamp": time})
                })
                .collect();
            let seen = json!({"events": events, "complete": decoder.end() == Some(End::Eof)});
            assert_eq!(seen, vector["expected"], "{}", vector["id"]);
        }
    }
}

#[test]
fn errors() {
    let vectors = section("errors");
    assert_eq!(vectors.len(), 24);
    for vector in vectors {
        let (id, expected) = (&vector["id"], &vector["expected"]);
        let kind = match vector["request"].as_str().unwrap() {
            "sandbox_plane" => RequestKind::SandboxPlane,
            "lifecycle_get" => RequestKind::LifecycleGet,
            "lifecycle_delete" => RequestKind::LifecycleDelete,
            "pool_delete" => RequestKind::PoolDelete,
            _ => {
                // No answer at all: only whether it was sent decides.
                let failure =
                    if expected["retry_post"] == true { Failure::NotSent } else { Failure::Lost };
                retries(&failure, expected, id);
                continue;
            }
        };
        let status = vector["status"].as_u64().unwrap() as u16;
        let body = vector["body"].as_str().unwrap_or_default().as_bytes();
        let failure = classify(kind, status, vector["content_type"].as_str(), body);
        assert_eq!(failure.code.as_str(), expected["class"], "{id}");
        assert_eq!(json!(failure.server_code), expected["code"], "{id}");
        if expected["message"].is_string() {
            assert_eq!(failure.message, expected["message"].as_str().unwrap(), "{id}");
        }
        let server_code = failure.server_code.as_deref();
        retries(&Failure::Status { status, server_code, retry_after_ms: None }, expected, id);
    }
}

fn retries(failure: &Failure<'_>, expected: &Value, id: &Value) {
    let again = |method| retry::decide(method, failure, 0, 0.5, &Policy::default()).is_some();
    assert_eq!(json!(again(Method::Get)), expected["retry_get"], "{id} GET");
    assert_eq!(json!(again(Method::Post)), expected["retry_post"], "{id} POST");
}

#[test]
fn pty() {
    let vectors = section("pty");
    assert_eq!(vectors.len(), 30);
    for vector in vectors {
        let message = hex(vector["message"]["hex"].as_str().unwrap_or_default());
        let is_text = vector["message"]["type"] == "text";
        let data = |bytes: &[u8]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "kind": "data", "hex": hex })
        };
        let ignored = json!({ "kind": "ignored" });
        let seen = match vector["direction"].as_str().unwrap() {
            // Text messages never reach the decoder, whichever side they come from.
            _ if is_text => ignored,
            "client_to_server" => match Input::decode(&message) {
                Some(Input::Data(bytes)) => data(bytes),
                Some(Input::Resize(Size { cols, rows })) => {
                    json!({ "kind": "resize", "cols": cols, "rows": rows })
                }
                Some(Input::Ready(_)) => json!({ "kind": "ready" }),
                Some(Input::Credit(_)) | None => ignored,
            },
            "server_to_client" => match Output::decode(&message) {
                Some(Output::Data(bytes)) => data(bytes),
                Some(Output::Exit(code)) => json!({ "kind": "exit", "exit_code": code }),
                Some(Output::Position(_) | Output::Credit(_)) | None => ignored,
            },
            _ => {
                let close = &vector["close"];
                let code = close["code"].as_u64().map(|code| code as u16);
                let (exit_code, error) = match closed(code, close["reason"].as_str().unwrap()) {
                    Closed::Exited(code) => (Some(code), None),
                    Closed::Lost(loss) => (None, Some(loss.as_str())),
                };
                json!({ "kind": "closed", "exit_code": exit_code, "error": error })
            }
        };
        assert_eq!(seen, vector["expected"], "{}", vector["id"]);
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
