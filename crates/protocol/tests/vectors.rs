//! Every vector of `vectors.json`, through the public doors, at every split of its bytes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::{RequestKind, classify};
use shoreline_protocol::follow::Skip;
use shoreline_protocol::limits;
use shoreline_protocol::output::{Batch, End, LongLine, Mode, OutputDecoder, flag};
use shoreline_protocol::pty::{Closed, Input, Output, Size, closed};
use shoreline_protocol::retry::{self, Failure, Policy};
use shoreline_protocol::route::Method;
use shoreline_protocol::sse::{Item, Sse, TooLong, text};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::Transcript;

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
                        Item::Event { name, data, id } => {
                            let name = if name.is_empty() { b"message" } else { name };
                            events.push((text(name), text(data), text(id)));
                        }
                        Item::Comment(comment) => comments.push(text(comment)),
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
            assert!(events == wanted, "{id}: {:.300?}", events);
            assert_eq!(json!(comments), expected["comments"], "{id}");
            assert_eq!(json!(retries), expected["retry"], "{id}");
            assert_eq!(json!(sse.finish()), expected["trailing_discarded"], "{id}");
        }
    }
}

struct RunSeen {
    decoder: OutputDecoder,
    stdout: String,
    stderr: String,
}

fn run_stream(split: &[Vec<u8>]) -> RunSeen {
    let mut decoder = OutputDecoder::new(Mode::Run, limits::LINE_BYTES, LongLine::Refuse);
    let mut transcript = Transcript::new(None);
    for read in split {
        let mut batch = Batch::default();
        decoder.push(read, &mut Skip::default(), &mut batch).unwrap();
        transcript.push(&batch).unwrap();
    }
    let mut joined = |stream| {
        let text = transcript.finish(stream).piece.text;
        text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
    };
    let (stdout, stderr) = (joined(Stream::Stdout), joined(Stream::Stderr));
    RunSeen { decoder, stdout, stderr }
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
        for split in splits(&reads) {
            let seen = run_stream(&split);
            let pid = json!(seen.decoder.started().map(|started| started.pid));
            if let Some(End::Exit(exit)) = seen.decoder.end() {
                let result = json!({
                    "exit_code": exit.exit_code(), "signal": exit.signal(),
                    "oom_killed": exit.oom_killed(), "timed_out": exit.timed_out(),
                    "stdout": seen.stdout, "stderr": seen.stderr, "pid": pid,
                    "handle": seen.decoder.started().and_then(|started| started.handle),
                });
                assert_eq!(result, expected["result"], "{id}");
                let warned = vector["expected"]["warnings"].is_array();
                assert_eq!(seen.decoder.malformed() > 0, warned, "{id}");
            } else {
                let kind = if vector["ending"] == "reset" {
                    Code::StreamBroken
                } else {
                    Code::StreamEndedWithoutExit
                };
                let error = json!({
                    "kind": kind.as_str(), "pid": pid,
                    "partial_stdout": seen.stdout, "partial_stderr": seen.stderr,
                });
                assert_eq!(error, expected["error"], "{id}");
            }
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
    let unsupported = failure.code == Code::Unsupported;
    assert_eq!(unsupported, expected["kind"] == "unsupported_endpoint", "{id}");
    if !unsupported {
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
            let mut decoder =
                OutputDecoder::new(Mode::Follow, limits::LINE_BYTES, LongLine::Refuse);
            let mut batch = Batch::default();
            for read in &split {
                decoder.push(read, &mut Skip::default(), &mut batch).unwrap();
            }
            let mut start = 0;
            let events: Vec<_> = (0..batch.len())
                .map(|i| {
                    let end = batch.byte_ends[i] as usize;
                    let line = batch.text[start..end].strip_suffix('\n').unwrap();
                    start = end;
                    let stream = match batch.flags[i] & flag::STREAM {
                        0 => None,
                        1 => Some("stdout"),
                        _ => Some("stderr"),
                    };
                    let time = batch.times[i];
                    let time = (!time.is_nan()).then_some(time as u64);
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
                None => ignored,
            },
            "server_to_client" => match Output::decode(&message) {
                Some(Output::Data(bytes)) => data(bytes),
                Some(Output::Exit(code)) => json!({ "kind": "exit", "exit_code": code }),
                Some(Output::Position(_)) | None => ignored,
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
