//! The lessons' pages, one program for all: it sees in the page which lesson it is.

fn main() {
    gradus_web::app::start_lesson();
}
