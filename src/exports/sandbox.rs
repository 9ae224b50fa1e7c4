use super::promise;
use crate::client::{self, Call, files, process, pty};
use crate::error::Error;
use crate::exports::{Download, OutputStream, RunStream};
use crate::transport::CancelToken;
use alloc::rc::Rc;
use alloc::string::String;
use js_sys::{Array, Function, Promise};
use shoreline_protocol::route;
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

    /// A promise of a [`Sandbox`], which runs unless `options` say not to wait.
    pub fn create(&self, options: JsValue, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise(
            async move { client.create(options, CancelToken::from_signal(signal)?).await.map(made) },
        )
    }

    /// A promise of a [`Sandbox`]. `direct`: without a lifecycle call where a proxy URL is known.
    pub fn connect(&self, id_or_name: String, direct: bool, signal: JsValue) -> Promise {
        let client = self.0.clone();
        promise(async move {
            client.connect(id_or_name, direct, CancelToken::from_signal(signal)?).await.map(made)
        })
    }

    /// A promise of an array of `SandboxInfo`.
    pub fn list(&self, options: JsValue, signal: JsValue) -> Promise {
        match CancelToken::from_signal(signal) {
            Ok(cancel) => promise(self.0.clone().list(options, cancel)),
            Err(error) => Promise::reject(&error.into()),
        }
    }

    /// A promise of what a lifecycle call gives that is one request about a sandbox or a snapshot.
    pub fn single(&self, which: u8, id: String, options: JsValue, signal: JsValue) -> Promise {
        single(self.0.clone(), which, &id, &options, signal)
    }
}

fn made(sandbox: client::Sandbox) -> JsValue {
    Sandbox(Rc::new(sandbox)).into()
}

fn single(
    client: Rc<client::Client>,
    which: u8,
    id: &str,
    options: &JsValue,
    signal: JsValue,
) -> Promise {
    match client::single(which, id, options)
        .and_then(|call| Ok((call, CancelToken::from_signal(signal)?)))
    {
        Ok(((route, path, payload), cancel)) => {
            promise(client.lifecycle(route, path, payload, cancel))
        }
        Err(error) => Promise::reject(&error.into()),
    }
}

/// One sandbox.
#[wasm_bindgen]
pub struct Sandbox(Rc<client::Sandbox>);

impl Sandbox {
    /// A promise of what a call gives.
    fn call(&self, call: Result<Call, Error>, signal: JsValue) -> Promise {
        match call.and_then(|call| Ok((call, CancelToken::from_signal(signal)?))) {
            Ok((call, cancel)) => promise(self.0.clone().call(call, cancel)),
            Err(error) => Promise::reject(&error.into()),
        }
    }
}

