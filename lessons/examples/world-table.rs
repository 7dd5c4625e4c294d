//! Remakes the tables of docs/WORLD.md: `cargo run -p gradus-lessons --release --example world-table`.

use std::time::Instant;

use gradus_core::rng::{Rng, Stream};
use gradus_lessons::world::{Kind, Mix, World};

const DOCUMENTS: u32 = 400_000;
const ROWS: u32 = 1_000_000;

fn main() {
    let start = Instant::now();
    let world = World::new();
    println!("tables built in {:.1} ms\n", start.elapsed().as_secs_f64() * 1e3);

    println!("| kind | H(doc), exact | mean −ln p ± se | tokens, exact | mean tokens | nats/token |");
    println!("|---|---|---|---|---|---|");
    for kind in Kind::ALL {
        let n = f64::from(DOCUMENTS);
        let (mut sum, mut squares, mut tokens) = (0.0, 0.0, 0);
        for i in 0..DOCUMENTS {
            let document = world.document(kind, &mut Rng::at(kind as u32, Stream::Test, i));
            let nats = document.surprisal();
            sum += nats;
            squares += nats * nats;
            tokens += document.tokens.len();
        }
        let (mean, cost) = (sum / n, world.cost(kind));
        println!(
            "| {} | {:.4} | {:.4} ± {:.4} | {:.4} | {:.3} | {:.4} |",
            kind.name(),
            cost.nats,
            mean,
            ((squares / n - mean * mean) / n).sqrt(),
            cost.tokens,
            tokens as f64 / n,
            cost.nats / cost.tokens,
        );
    }

    for mix in [Mix::FULL, Mix::PROSE] {
        let cost = world.mix_cost(&mix);
        println!("\n{}: endless text {:.5} nats/token, exact", mix.name(), cost.nats / cost.tokens);
        for context in [16, 32, 64, 128, 256, 512] {
            // The same number of tokens for every context.
            let rows = (u64::from(ROWS) * 64 / context as u64) as u32;
            let floor = world.measure_floor(&mix, 0, context, rows);
            println!("Floor {{ context: {context}, nats: {:.5}, se: {:.5} }},", floor.nats, floor.se);
        }
    }

    let start = Instant::now();
    let mut row = [0; 65];
    let rows = 200_000;
    for i in 0..rows {
        world.fill_row(&Mix::FULL, 0, i, &mut row);
    }
    let rate = f64::from(rows) * 64.0 / start.elapsed().as_secs_f64();
    println!("\n{:.1} million tokens a second on one thread", rate / 1e6);
}
