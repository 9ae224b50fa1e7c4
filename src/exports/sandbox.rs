use super::{abort_signal, promise, promise_done};
use crate::client::{self, process};
use crate::exports::{OutputStream, RunStream};
use crate::types;
use js_sys::{Function, Promise};
use shoreline_protocol::route;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

type Thrown<T> = Result<T, JsValue>;

/// A place where sandboxes are, and how to reach it.
#[wasm_bindgen]
pub struct Client(Rc<client::Client>);

#[wasm_bindgen]
impl Client {
    /// `options`: `ConnectionOptions` with `apiKey` and `fetch`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Thrown<Self> {
        Ok(Self(Rc::new(client::Client::new(options)?)))
    }

    /// A promise of a running [`Sandbox`].
    pub fn create(&self, options: JsValue, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise(async move {
            let signal = abort_signal(signal)?;
            let sandbox = client.create(&options, signal.as_ref()).await?;
            Ok(Sandbox(Rc::new(sandbox)).into())
        })
    }

    /// A promise of a [`Sandbox`]. `direct`: without a lifecycle call where a proxy URL is known.
    pub fn connect(&self, id_or_name: String, direct: bool, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise(async move {
            let signal = abort_signal(signal)?;
            let sandbox = client.connect(&id_or_name, direct, signal.as_ref()).await?;
            Ok(Sandbox(Rc::new(sandbox)).into())
        })
    }

    /// A promise of an array of `SandboxInfo`.
    pub fn list(&self, options: JsValue, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise(async move {
            let signal = abort_signal(signal)?;
            client.list(&options, signal.as_ref()).await.map(JsValue::from)
        })
    }

    /// Terminates a sandbox by id or name.
    pub fn terminate(&self, id_or_name: String, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise_done(async move {
            let signal = abort_signal(signal)?;
            client.terminate(&id_or_name, signal.as_ref()).await
        })
    }
}

/// One sandbox.
#[wasm_bindgen]
pub struct Sandbox(Rc<client::Sandbox>);

#[wasm_bindgen]
impl Sandbox {
    /// Its id, or the name that it was reached by.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> String {
        self.0.id.clone()
    }

    /// Its name.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.0.name.borrow().clone()
    }

    /// A promise of `SandboxInfo`.
    pub fn info(&self, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move { sandbox.info(abort_signal(signal)?.as_ref()).await })
    }

    /// Terminates it.
    pub fn terminate(&self, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise_done(async move { sandbox.terminate(abort_signal(signal)?.as_ref()).await })
    }

    /// Begins a run.
    pub fn run(
        &self,
        command: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        signal: JsValue,
    ) -> Thrown<RunStream> {
        let signal = abort_signal(signal)?;
        RunStream::new(self.0.clone(), command, options, on_reconnect, signal).map_err(Into::into)
    }

    /// A promise of the `ProcessInfo` of a new process.
    pub fn start(&self, command: JsValue, options: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            let options = process::start_options(&command, &options)?;
            sandbox.start(&options, abort_signal(signal)?.as_ref()).await
        })
    }

    /// A promise of an array of `ProcessInfo`.
    pub fn processes(&self, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move { sandbox.processes(abort_signal(signal)?.as_ref()).await })
    }

    /// A promise of `ProcessInfo`.
    pub fn process(&self, process: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            let process = process::address(&process)?;
            sandbox.process(&process, abort_signal(signal)?.as_ref()).await
        })
    }

    /// Kills a process.
    pub fn kill(&self, process: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise_done(async move {
            let process = process::address(&process)?;
            sandbox.kill(&process, abort_signal(signal)?.as_ref()).await
        })
    }

    /// A promise of the `ProcessInfo` of a managed process that was started again.
    pub fn restart(&self, process: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            let process = process::address(&process)?;
            sandbox.restart(&process, abort_signal(signal)?.as_ref()).await
        })
    }

    /// A promise of `SendSignalResponse`.
    #[wasm_bindgen(js_name = sendSignal)]
    pub fn send_signal(&self, process: JsValue, number: f64, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            let process = process::address(&process)?;
            let number = process::signal_number(number)?;
            sandbox.send_signal(&process, number, abort_signal(signal)?.as_ref()).await
        })
    }

    /// Writes `data` (bytes) to a process's stdin.
    #[wasm_bindgen(js_name = writeStdin)]
    pub fn write_stdin(&self, process: JsValue, data: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise_done(async move {
            let process = process::address(&process)?;
            sandbox.write_stdin(&process, data, abort_signal(signal)?.as_ref()).await
        })
    }

    /// Closes a process's stdin.
    #[wasm_bindgen(js_name = closeStdin)]
    pub fn close_stdin(&self, process: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise_done(async move {
            let process = process::address(&process)?;
            sandbox.close_stdin(&process, abort_signal(signal)?.as_ref()).await
        })
    }

    /// A promise of `OutputResponse`. `which`: 0 both streams, 1 stdout, 2 stderr.
    pub fn output(&self, which: u8, process: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            let process = process::address(&process)?;
            let route = match which {
                1 => route::GET_STDOUT,
                2 => route::GET_STDERR,
                _ => route::GET_OUTPUT,
            };
            sandbox.output(route, &process, abort_signal(signal)?.as_ref()).await
        })
    }

    /// Follows output. `which`: 0 both streams, 1 stdout, 2 stderr.
    pub fn follow(
        &self,
        which: u8,
        process: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        signal: JsValue,
    ) -> Thrown<OutputStream> {
        let process = process::address(process)?;
        let options: types::FollowOptions = types::read_options(options)?;
        let route = match which {
            1 => route::FOLLOW_STDOUT,
            2 => route::FOLLOW_STDERR,
            _ => route::FOLLOW_OUTPUT,
        };
        let signal = abort_signal(signal)?;
        OutputStream::new(self.0.clone(), route, process, &options, on_reconnect, signal)
            .map_err(Into::into)
    }

    /// A promise of `HealthResponse`.
    pub fn health(&self, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move { sandbox.health(abort_signal(signal)?.as_ref()).await })
    }

    /// A promise of `DaemonInfo`.
    #[wasm_bindgen(js_name = daemonInfo)]
    pub fn daemon_info(&self, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move { sandbox.daemon_info(abort_signal(signal)?.as_ref()).await })
    }
}
