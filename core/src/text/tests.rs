use super::*;
use crate::rng::{Rng, Stream};

const SAMPLE: &str = include_str!("mod.rs");

fn bpe(text: &str, vocab: usize) -> Tokenizer {
    Tokenizer::train_bpe(text, vocab, &mut |_| {}).unwrap()
}

/// Text from the corners of Unicode and of ASCII.
fn weird(rng: &mut Rng, length: u32) -> String {
    (0..rng.below(length))
        .filter_map(|_| match rng.below(6) {
            0 => char::from_u32(rng.below(0x11_0000)),
            1 => char::from_u32(rng.below(0x80)),
            2 => [' ', '\n', '\t', '\r', '\u{A0}', '\u{3000}', '\u{85}', '\u{FFFD}']
                .get(rng.below(8) as usize)
                .copied(),
            3 => char::from_u32(rng.below(0x600)),
            4 => Some(' '),
            _ => char::from_u32('a' as u32 + rng.below(26)),
        })
        .collect()
}

#[test]
fn pieces_of_a_split() {
    let pieces = |text: &str| split::split(text).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        pieces("Don't  go, 42nd\n\n  é"),
        ["Don", "'", "t", " ", " go", ",", " 42", "nd", "\n\n ", " é"]
    );
    assert_eq!(pieces("a \n"), ["a", " \n"]);
    assert_eq!(pieces("a\nb"), ["a", "\n", "b"]);
    assert_eq!(pieces(" \u{A0} "), [" \u{A0}", " "]);
    assert_eq!(pieces(&"x".repeat(70)), ["x".repeat(32), "x".repeat(32), "x".repeat(6)]);
    assert_eq!(pieces(&format!("{}b", " ".repeat(40))), [" ".repeat(32), " ".repeat(7), " b".into()]);
    assert!(pieces("").is_empty());
}

#[test]
fn bpe_round_trips_any_text() {
    let full = bpe(SAMPLE, 400);
    assert_eq!(full.vocab_size(), 400);
    let mut rng = Rng::new(1, Stream::Test);
    for _ in 0..500 {
        let text = weird(&mut rng, 200);
        let ids = full.encode(&text).unwrap();
        assert_eq!(full.decode(&ids), text);
        assert_eq!(full.pieces(&ids).concat(), text);
    }
}

#[test]
fn pieces_join_to_what_decode_gives_even_of_random_ids() {
    for vocab in [130, 400] {
        let tokenizer = bpe(&format!("{SAMPLE} äöü 你好 🙂🙃"), vocab);
        let mut rng = Rng::new(2, Stream::Test);
        for _ in 0..2000 {
            let ids: Vec<u32> = (0..rng.below(12)).map(|_| rng.below(vocab as u32 + 2)).collect();
            assert_eq!(tokenizer.pieces(&ids).concat(), tokenizer.decode(&ids), "{ids:?}");
        }
    }
}

#[test]
fn training_merges_the_most_frequent_pair_first() {
    // " ab" four times, " b" once: the pairs (space, a) and (a, b) tie at 4; the lowest pair of ids wins.
    let tokenizer = bpe("ab ab ab ab ab b", 320);
    assert_eq!(tokenizer.token(256), "ab");
    assert_eq!(tokenizer.token(257), " ab");
    assert_eq!(tokenizer.vocab_size(), 258, "nothing else occurs twice");
    assert_eq!(tokenizer.encode("ab ab").unwrap(), [256, 257]);
}

/// The textbook algorithm: count all pairs anew for each merge.
fn train_slowly(text: &str, vocab: usize) -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|b| vec![b]).collect();
    let mut pieces: Vec<Vec<u32>> = split::split(text).map(|p| p.bytes().map(u32::from).collect()).collect();
    while tokens.len() < vocab {
        let mut counts = std::collections::BTreeMap::new();
        for pair in pieces.iter().flat_map(|p| p.windows(2)) {
            *counts.entry((pair[0], pair[1])).or_insert(0) += 1;
        }
        let best = counts.into_iter().max_by_key(|&(pair, n)| (n, std::cmp::Reverse(pair)));
        let Some((pair, _)) = best.filter(|&(_, n)| n >= 2) else { break };
        let whole = [&tokens[pair.0 as usize][..], &tokens[pair.1 as usize]].concat();
        let id = tokens.iter().position(|t| *t == whole).unwrap_or_else(|| {
            tokens.push(whole);
            tokens.len() - 1
        }) as u32;
        for piece in &mut pieces {
            let mut at = 0;
            while at + 1 < piece.len() {
                if (piece[at], piece[at + 1]) == pair {
                    piece[at] = id;
                    piece.remove(at + 1);
                }
                at += 1;
            }
        }
    }
    tokens
}

