//! Little Vale keeps its word: the probabilities it states are those it draws with.

use std::collections::HashMap;

use gradus_core::rng::{Rng, Stream};
use gradus_lessons::world::{Document, EOS, Kind, Mix, World, text, token, vocabulary};

/// Documents `0..n` from one of the test's sources.
fn documents(seed: u32, n: u32, mut source: impl FnMut(&mut Rng) -> Document) -> Vec<Document> {
    (0..n).map(|i| source(&mut Rng::at(seed, Stream::Test, i))).collect()
}

/// Mean and its standard error.
fn mean(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for x in values {
        n += 1.0;
        sum += x;
        squares += x * x;
    }
    let mean = sum / n;
    (mean, ((squares / n - mean * mean).max(0.0) / n).sqrt())
}

/// The exact entropy and length come from the laws on paper, the sample from the generator: an error in
/// either, or in a stated probability, parts them.
#[test]
fn surprisal_and_length_meet_their_exact_means() {
    let world = World::shared();
    for kind in Kind::ALL {
        let sample = documents(kind as u32, 60_000, |rng| world.document(kind, rng));
        let cost = world.cost(kind);
        for (what, exact, (mean, se)) in [
            ("nats", cost.nats, mean(sample.iter().map(Document::surprisal))),
            ("tokens", cost.tokens, mean(sample.iter().map(|d| d.tokens.len() as f64))),
        ] {
            assert!((mean - exact).abs() < 4.0 * se, "{kind:?} {what}: {mean} ± {se}, stated {exact}");
        }
    }
    for mix in [Mix::FULL, Mix::PROSE] {
        let (mean, se) =
            mean(documents(17, 100_000, |rng| world.sample(&mix, rng)).iter().map(Document::surprisal));
        let exact = world.mix_cost(&mix).nats;
        assert!((mean - exact).abs() < 4.0 * se, "{}: {mean} ± {se}, stated {exact}", mix.name());
    }
}

/// After each prefix: how often each token came, and with what stated probability.
type Nexts = HashMap<u32, (f64, f64)>;

/// Checks, wherever `sample` shows a prefix often, that the stated probability depends on the prefix and
/// the token alone; that the tokens seen do not sum to more than 1, and to 1 less what is too rare to be
/// seen; and that they come as often as stated (χ²).
fn check_prefixes(name: &str, sample: &[Document]) {
    let mut tree: HashMap<&[u32], Nexts> = HashMap::new();
    for document in sample {
        for (i, (&token, &p)) in document.tokens.iter().zip(&document.probs).enumerate().take(14) {
            let next = tree.entry(&document.tokens[..i]).or_default().entry(token).or_insert((0.0, p));
            next.0 += 1.0;
            let prefix = text(&document.tokens[..i]);
            let word = vocabulary()[token as usize];
            assert!((next.1 - p).abs() < 1e-12, "{name}: P({word} | {prefix}) is {} and {p}", next.1);
        }
    }
    let (mut chi, mut freedom, mut prefixes) = (0.0, 0.0, 0);
    for (prefix, nexts) in &tree {
        let n: f64 = nexts.values().map(|(count, _)| count).sum();
        if n < 1000.0 {
            continue;
        }
        prefixes += 1;
        let sum: f64 = nexts.values().map(|(_, p)| p).sum();
        assert!(sum < 1.0 + 1e-9, "{name}: after “{}” the tokens sum to {sum}", text(prefix));
        // What was never seen weighs about (tokens seen once) / n (Good and Turing), give or take its root;
        // and one token of weight q stays unseen with probability exp(−nq), e⁻²⁰ at q = 20 / n.
        let once = nexts.values().filter(|(count, _)| *count == 1.0).count() as f64;
        let unseen = (once + 5.0 * once.sqrt() + 20.0) / n;
        assert!(sum > 1.0 - unseen, "{name}: after “{}” the tokens sum to {sum}", text(prefix));
        // Tokens expected fewer than eight times are counted together with the unseen.
        let (mut rare_count, mut rare_p) = (n, 1.0);
        let mut cells = -1.0;
        for &(count, p) in nexts.values().filter(|(_, p)| n * p >= 8.0) {
            chi += (count - n * p).powi(2) / (n * p);
            rare_count -= count;
            rare_p -= p;
            cells += 1.0;
        }
        if n * rare_p >= 8.0 {
            chi += (rare_count - n * rare_p).powi(2) / (n * rare_p);
            cells += 1.0;
        } else {
            let rare_p = rare_p.max(0.0); // rounding
            assert!(rare_count < n * rare_p + 8.0 * (n * rare_p).sqrt() + 8.0, "{name}: {}", text(prefix));
        }
        freedom += f64::max(cells, 0.0);
    }
    assert!(
        prefixes >= 8 && freedom > 20.0,
        "{name}: only {prefixes} prefixes, {freedom} degrees of freedom"
    );
    // χ² has mean f and variance 2f (a little more with small cells).
    let z = (chi - freedom) / (2.0 * freedom).sqrt();
    assert!(z.abs() < 4.5, "{name}: χ² {chi:.1} with {freedom} degrees of freedom, z {z:.2}");
}

