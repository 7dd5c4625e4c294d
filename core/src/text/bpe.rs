//! Byte-level BPE: applying merges, and the bytes of tokens.

use super::{UNKNOWN, split::split};
use crate::{Error, Result};
use std::collections::HashMap;

/// A trained byte-level BPE.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bpe {
    /// The bytes of each token.
    tokens: Vec<Vec<u8>>,
    /// The token of each byte; the unknown token where the alphabet lacks it.
    byte: Vec<u32>,
    /// The token that stands for bytes outside the alphabet.
    unknown: Option<u32>,
    /// Pairs in the order in which they were learned.
    merges: Vec<(u32, u32)>,
    /// Pair to (rank, merged token).
    ranks: HashMap<(u32, u32), (u32, u32)>,
}

impl Bpe {
    /// Assembles a tokenizer and checks that it can encode any text.
    ///
    /// `unknown`, if any, is a token whose bytes are those of `U+FFFD`.
    pub(super) fn new(tokens: Vec<Vec<u8>>, unknown: Option<u32>, merges: Vec<(u32, u32)>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            let id = id as u32;
            if Some(id) != unknown && ids.insert(token.as_slice(), id).is_some() {
                return Err(Error::Text(format!("token {id} of the vocabulary is there twice")));
            }
        }
        let mut byte = vec![0; 256];
        for (value, slot) in byte.iter_mut().enumerate() {
            *slot = ids.get([value as u8].as_slice()).copied().or(unknown).ok_or_else(|| {
                Error::Text(format!("the vocabulary has no token for byte {value} and no unknown token"))
            })?;
        }
        let mut ranks = HashMap::with_capacity(merges.len());
        for (rank, &(a, b)) in merges.iter().enumerate() {
            let whole = match (tokens.get(a as usize), tokens.get(b as usize)) {
                (Some(x), Some(y)) if Some(a) != unknown && Some(b) != unknown => [&x[..], y].concat(),
                _ => return Err(Error::Text(format!("merge {rank} names a token that cannot be merged"))),
            };
            let Some(&id) = ids.get(whole.as_slice()) else {
                return Err(Error::Text(format!("merge {rank} makes a token that is not in the vocabulary")));
            };
            if ranks.insert((a, b), (rank as u32, id)).is_some() {
                return Err(Error::Text(format!("merge {rank} is there twice")));
            }
        }
        Ok(Self { tokens, byte, unknown, merges, ranks })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn tokens(&self) -> &[Vec<u8>] {
        &self.tokens
    }

    pub(super) fn merges(&self) -> &[(u32, u32)] {
        &self.merges
    }

    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Appends the ids of `text`. Pieces repeat a lot, so each is merged once.
    pub(super) fn encode<'t>(&self, text: &'t str, ids: &mut Vec<u32>) {
        let mut known: HashMap<&'t str, Vec<u32>> = HashMap::new();
        for piece in split(text) {
            ids.extend_from_slice(known.entry(piece).or_insert_with(|| self.merge(piece)));
        }
    }

    /// The ids of one piece: as long as there is one, the pair that was learned first is merged, the
    /// leftmost first.
    fn merge(&self, piece: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = piece.bytes().map(|b| self.byte[usize::from(b)]).collect();
        loop {
            let best = ids
                .windows(2)
                .enumerate()
                .filter_map(|(at, pair)| {
                    self.ranks.get(&(pair[0], pair[1])).map(|&(rank, id)| (rank, at, id))
                })
                .min();
            let Some((_, at, id)) = best else { return ids };
            ids[at] = id;
            ids.remove(at + 1);
        }
    }

    fn token(&self, id: u32) -> &[u8] {
        self.tokens.get(id as usize).map_or(UNKNOWN.as_bytes(), Vec::as_slice)
    }

    /// The bytes of `ids`, end to end.
    pub(super) fn bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.token(id)).copied().collect()
    }

    /// One string a token; bytes wait until the character they begin is complete or cannot be.
    pub(super) fn pieces(&self, ids: &[u32]) -> Vec<String> {
        let mut waiting: Vec<u8> = Vec::new();
        let mut pieces: Vec<String> = ids
            .iter()
            .map(|&id| {
                waiting.extend_from_slice(self.token(id));
                let whole = waiting.len() - unfinished(&waiting);
                let piece = String::from_utf8_lossy(&waiting[..whole]).into_owned();
                waiting.drain(..whole);
                piece
            })
            .collect();
        if let Some(last) = pieces.last_mut() {
            last.push_str(&String::from_utf8_lossy(&waiting));
        }
        pieces
    }
}

/// How many bytes at the end of `bytes` begin a character that further bytes could complete.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    match (tail..bytes.len()).rev().find(|&i| bytes[i] & 0xC0 != 0x80) {
        Some(start) => match std::str::from_utf8(&bytes[start..]) {
            Err(e) if e.error_len().is_none() => bytes.len() - start,
            _ => 0,
        },
        None => 0,
    }
}
