//! Files over HTTP (docs/protocol.md, section 7). The agent opens them in the sandbox; the server reads and writes them.

use super::app::App;
use super::request::{NO_CONTENT, Target, json, next_part};
use crate::error::{ApiError, Result};
use crate::sandbox::{OpenFile, Writing};
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use percent_encoding::percent_decode_str;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use serde::Serialize;
use serde_json::json as object;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, SeekFrom};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// The value of a name in a query, if any.
pub(super) fn value(query: &RawQuery, name: &str) -> Result<Option<String>> {
    values(query, name).next().transpose()
}

/// The values of a name in a query.
pub(super) fn values(
    RawQuery(query): &RawQuery,
    name: &str,
) -> impl Iterator<Item = Result<String>> {
    let pairs = query.as_deref().unwrap_or_default().split('&');
    let values = pairs.filter_map(|pair| pair.split_once('='));
    values.filter(move |(key, _)| *key == name).map(move |(_, value)| {
        // Strict: the decoding of forms would replace bytes that are not UTF-8, which changes the path.
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8();
        value.map(Cow::into_owned).map_err(|_| wrong_query(name))
    })
}

pub(super) fn wrong_query(name: &str) -> ApiError {
    let text = format!("the query must have a valid `{name}`, percent-encoded UTF-8");
    ApiError::new(ServerCode::InvalidRequest, text)
}

/// Refuses text that cannot be a path.
pub(super) fn check_path(path: &str) -> Result<()> {
    if path.is_empty() || path.contains('\0') {
        return Err(ApiError::new(ServerCode::InvalidPath, "a path is not empty and has no NUL"));
    }
    Ok(())
}

/// The path of a request. `..` is refused, even if the path would stay in the sandbox.
fn checked(query: &RawQuery) -> Result<String> {
    let path = value(query, "path")?.ok_or_else(|| wrong_query("path"))?;
    check_path(&path)?;
    if path.split('/').any(|part| part == "..") {
        let text = format!("{path:?}: a path must not have `..` in it");
        return Err(ApiError::new(ServerCode::PathTraversal, text));
    }
    Ok(path)
}

pub(super) async fn read(
    Target(sandbox): Target,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let path = checked(&query)?;
    let OpenFile { file, kind, length } = sandbox.open_file(&path).await?;
    if kind.is_dir() {
        return Err(ApiError::new(ServerCode::IsDirectory, format!("{path:?}: is a directory")));
    }
    if !kind.is_file() {
        let text = format!("{path:?}: is not a regular file");
        return Err(ApiError::new(ServerCode::InvalidPath, text));
    }
    let mut file = tokio::fs::File::from_std(file);
    let length = match length {
        Some(length) => length,
        None => {
            let first = part(&mut file, PART).await.map_err(|e| ApiError::internal(&e))?;
            if !first.is_empty() {
                return Ok(to_the_end(first, file));
            }
            0
        }
    };
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let part = range.and_then(|range| byte_range(range, length));
    let (status, start, count) = match part {
        None => (StatusCode::OK, 0, length),
        Some(Some((start, end))) => (StatusCode::PARTIAL_CONTENT, start, end - start + 1),
        Some(None) => {
            let text = format!("the range lies outside the {length} bytes of the file");
            let error = ApiError::new(ServerCode::RangeNotSatisfiable, text);
            let whole = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((whole, error).into_response());
        }
    };
    file.seek(SeekFrom::Start(start)).await.map_err(|e| ApiError::internal(&e))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, count.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let mut response = (status, headers, Body::from_stream(contents(file, count))).into_response();
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = format!("bytes {start}-{}/{length}", start + count - 1).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// The most bytes of one read of a file.
const PART: u64 = 256 * 1024;

/// Reads up to `most` bytes from the file's position; none at the end.
async fn part(file: &mut tokio::fs::File, most: u64) -> io::Result<Bytes> {
    let most = most.min(PART);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    file.take(most).read_buf(&mut bytes).await?;
    Ok(bytes.into())
}

/// The response for a file without a known length: its first part, and the rest up to the end. It has no ranges.
fn to_the_end(first: Bytes, file: tokio::fs::File) -> Response {
    let rest = futures::stream::try_unfold(file, async |mut file| {
        let bytes = part(&mut file, PART).await?;
        io::Result::Ok((!bytes.is_empty()).then_some((bytes, file)))
    });
    let all = futures::stream::once(std::future::ready(Ok(first))).chain(rest);
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(all)).into_response()
}

/// The next `count` bytes of the file. If the file has fewer, the connection is broken off.
fn contents(file: tokio::fs::File, count: u64) -> impl futures::Stream<Item = io::Result<Bytes>> {
    futures::stream::try_unfold((file, count), async |(mut file, left)| {
        if left == 0 {
            return Ok(None);
        }
        let bytes = part(&mut file, left).await?;
        if bytes.is_empty() {
            return Err(io::Error::other("the file has become shorter"));
        }
        let left = left - bytes.len() as u64;
        Ok(Some((bytes, (file, left))))
    })
}