#[test]
fn training_equals_the_textbook_algorithm() {
    let mut rng = Rng::new(3, Stream::Test);
    let babble: String = (0..4000).map(|_| ['a', 'b', 'c', ' '][rng.below(4) as usize]).collect();
    for text in [SAMPLE, &babble] {
        let Kind::Bpe(quick) = bpe(text, 420).kind else { unreachable!() };
        assert_eq!(quick.tokens(), train_slowly(text, 420));
    }
}

#[test]
fn a_small_alphabet_writes_other_bytes_as_unknown() {
    let tokenizer = bpe(SAMPLE, 128);
    assert_eq!(tokenizer.vocab_size(), 128);
    assert_eq!(tokenizer.token(0), UNKNOWN);
    let ids = tokenizer.encode("the é").unwrap();
    assert_eq!(tokenizer.decode(&ids), "the \u{FFFD}\u{FFFD}");
    // More distinct bytes than tokens: the rarest are unknown, and the vocabulary still has its size.
    let all: String = (1..0x2000).filter_map(char::from_u32).filter(|c| !c.is_control()).collect();
    let crowded = bpe(&all, 128);
    assert_eq!(crowded.vocab_size(), 128);
    assert!(crowded.encode(&all).unwrap().contains(&0));
}

#[test]
fn words() {
    let tokenizer = Tokenizer::words(&["<eos>", "tom", "sleeps", "."]).unwrap();
    assert_eq!(tokenizer.encode("<eos> tom\n sleeps .<eos>").unwrap(), [0, 1, 2, 3, 0]);
    assert_eq!(tokenizer.decode(&[0, 1, 2, 3]), "<eos> tom sleeps .");
    assert_eq!(tokenizer.pieces(&[1, 2]), ["tom", " sleeps"]);
    assert_eq!((tokenizer.eos(), tokenizer.vocab_size()), (Some(0), 4));
    let message = tokenizer.encode("tom flies").unwrap_err().to_string();
    assert!(message.contains("\"flies\""), "{message}");
    assert!(Tokenizer::words(&["tom"]).is_err());
    assert!(Tokenizer::words(&["<eos>", "a b"]).is_err());
    assert!(Tokenizer::words(&["<eos>", "a", "a"]).is_err());
}

#[test]
fn json_round_trips() {
    for tokenizer in [bpe(SAMPLE, 128), bpe(SAMPLE, 300), Tokenizer::words(&["<eos>", "\"", "b"]).unwrap()] {
        assert_eq!(Tokenizer::from_json(&tokenizer.to_json()).unwrap(), tokenizer);
    }
}

#[test]
fn damaged_json_is_an_error_and_never_a_panic() {
    let json = bpe(SAMPLE, 128).to_json();
    for end in (0..json.len()).step_by(7) {
        assert!(
            matches!(
                Tokenizer::from_json(&String::from_utf8_lossy(&json.as_bytes()[..end])),
                Err(Error::Text(_))
            ),
            "cut at {end}"
        );
    }
    let mut rng = Rng::new(4, Stream::Test);
    for _ in 0..3000 {
        let mut bytes = json.clone().into_bytes();
        let at = rng.below(bytes.len() as u32) as usize;
        bytes[at] = rng.below(128) as u8;
        // A changed byte may leave a valid file; what it opens must then encode.
        if let Ok(tokenizer) = Tokenizer::from_json(&String::from_utf8_lossy(&bytes)) {
            tokenizer.encode(SAMPLE).unwrap();
        }
    }
    for (from, to) in [
        ("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}"),
        ("Isolated", "Removed"),
        ("\"type\": \"BPE\"", "\"type\": \"Unigram\""),
        ("\"fuse_unk\": false", "\"fuse_unk\": true"),
        ("\"a\": ", "\"a\": 9"),
    ] {
        assert!(json.contains(from));
        assert!(Tokenizer::from_json(&json.replace(from, to)).is_err(), "{from}");
    }
}

