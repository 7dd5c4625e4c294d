//! The home page: a Leptos application that knows the engine only by its protocol.

fn main() {
    gradus_web::app::start_home();
}