#[test]
fn each_kind_draws_as_it_states() {
    let world = World::shared();
    for kind in Kind::ALL {
        check_prefixes(kind.name(), &documents(100 + kind as u32, 150_000, |rng| world.document(kind, rng)));
    }
}

#[test]
fn each_mix_draws_as_it_states() {
    let world = World::shared();
    for mix in [Mix::FULL, Mix::PROSE] {
        check_prefixes(mix.name(), &documents(200, 400_000, |rng| world.sample(&mix, rng)));
    }
}

/// Stories are too varied for their prefixes to recur. But what happens depends on the roles alone: with
/// every name, place and thing replaced by its role, prefixes recur, and wherever a sentence begins the
/// stated probabilities of what may begin it (a name, a pronoun, a question, the end) sum to 1.
#[test]
fn stories_sum_to_one_where_sentences_begin() {
    let world = World::shared();
    let stop = token(".");
    let mut sample = documents(300, 150_000, |rng| world.document(Kind::Story, rng));
    for document in &mut sample {
        let words = document.tokens.clone();
        let person = [words[0], words[7]];
        let family = [words[1], words[8]];
        for t in &mut document.tokens {
            let class = |word: &str| token(word).unwrap_or(EOS);
            *t = match *t {
                x if x == person[0] => class("tom"),
                x if x == person[1] => class("ben"),
                x if family.contains(&x) => class("reed"),
                x if x == class("she") => class("he"),
                // The remaining words of a class stand for one: a place, a thing, a verb, a container.
                x if (class("mill")..class("ball")).contains(&x) => class("mill"),
                x if (class("ball")..class("box")).contains(&x) => class("ball"),
                x if (class("box")..class("baker")).contains(&x) => class("box"),
                x if (class("sleeps")..class("zup")).contains(&x) => class("sleeps"),
                x => x,
            };
        }
    }
    let mut tree: HashMap<&[u32], Nexts> = HashMap::new();
    for document in &sample {
        for i in 19..document.tokens.len() {
            if Some(document.tokens[i - 1]) == stop {
                let next = tree.entry(&document.tokens[..i]).or_default();
                let next = next.entry(document.tokens[i]).or_insert((0.0, document.probs[i]));
                next.0 += 1.0;
                assert!((next.1 - document.probs[i]).abs() < 1e-12, "{}", text(&document.tokens[..=i]));
            }
        }
    }
    let (mut prefixes, mut chi, mut freedom) = (0, 0.0, 0.0);
    for (prefix, nexts) in &tree {
        let n: f64 = nexts.values().map(|(count, _)| count).sum();
        if n < 600.0 {
            continue;
        }
        prefixes += 1;
        let sum: f64 = nexts.values().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-9, "after “{}” the openings sum to {sum}", text(prefix));
        chi += nexts.values().map(|(count, p)| (count - n * p).powi(2) / (n * p)).sum::<f64>();
        freedom += nexts.len() as f64 - 1.0;
    }
    assert!(prefixes > 50, "{prefixes}");
    let z = (chi - freedom) / (2.0 * freedom).sqrt();
    assert!(z.abs() < 4.5, "χ² {chi:.1} with {freedom} degrees of freedom");
}