#[test]
fn text_that_cannot_be_learned_from_is_refused() {
    let long = "a".repeat(MAX_TEXT_BYTES + 1);
    let cases: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"ab\0cd", "byte 2"),
        (b"abc\xFF\xFE", "UTF-8"),
        (b"\xFF\xFEa\0b\0", "UTF-16"),
        (b"a\x01\x02\x03", "binary"),
        ("\u{FFFD}PNG\u{FFFD}".as_bytes(), "binary"),
        (long.as_bytes(), "16 MiB"),
    ];
    for (bytes, names) in cases {
        let message = prepare_text(bytes).unwrap_err().to_string();
        assert!(message.contains(names), "{message}");
    }
    assert_eq!(prepare_text("\u{FEFF}café\r\n".as_bytes()).unwrap(), "café\r\n");
    assert!(Tokenizer::train_bpe(" ", 256, &mut |_| {}).is_err());
    assert!(matches!(Tokenizer::train_bpe("abc", 127, &mut |_| {}), Err(Error::Config(_))));
    assert!(matches!(Tokenizer::train_bpe("abc", 1025, &mut |_| {}), Err(Error::Config(_))));
}

#[test]
fn huge_words_do_not_slow_training_or_encoding() {
    let word = "abcdefghij".repeat(200_000);
    let tokenizer = bpe(&word, 512);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&word).unwrap()), word);
}

#[test]
fn a_corpus_is_divided() {
    let tokenizer = bpe(SAMPLE, 128);
    let corpus = Corpus::new(&tokenizer, SAMPLE, 16).unwrap();
    let all = tokenizer.encode(SAMPLE).unwrap();
    assert_eq!(corpus.validation.len(), all.len() / 10);
    assert_eq!([corpus.train, corpus.validation].concat(), all);
    let message = Corpus::new(&tokenizer, "too short", 16).unwrap_err().to_string();
    assert!(message.contains("34"), "{message}");
    let short = Corpus::new(&tokenizer, &SAMPLE[..200], 16).unwrap();
    assert_eq!(short.validation.len(), 17, "a context and its target");
}

#[test]
fn bigram_by_hand() {
    // From 0 1 0 1 0: n(0,1) = n(1,0) = 2. Then −ln of (2+1)/(2+2) and of (0+1)/(2+2).
    let loss = bigram_loss(&[0, 1, 0, 1, 0], &[0, 1, 1], 2);
    assert!((loss - ((4.0f64 / 3.0).ln() + 4.0f64.ln()) / 2.0).abs() < 1e-12, "{loss}");
    assert!((bigram_loss(&[], &[0, 1], 8) - 8.0f64.ln()).abs() < 1e-12);
}

/// Files that transformers saved after it had opened ours (tests/golden/check_export.py --save).
#[test]
fn a_tokenizer_that_transformers_saved_again_is_the_same() {
    let words = include_str!("../../../tests/golden/saved-words.json");
    assert_eq!(
        Tokenizer::from_json(words).unwrap(),
        Tokenizer::words(&["<eos>", "tom", "sleeps", ".", "\"", "élan", "<user>", "'s"]).unwrap()
    );
    assert!(Tokenizer::from_json(&words.replace("\"single\": [", "\"single\": [{},")).is_err());
    let saved = Tokenizer::from_json(include_str!("../../../tests/golden/saved-bpe-128.json")).unwrap();
    assert_eq!(saved.vocab_size(), 128);
    assert_eq!(Tokenizer::from_json(&saved.to_json()).unwrap(), saved);
    assert_eq!(saved.decode(&saved.encode("the loss").unwrap()), "the loss");
}