/// The first and the last byte of a single range (RFC 9110, 14.1.2). `None` if the header must be ignored,
/// `Some(None)` if the range is not satisfiable.
fn byte_range(text: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, _) => (length.saturating_sub(number(last)?), length.saturating_sub(1)),
        (false, true) => (number(first)?, length.saturating_sub(1)),
        (false, false) => (number(first)?, number(last)?.min(length.saturating_sub(1))),
    };
    if first.is_empty() && number(last) == Some(0) || start >= length {
        return Some(None);
    }
    (start <= end).then_some(Some((start, end)))
}

pub(super) async fn write(
    State(app): State<Arc<App>>,
    Target(sandbox): Target,
    query: RawQuery,
    body: Body,
) -> Result<StatusCode> {
    let path = checked(&query)?;
    let (new, file) = sandbox.create_file(&path, writing(&query)?).await?;
    let most = sandbox.file_bytes.map_or(app.file_bytes, |most| most.min(app.file_bytes));
    fill(tokio::fs::File::from_std(file), body, most).await?;
    new.commit().await?;
    Ok(NO_CONTENT)
}

/// Reads the options of a write from the query. With `flag`, the write follows the rules of Node's `fs`.
fn writing(query: &RawQuery) -> Result<Writing> {
    let Some(flag) = value(query, "flag")? else { return Ok(Writing::PLAIN) };
    let (append, exclusive) = match flag.as_str() {
        "w" => (false, false),
        "wx" => (false, true),
        "a" => (true, false),
        _ => return Err(wrong_query("flag")),
    };
    let mode = value(query, "mode")?.map(|mode| u32::from_str_radix(&mode, 8));
    let mode = mode.unwrap_or(Ok(0o666)).map_err(|_| wrong_query("mode"))?;
    Ok(Writing { append, exclusive, mode: mode & 0o7777, parents: false })
}

async fn fill(mut file: tokio::fs::File, body: Body, most: u64) -> Result<()> {
    // The limit includes the bytes that a file has before it is appended to.
    let mut length = file.metadata().await.map_err(|e| ApiError::internal(&e))?.len();
    let mut data = body.into_data_stream();
    while let Some(part) = next_part(&mut data).await? {
        length += part.len() as u64;
        if length > most {
            let text = format!("a file has at most {most} bytes here");
            return Err(ApiError::new(ServerCode::PayloadTooLarge, text));
        }
        file.write_all(&part).await.map_err(|e| write_failed(&e))?;
    }
    file.flush().await.map_err(|e| write_failed(&e))?;
    // The file must be complete on disk before the rename, in case the machine fails.
    file.sync_data().await.map_err(|e| write_failed(&e))
}

fn write_failed(error: &io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ApiError::new(ServerCode::StorageFull, "the disk is full")
        }
        _ => ApiError::internal(error),
    }
}

pub(super) async fn delete(Target(sandbox): Target, query: RawQuery) -> Result<StatusCode> {
    sandbox.remove_file(&checked(&query)?).await?;
    Ok(NO_CONTENT)
}

#[derive(Serialize)]
struct Entry {
    name: String,
    is_dir: bool,
    is_link: bool,
    /// The permission bits.
    mode: u32,
    size: Option<u64>,
    modified_at: i64,
}

pub(super) async fn list(Target(sandbox): Target, query: RawQuery) -> Result<Response> {
    let path = checked(&query)?;
    let directory = sandbox.open_directory(&path).await?;
    // Sorting and encoding the maximum number of entries takes long too.
    let listed = tokio::task::spawn_blocking(move || {
        let mut entries = entries(&directory)?;
        entries.sort_by(|a, b| b.is_dir.cmp(&a.is_dir).then_with(|| a.name.cmp(&b.name)));
        json(StatusCode::OK, &object!({ "path": path, "entries": entries }))
    });
    listed.await.map_err(|e| ApiError::internal(&e.into()))?
}

fn entries(directory: &File) -> Result<Vec<Entry>> {
    let failed = |errno: rustix::io::Errno| ApiError::internal(&errno.into());
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        if entries.len() == limits::DIRECTORY_ENTRIES {
            let text = format!("the directory has more than {} entries", limits::DIRECTORY_ENTRIES);
            return Err(ApiError::new(ServerCode::PayloadTooLarge, text));
        }
        // An entry that was removed meanwhile is left out.
        let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_dir = kind == FileType::Directory;
        entries.push(Entry {
            name: name.to_string_lossy().into_owned(),
            is_dir,
            is_link: kind == FileType::Symlink,
            mode: stat.st_mode & 0o7777,
            size: (!is_dir).then_some(stat.st_size.unsigned_abs()),
            modified_at: stat.st_mtime * 1000
                + i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0),
        });
    }
    Ok(entries)
}