// The signal of a call is its last parameter: a tracer marks it.
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
        self.0.name.clone()
    }

    /// The same as that of the client. Without an `id`, the call is about this sandbox.
    pub fn single(
        &self,
        which: u8,
        id: Option<String>,
        options: JsValue,
        signal: JsValue,
    ) -> Promise {
        let id = id.as_deref().unwrap_or(&self.0.id);
        single(self.0.client(), which, id, &options, signal)
    }

    /// The address of one of its ports.
    #[wasm_bindgen(js_name = portUrl)]
    pub fn port_url(&self, port: u16) -> Thrown<String> {
        self.0.port_url(port).map_err(Into::into)
    }

    /// Suspends it (`resume` false) or resumes it. `options`: `TurnOptions`.
    pub fn turn(&self, resume: bool, options: JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(
            async move { sandbox.turn(resume, options, CancelToken::from_signal(signal)?).await },
        )
    }

    /// A promise of a [`Download`] of a file. With `search`, `what` is not a path but a query: 1 finds names, 2 lines.
    #[wasm_bindgen(js_name = readFile)]
    pub fn read_file(&self, what: JsValue, search: Option<u8>, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        let route = match search {
            None => route::READ_FILE,
            Some(1) => route::GLOB,
            Some(_) => route::GREP,
        };
        promise(async move {
            let cancel = CancelToken::from_signal(signal)?;
            let download = files::Download::begin(sandbox, route, what, cancel.clone()).await?;
            Ok(Download::new(download, cancel).into())
        })
    }

    /// Writes a file. `content`: a body as `fetch` takes it. `how` is added to the query.
    #[wasm_bindgen(js_name = writeFile)]
    pub fn write_file(
        &self,
        path: &JsValue,
        content: JsValue,
        how: &str,
        signal: JsValue,
    ) -> Promise {
        self.call(files::write(path, content, how), signal)
    }

    /// A promise of the result of an operation on files: a query, or an object for one that changes something. With
    /// `watch`, of `{ watchId }` of a new watch, which an object describes, or of the end of the one with that id.
    pub fn operate(&self, operation: &JsValue, watch: bool, signal: JsValue) -> Promise {
        self.call(files::operate(operation, watch), signal)
    }

    /// Deletes a file.
    #[wasm_bindgen(js_name = deleteFile)]
    pub fn delete_file(&self, path: &JsValue, signal: JsValue) -> Promise {
        self.call(files::delete(path), signal)
    }

    /// A promise of `ListDirectoryResponse`.
    #[wasm_bindgen(js_name = listDirectory)]
    pub fn list_directory(&self, path: &JsValue, signal: JsValue) -> Promise {
        self.call(files::list(path), signal)
    }

    /// Begins a run. `via`: what sends the request for its stream instead of `fetch`. `tells` is called with the
    /// pid once the command runs and can be written to, and again with how it ended: where `options` have an `input`, the command's standard input is a pipe.
    pub fn run(
        &self,
        command: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        via: Option<Function>,
        tells: Option<Function>,
        signal: JsValue,
    ) -> Thrown<RunStream> {
        let cancel = CancelToken::from_signal(signal)?;
        let functions = [on_reconnect, via, tells];
        RunStream::new(self.0.clone(), command, options, functions, cancel).map_err(Into::into)
    }

    /// A promise of the `ProcessInfo` of a new process.
    pub fn start(&self, command: &JsValue, options: &JsValue, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        let body = process::start_options(command, options);
        promise(async move { sandbox.start(body?, CancelToken::from_signal(signal)?).await })
    }

    /// A promise of an array of `ProcessInfo`.
    pub fn processes(&self, signal: JsValue) -> Promise {
        self.call(Ok(process::list()), signal)
    }

    /// A promise of `ProcessInfo`.
    pub fn process(&self, process: &JsValue, signal: JsValue) -> Promise {
        self.call(process::record(route::GET_PROCESS, process), signal)
    }

    /// Kills a process.
    pub fn kill(&self, process: &JsValue, signal: JsValue) -> Promise {
        self.call(process::order(route::KILL_PROCESS, process), signal)
    }

    /// A promise of the `ProcessInfo` of a managed process that was started again.
    pub fn restart(&self, process: &JsValue, signal: JsValue) -> Promise {
        self.call(process::restart(process), signal)
    }

    /// A promise of `SendSignalResponse`.
    #[wasm_bindgen(js_name = sendSignal)]
    pub fn send_signal(&self, process: &JsValue, number: &JsValue, signal: JsValue) -> Promise {
        self.call(process::signal(process, number), signal)
    }

    /// Writes `data` (bytes) to a process's stdin.
    #[wasm_bindgen(js_name = writeStdin)]
    pub fn write_stdin(&self, process: &JsValue, data: JsValue, signal: JsValue) -> Promise {
        self.call(process::write_stdin(process, data), signal)
    }

    /// Closes a process's stdin.
    #[wasm_bindgen(js_name = closeStdin)]
    pub fn close_stdin(&self, process: &JsValue, signal: JsValue) -> Promise {
        self.call(process::order(route::CLOSE_STDIN, process), signal)
    }

    /// A promise of `OutputResponse`. `which`: 0 both streams, 1 stdout, 2 stderr.
    pub fn output(&self, which: u8, process: &JsValue, signal: JsValue) -> Promise {
        let route = match which {
            1 => route::GET_STDOUT,
            2 => route::GET_STDERR,
            _ => route::GET_OUTPUT,
        };
        self.call(process::about(route, process), signal)
    }

    /// Follows output. `which`: 0 both streams, 1 stdout, 2 stderr, 3 none, only the exit, 4 the changes of a watch, whose id
    /// is given for a process. `via`: what sends the requests for the stream instead of `fetch`.
    pub fn follow(
        &self,
        which: u8,
        process: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        via: Option<Function>,
        signal: JsValue,
    ) -> Thrown<OutputStream> {
        let route = match which {
            1 => route::FOLLOW_STDOUT,
            2 => route::FOLLOW_STDERR,
            3 => route::FOLLOW_EXIT,
            4 => route::FOLLOW_WATCH,
            _ => route::FOLLOW_OUTPUT,
        };
        let process = process::address(process)?;
        let cancel = CancelToken::from_signal(signal)?;
        OutputStream::new(self.0.clone(), route, process, options, [on_reconnect, via], cancel)
            .map_err(Into::into)
    }

    /// A promise of `PtySessionInfo`. `options`: `CreatePtyOptions`.
    #[wasm_bindgen(js_name = createPty)]
    pub fn create_pty(&self, options: &JsValue, signal: JsValue) -> Promise {
        self.call(pty::create(options), signal)
    }

    /// A promise of an array of `PtyInfo`.
    pub fn ptys(&self, signal: JsValue) -> Promise {
        self.call(Ok(pty::list()), signal)
    }

    /// A promise of `PtyInfo`.
    pub fn pty(&self, session: &JsValue, signal: JsValue) -> Promise {
        self.call(pty::info(session), signal)
    }

    /// Ends a terminal's session.
    #[wasm_bindgen(js_name = killPty)]
    pub fn kill_pty(&self, session: &JsValue, signal: JsValue) -> Promise {
        self.call(pty::kill(session), signal)
    }

    /// A promise of `[url, headers]` of a terminal's socket.
    #[wasm_bindgen(js_name = terminalSocket)]
    pub fn terminal_socket(
        &self,
        session: JsValue,
        token: JsValue,
        credit: u32,
        signal: JsValue,
    ) -> Promise {
        let sandbox = self.0.clone();
        promise(async move {
            sandbox.terminal_socket(session, token, credit, CancelToken::from_signal(signal)?).await
        })
    }

    /// A promise of `[url, headers, end]` of a tunnel's socket: `end` is the message that ends one side.
    #[wasm_bindgen(js_name = tunnelSocket)]
    pub fn tunnel_socket(&self, port: String, signal: JsValue) -> Promise {
        let sandbox = self.0.clone();
        promise(async move { sandbox.tunnel_socket(port, CancelToken::from_signal(signal)?).await })
    }

    /// A promise that rejects with `invalid_request` if the server has tunnels.
    pub fn tunnels(&self, signal: JsValue) -> Promise {
        self.call(Ok(pty::tunnels()), signal)
    }

    /// `[socket, base]`: the address of the socket with channels, and what the addresses of their requests begin with.
    #[must_use]
    pub fn channels(&self) -> Array {
        self.0.channel_socket()
    }

    /// A promise of `HealthResponse`.
    pub fn health(&self, signal: JsValue) -> Promise {
        self.call(Ok(process::health()), signal)
    }

    /// A promise of a `SandboxUsage`.
    pub fn usage(&self, signal: JsValue) -> Promise {
        self.call(Ok(process::usage()), signal)
    }

    /// A promise of `DaemonInfo`.
    #[wasm_bindgen(js_name = daemonInfo)]
    pub fn daemon_info(&self, signal: JsValue) -> Promise {
        self.call(Ok(process::daemon_info()), signal)
    }
}
