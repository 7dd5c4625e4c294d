//! Training byte-level BPE (Sennrich et al. 2016, §3.2, algorithm 1), with counts kept up to date instead
//! of taken anew for each merge.

use super::{UNKNOWN, bpe::Bpe, split::split};
use crate::Result;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Vocabularies from this size on hold all 256 bytes.
const FULL_ALPHABET: usize = 320;

type Pair = (u32, u32);

/// Trains on `text`, which must not be empty, up to `vocab_size` tokens.
pub(super) fn train(text: &str, vocab_size: usize, progress: &mut dyn FnMut(f32)) -> Result<Bpe> {
    progress(0.0);
    let (mut tokens, unknown) = alphabet(text, vocab_size);
    // The unknown token is no text: a merge that happens to spell U+FFFD makes a token of its own.
    let mut ids: HashMap<Vec<u8>, u32> =
        tokens.iter().cloned().zip(0..).filter(|&(_, id)| Some(id) != unknown).collect();
    let mut byte = [unknown.unwrap_or(0); 256];
    for (token, &id) in &ids {
        byte[usize::from(token[0])] = id;
    }
    let mut counts = Counts::new(text, &byte, unknown);
    let mut merges = Vec::new();
    while tokens.len() < vocab_size {
        let Some(pair) = counts.most_frequent() else { break };
        let whole = [&tokens[pair.0 as usize][..], &tokens[pair.1 as usize]].concat();
        // Two pairs can spell one token ("a"+"bc", "ab"+"c"): both merge into it.
        let merged = *ids.entry(whole).or_insert_with_key(|whole| {
            tokens.push(whole.clone());
            tokens.len() as u32 - 1
        });
        counts.merge(pair, merged);
        // A pair can come back where a second spelling makes one of its halves; its merge is known.
        if !merges.contains(&pair) {
            merges.push(pair);
        }
        progress(tokens.len() as f32 / vocab_size as f32);
    }
    progress(1.0);
    Bpe::new(tokens, unknown, merges)
}

/// The tokens before any merge, and the id of the one that stands for every other byte.
fn alphabet(text: &str, vocab_size: usize) -> (Vec<Vec<u8>>, Option<u32>) {
    if vocab_size >= FULL_ALPHABET {
        return ((0..=255).map(|b| vec![b]).collect(), None);
    }
    let mut seen = [0u64; 256];
    for b in text.bytes() {
        seen[usize::from(b)] += 1;
    }
    let mut bytes: Vec<u8> = (0..=255).filter(|&b| seen[usize::from(b)] > 0).collect();
    bytes.sort_by_key(|&b| Reverse(seen[usize::from(b)]));
    bytes.truncate(vocab_size - 1);
    bytes.sort_unstable();
    let unknown = UNKNOWN.as_bytes().to_vec();
    (std::iter::once(unknown).chain(bytes.into_iter().map(|b| vec![b])).collect(), Some(0))
}

/// The distinct pieces of the text as tokens, and how often each pair of neighbours occurs.
struct Counts {
    /// A piece and how often it occurs.
    pieces: Vec<(Vec<u32>, i64)>,
    pairs: HashMap<Pair, i64>,
    /// Pieces that hold a pair, or once did.
    places: HashMap<Pair, Vec<u32>>,
    unknown: Option<u32>,
}

impl Counts {
    fn new(text: &str, byte: &[u32; 256], unknown: Option<u32>) -> Self {
        let mut repeats: HashMap<&str, i64> = HashMap::new();
        for piece in split(text) {
            *repeats.entry(piece).or_default() += 1;
        }
        // The hash map's order varies from run to run; nothing below depends on the order of pieces.
        let tokens = |piece: &str| piece.bytes().map(|b| byte[usize::from(b)]).collect();
        let pieces = repeats.into_iter().map(|(piece, n)| (tokens(piece), n)).collect();
        let mut counts = Self { pieces, pairs: HashMap::new(), places: HashMap::new(), unknown };
        for at in 0..counts.pieces.len() {
            counts.add(at, None);
        }
        counts
    }

    /// Counts the pairs of piece `at`. `new` says which merged token just came into it: only pairs with that
    /// token can be new to the piece.
    fn add(&mut self, at: usize, new: Option<u32>) {
        let (piece, n) = &self.pieces[at];
        for pair in piece.windows(2).map(|w| (w[0], w[1])) {
            if Some(pair.0) == self.unknown || Some(pair.1) == self.unknown {
                continue;
            }
            *self.pairs.entry(pair).or_default() += n;
            if new.is_none_or(|id| pair.0 == id || pair.1 == id) {
                let places = self.places.entry(pair).or_default();
                if places.last() != Some(&(at as u32)) {
                    places.push(at as u32);
                }
            }
        }
    }

    fn subtract(&mut self, at: usize) {
        let (piece, n) = &self.pieces[at];
        for pair in piece.windows(2) {
            if let Some(count) = self.pairs.get_mut(&(pair[0], pair[1])) {
                *count -= n;
            }
        }
    }

    /// The pair to merge next: the most frequent, ties to the lowest; None where none occurs twice.
    fn most_frequent(&self) -> Option<Pair> {
        let (&pair, &count) = self.pairs.iter().max_by_key(|&(&pair, &count)| (count, Reverse(pair)))?;
        (count >= 2).then_some(pair)
    }

    fn merge(&mut self, pair: Pair, merged: u32) {
        for at in self.places.remove(&pair).unwrap_or_default() {
            let at = at as usize;
            if !self.pieces[at].0.windows(2).any(|w| (w[0], w[1]) == pair) {
                continue;
            }
            self.subtract(at);
            let piece = &mut self.pieces[at].0;
            let (mut read, mut write) = (0, 0);
            while read < piece.len() {
                let both = read + 1 < piece.len() && (piece[read], piece[read + 1]) == pair;
                piece[write] = if both { merged } else { piece[read] };
                read += if both { 2 } else { 1 };
                write += 1;
            }
            piece.truncate(write);
            self.add(at, Some(merged));
        }
        self.pairs.retain(|_, n| *n > 0);
    }
}
