//! The worker that hosts the session, so that training never holds up the page.

fn main() {
    gradus_web::host::start();
}
