//! Options that a server ignores. Older servers answer as if there were none: what the caller asked for is compared with
//! what the server shows, and a call whose options were ignored is undone and rejected.

use super::{Call, Sandbox, process};
use crate::error::{Error, Result};
use crate::transport::CancelToken;
use crate::types::{self, ProcessState};
use crate::{host, js};
use alloc::rc::Rc;
use js_sys::Object;
use shoreline_protocol::error::Code;
use shoreline_protocol::lacking::{is_other_limit, is_short};
use shoreline_protocol::member;
use shoreline_protocol::route;
use shoreline_protocol::text::{digits, joined};
use wasm_bindgen::prelude::*;

/// Options that make a process a managed one.
const MANAGED: [&str; 3] = ["name", "restart", "health_check"];
/// Sizes in the body of a create, and in a record.
const SIZES: [(&str, &str); 3] =
    [("cpus", "cpus"), ("memory_mb", "memoryMb"), ("disk_mb", "diskMb")];
/// A process's name that is not a number.
const A_NAME: &str = "-";

fn ignored(option: &str) -> Error {
    let text = ["this server ignores `", option, "`: leave it out, or use a newer server"];
    Error::of(Code::NotSupportedByServer, &text)
}

/// Why a new sandbox is not what `body` asked for, if a record of it shows that. What a record leaves out is no
/// evidence, but for the name: every server that has names shows them in full records, which have `resources`.
pub(super) fn misses(body: &Object, record: &JsValue) -> Option<Error> {
    let (asked, shown) = (js::get(body, "resources"), js::get(record, "resources"));
    let name = js::text(record, "name").filter(|name| !name.is_empty());
    let wanted = js::text(body, "name");
    if wanted.is_some() && wanted != name && (name.is_some() || shown.is_object()) {
        return Some(ignored("name"));
    }
    let pair = |option: &str, member: &str| {
        Some((js::number(&asked, option)?, js::number(&shown, member)?))
    };
    for (option, member) in SIZES {
        if pair(option, member).is_some_and(|(asked, shown)| is_short(asked, shown)) {
            return Some(ignored(member));
        }
    }
    let limits = js::number(body, "timeout_secs").zip(js::number(record, "timeoutSecs"));
    limits
        .is_some_and(|(asked, shown)| is_other_limit(asked, shown))
        .then(|| ignored("timeoutSecs"))
}

impl Sandbox {
    /// Starts a process. `body` is what [`process::command`] made.
    ///
    /// # Errors
    /// `not_supported_by_server`, beside the errors of a call. A process that was started is then killed.
    pub(crate) async fn start(
        self: Rc<Self>,
        body: Object,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        self.check_start(&body, &cancel).await?;
        let detached = cancel.detached();
        let started = self.clone().call(process::start(&body)?, cancel).await;
        let record = started.map_err(|error| process::explained(error, &body))?;
        let is_managed = js::get(&record, member!(ProcessInfo.managed)).is_object();
        let Some(option) = MANAGED.into_iter().find(|option| !is_managed && asks(&body, option))
        else {
            return Ok(record);
        };
        let mut error = ignored(&types::camel(option));
        let pid = ProcessState::read(&record)?.pid;
        error.message = joined(&[
            &error.message,
            " (process ",
            &digits(pid.into()),
            ", which is being killed)",
        ]);
        let kill = process::order(route::KILL_PROCESS, &pid.into())?;
        host::spawn(async move {
            let _ = self.call(kill, detached).await;
        });
        Err(error)
    }

    /// Rejects a start whose options the server would ignore, before anything runs. `user` came into the API together
    /// with managed processes, whose names are addresses: a server that takes only numbers there has neither.
    pub(super) async fn check_start(
        self: &Rc<Self>,
        body: &Object,
        cancel: &CancelToken,
    ) -> Result<()> {
        let Some(option) = ["user"].into_iter().chain(MANAGED).find(|option| asks(body, option))
        else {
            return Ok(());
        };
        if self.has_names.get() {
            return Ok(());
        }
        let call: Call = process::about(route::GET_PROCESS, &A_NAME.into())?;
        match self.clone().call(call, cancel.clone()).await {
            Err(error) if error.code == Code::Unsupported && error.status == Some(400) => {
                return Err(ignored(&types::camel(option)));
            }
            Err(error) if error.code == Code::Aborted => return Err(error),
            Err(error) if error.code != Code::NotFound => {}
            _ => self.has_names.set(true),
        }
        Ok(())
    }
}

fn asks(body: &Object, option: &str) -> bool {
    !js::get(body, option).is_undefined()
}
