//! One thing to pull that ends a call which makes several requests.

use crate::error::{Error, Result};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal};

/// Every request of the call gets [`Leash::signal`]; the caller's own signal pulls it too.
pub(crate) struct Leash {
    controller: AbortController,
    forward: Option<(AbortSignal, Closure<dyn FnMut()>)>,
}

impl Leash {
    pub(crate) fn new(caller: Option<AbortSignal>) -> Result<Self> {
        let controller = AbortController::new().map_err(|e| {
            Error::new(Code::MissingCapability, "this runtime has no AbortController").with_cause(e)
        })?;
        let forward = caller.map(|signal| {
            let (own, from) = (controller.clone(), signal.clone());
            let closure = Closure::<dyn FnMut()>::new(move || {
                own.abort_with_reason(&from.reason());
            });
            if signal.aborted() {
                controller.abort_with_reason(&signal.reason());
            }
            let _ =
                signal.add_event_listener_with_callback("abort", closure.as_ref().unchecked_ref());
            (signal, closure)
        });
        Ok(Self { controller, forward })
    }

    pub(crate) fn signal(&self) -> AbortSignal {
        self.controller.signal()
    }

    pub(crate) fn is_pulled(&self) -> bool {
        self.controller.signal().aborted()
    }

    /// Ends every request of the call.
    pub(crate) fn pull(&self) {
        self.controller.abort();
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some((signal, closure)) = &self.forward {
            let _ = signal
                .remove_event_listener_with_callback("abort", closure.as_ref().unchecked_ref());
        }
    }
}
