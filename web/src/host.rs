//! The worker's side: a queue of commands, a session, and a loop that never holds the thread for long.

use crate::wire::{self, BUILD};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;
use gradus_core::protocol::{Command, Event};
use gradus_core::session::Session;
use gradus_lessons::loader::CourseLoader;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent};

/// The fragment of the worker's address by which a lesson's page asks for recipes instead of a session.
const LESSON: &str = "#lesson";

/// Starts the session and tells the page that it may speak. Messages sent earlier are lost, which is why
/// the page waits for this.
pub fn start() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    if scope.location().hash() == LESSON {
        return crate::lesson::host::start(scope);
    }

    let panic_scope = scope.clone();
    std::panic::set_hook(Box::new(move |info| {
        // Nothing can be done in a dying worker if even this fails.
        let _ = panic_scope.post_message(&JsValue::from_str(&format!("panic {info}")));
    }));

    let (sender, commands) = unbounded();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let command = wire::parcel_from_js(&message.data()).map(wire::unpack_command);
        if let Some(Ok(command)) = command {
            // The receiver lives as long as the worker.
            let _ = sender.unbounded_send(command);
        }
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();

    let emit_scope = scope.clone();
    let emit = move |event: Event| {
        if let Ok(parcel) = wire::pack_event(event) {
            let (message, transfer) = wire::parcel_to_js(&parcel);
            let _ = emit_scope.post_message_with_transfer(&message, &transfer);
        }
    };
    let session = Session::new(Box::new(CourseLoader), Box::new(emit));
    wasm_bindgen_futures::spawn_local(serve(scope.clone(), session, commands));
    let _ = scope.post_message(&JsValue::from_str(&format!("ready {BUILD}")));
}

/// Commands first, then a turn of training, then the browser's own turn; asleep while there is nothing.
async fn serve(
    scope: DedicatedWorkerGlobalScope,
    mut session: Session,
    mut commands: UnboundedReceiver<Command>,
) {
    let mut busy = false;
    loop {
        if !busy {
            let Some(command) = commands.next().await else { return };
            session.handle(command).await;
        }
        while let Ok(command) = commands.try_recv() {
            session.handle(command).await;
        }
        let before = js_sys::Date::now();
        busy = session.turn().await;
        if busy && js_sys::Date::now() - before < 1.0 {
            // Held back by the speed control: waiting costs nothing, asking again and again would.
            rest(&scope).await;
        } else {
            next_task().await;
        }
    }
}

/// Waits for some milliseconds.
pub(crate) async fn rest(scope: &DedicatedWorkerGlobalScope) {
    let wait = js_sys::Promise::new(&mut |resolve, _| {
        let _ = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, 4);
    });
    let _ = JsFuture::from(wait).await;
}

/// Lets the worker receive messages: a promise alone would only yield to other promises.
pub(crate) async fn next_task() {
    let task = js_sys::Promise::new(&mut |resolve, _| {
        if let Ok(channel) = MessageChannel::new() {
            channel.port1().set_onmessage(Some(&resolve));
            let _ = channel.port2().post_message(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(task).await;
}