#[test]
fn what_is_asked_was_told() {
    let world = World::shared();
    let [who, has, the, question, stop] = ["who", "has", "the", "?", "."].map(|w| token(w).unwrap_or(EOS));
    let mut asked = 0;
    for document in documents(400, 2_000, |rng| world.document(Kind::Story, rng)) {
        let t = &document.tokens;
        // "who has the drum ? anna .": the thing is the one told of, the answer one of the two persons.
        for i in (0..t.len()).filter(|&i| t[i] == who) {
            assert_eq!([t[i + 1], t[i + 2], t[i + 4], t[i + 6]], [has, the, question, stop], "{}", text(t));
            assert_eq!(t[i + 3], t[17], "{}", text(t));
            assert!([t[0], t[7]].contains(&t[i + 5]), "{}", text(t));
            asked += 1;
        }
    }
    assert!(asked > 300, "{asked}");
}

#[test]
fn rows_are_packed_documents() {
    let world = World::shared();
    for index in 0..500 {
        let row = world.row(&Mix::FULL, 5, index, 64);
        assert_eq!((row.tokens.len(), row.surprisal.len(), row.kinds.len()), (65, 64, 64));
        assert_eq!(row.tokens[0], EOS);
        assert!(row.surprisal.iter().all(|s| s.is_finite() && *s >= 0.0));
        // The first document of the row is the first of its stream, with the mix's probabilities.
        let document = world.sample(&Mix::FULL, &mut Rng::at(5, Stream::World, index));
        let n = document.tokens.len().min(64);
        assert_eq!(row.tokens[1..=n], document.tokens[..n]);
        for (s, p) in row.surprisal.iter().zip(&document.probs) {
            assert_eq!(*s, -p.ln() as f32);
        }
        // The fast path writes the same, and a longer row begins with the shorter.
        let mut long = [0; 129];
        world.fill_row(&Mix::FULL, 5, index, &mut long);
        assert_eq!(long[..65], row.tokens[..]);
    }
    world.fill_row(&Mix::FULL, 5, 0, &mut []);
}

#[test]
fn shares_are_those_of_the_mix() {
    let world = World::shared();
    for mix in [Mix::FULL, Mix::PROSE] {
        let mut counts = [0.0; 9];
        let mut total = 0.0;
        for document in documents(600, 200_000, |rng| world.sample(&mix, rng)) {
            counts[document.kind as usize] += document.tokens.len() as f64;
            total += document.tokens.len() as f64;
        }
        for kind in Kind::ALL {
            let share = counts[kind as usize] / total;
            assert!((share - mix.share(kind)).abs() < 0.004, "{} {kind:?} {share}", mix.name());
        }
        assert!((Kind::ALL.map(|k| mix.share(k)).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

/// The committed floors are those of this generator, on other rows than they were measured on.
#[test]
fn floors_hold() {
    let world = World::shared();
    for mix in [Mix::FULL, Mix::PROSE] {
        let endless = world.mix_cost(&mix);
        assert!(mix.floors().iter().any(|floor| floor.context == 64));
        for floor in mix.floors() {
            let measured = world.measure_floor(&mix, 77, floor.context, 800_000 / floor.context as u32);
            let se = measured.se.hypot(floor.se);
            assert!((measured.nats - floor.nats).abs() < 4.0 * se, "{} {floor:?} {measured:?}", mix.name());
            assert!(floor.nats > endless.nats / endless.tokens, "{} {floor:?}", mix.name());
        }
        let unlisted = world.floor(&mix, 48);
        assert!(unlisted.se > 0.0 && unlisted.se < 0.003, "{unlisted:?}");
    }
}

/// A change to the generator changes every stated number: it must not happen unseen.
#[test]
fn the_first_rows_are_what_they_were() {
    let world = World::shared();
    let mut hash = 0xcbf2_9ce4_8422_2325u64; // FNV-1a
    for mix in [Mix::FULL, Mix::PROSE] {
        for row in 0..256 {
            for token in world.row(&mix, 1, row, 64).tokens {
                hash = (hash ^ u64::from(token)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    assert_eq!(hash, 0x7987_baf9_4d63_b2ef, "{hash:#x}; {}", text(&world.row(&Mix::FULL, 1, 0, 24).tokens));
    assert_eq!(World::new().row(&Mix::FULL, 9, 9, 64), world.row(&Mix::FULL, 9, 9, 64));
}
