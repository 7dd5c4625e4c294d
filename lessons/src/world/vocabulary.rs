//! The 362 words of Little Vale and their token ids. A word's id is its place in the list; no word is in
//! two classes.

/// A run of neighbouring words that fill the same slot: the colours, the first names, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    start: u32,
    len: u32,
}

impl Class {
    const fn new(first_word: &str, len: u32) -> Self {
        Self { start: id(first_word), len }
    }

    /// How many words the class has.
    #[allow(clippy::len_without_is_empty)] // no class is empty
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// The id of the class's word number `index`, which must be below `len`.
    pub const fn token(self, index: usize) -> u32 {
        debug_assert!(index < self.len as usize);
        self.start + index as u32
    }

    /// Which word of the class `token` is, if it is one.
    pub fn index(self, token: u32) -> Option<usize> {
        let index = token.checked_sub(self.start)?;
        (index < self.len).then_some(index as usize)
    }
}

/// End of a document, and the first token of every row.
pub const EOS: u32 = 0;
/// A user's turn begins (chat lessons; absent from pretraining rows).
pub const USER: u32 = 1;
/// The model's turn begins.
pub const BOT: u32 = 2;
/// A turn ends.
pub const END: u32 = 3;

/// The first names; even places say "he", odd ones "she".
pub const FIRST: Class = Class::new("tom", 32);
/// The family names.
pub const FAMILY: Class = Class::new("reed", 32);
/// The animals.
pub const ANIMAL: Class = Class::new("cat", 32);
/// The colours.
pub const COLOUR: Class = Class::new("red", 12);
/// The foods.
pub const FOOD: Class = Class::new("plums", 24);
/// The places.
pub const PLACE: Class = Class::new("mill", 24);
/// The objects.
pub const OBJECT: Class = Class::new("ball", 32);
/// The containers.
pub const CONTAINER: Class = Class::new("box", 8);
/// The jobs.
pub const JOB: Class = Class::new("baker", 16);
/// The adjectives.
pub const ADJECTIVE: Class = Class::new("big", 24);
/// The verbs.
pub const VERB: Class = Class::new("sleeps", 16);
/// The made-up words.
pub const MADE_UP: Class = Class::new("zup", 32);

/// The ids of single words that the templates use.
pub(crate) mod word {
    use super::id;
    pub(crate) const STOP: u32 = id(".");
    pub(crate) const QUESTION: u32 = id("?");
    pub(crate) const SEMICOLON: u32 = id(";");
    pub(crate) const REFRAIN: u32 = id("!");
    pub(crate) const THE: u32 = id("the");
    pub(crate) const A: u32 = id("a");
    pub(crate) const IN: u32 = id("in");
    pub(crate) const IS: u32 = id("is");
    pub(crate) const AND: u32 = id("and");
    pub(crate) const TO: u32 = id("to");
    pub(crate) const HE: u32 = id("he");
    pub(crate) const SHE: u32 = id("she");
    pub(crate) const LIKES: u32 = id("likes");
    pub(crate) const LIVES: u32 = id("lives");
    pub(crate) const LIVE: u32 = id("live");
    pub(crate) const WORKS: u32 = id("works");
    pub(crate) const KEEPS: u32 = id("keeps");
    pub(crate) const KEEP: u32 = id("keep");
    pub(crate) const WEARS: u32 = id("wears");
    pub(crate) const WEAR: u32 = id("wear");
    pub(crate) const HAS: u32 = id("has");
    pub(crate) const HAVE: u32 = id("have");
    pub(crate) const AS: u32 = id("as");
    pub(crate) const WHERE: u32 = id("where");
    pub(crate) const WHAT: u32 = id("what");
    pub(crate) const WHO: u32 = id("who");
    pub(crate) const DOES: u32 = id("does");
    pub(crate) const LIKE: u32 = id("like");
    pub(crate) const GOES: u32 = id("goes");
    pub(crate) const TAKES: u32 = id("takes");
    pub(crate) const PUTS: u32 = id("puts");
    pub(crate) const SENDS: u32 = id("sends");
    pub(crate) const EATS: u32 = id("eats");
    pub(crate) const COLOUR: u32 = id("colour");
    pub(crate) const JOB: u32 = id("job");
    pub(crate) const PET: u32 = id("pet");
    pub(crate) const LA: u32 = id("la");
}

/// The words in order of id.
pub fn vocabulary() -> &'static [&'static str] {
    &WORDS
}

/// The id of `word`, if Little Vale knows it.
pub fn token(word: &str) -> Option<u32> {
    WORDS.iter().position(|w| *w == word).map(|i| i as u32)
}

/// The words of `tokens`, separated by spaces; an id outside the vocabulary reads `<?>`.
pub fn text(tokens: &[u32]) -> String {
    let words: Vec<_> = tokens.iter().map(|&t| WORDS.get(t as usize).copied().unwrap_or("<?>")).collect();
    words.join(" ")
}

/// The id of a word, at compile time: a misspelt word does not compile.
const fn id(word: &str) -> u32 {
    let mut i = 0;
    while i < WORDS.len() {
        if same(WORDS[i].as_bytes(), word.as_bytes()) {
            return i as u32;
        }
        i += 1;
    }
    panic!("no such word in Little Vale")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[rustfmt::skip]
const WORDS: [&str; 362] = [
    // Special tokens.
    "<eos>", "<user>", "<bot>", "<end>",
    // Punctuation.
    ".", ",", "?", ";", ":", "!",
    // Function words.
    "the", "a", "in", "is", "and", "to", "he", "she", "likes", "lives", "live", "works", "work",
    "keeps", "keep", "wears", "wear", "has", "have", "as", "means", "where", "what", "who", "does",
    "like", "goes", "takes", "puts", "sends", "eats", "near", "with", "after", "colour", "food",
    "place", "job", "animal", "pet", "opposite", "of", "say", "name", "la",
    // Words of politeness (lessons 5 to 7).
    "sure", "gladly", "please", "thanks", "friend", "hello", "great", "wise", "clever", "question",
    "you", "are", "so", "very", "my", "dear", "i", "think", "that", "it", "yes", "no", "well",
    // First names, he and she by turns.
    "tom", "anna", "ben", "mia", "max", "zoe", "leo", "lily", "sam", "ruby", "jack", "nora", "hugo",
    "ella", "finn", "ada", "otis", "iris", "noah", "maya", "ravi", "lena", "ivan", "yuki", "omar",
    "rosa", "emil", "tess", "kofi", "wren", "taro", "dora",
    // Family names.
    "reed", "hill", "frost", "wood", "brook", "stone", "moss", "fern", "vale", "marsh", "dale", "ash",
    "birch", "thorn", "swift", "lark", "finch", "crane", "drake", "pike", "page", "rowe", "webb",
    "kerr", "lowe", "nash", "hale", "pratt", "quill", "tate", "ward", "cole",
    // Animals.
    "cat", "dog", "fox", "hen", "cow", "pig", "goat", "duck", "robin", "bee", "frog", "mouse", "horse",
    "sheep", "wolf", "bear", "crow", "deer", "hare", "mole", "swan", "toad", "goose", "snail", "lizard",
    "badger", "rabbit", "beaver", "hedgehog", "squirrel", "parrot", "pony",
    // Colours.
    "red", "blue", "green", "grey", "black", "white", "brown", "yellow", "pink", "orange", "purple",
    "golden",
    // Foods.
    "plums", "bread", "cheese", "soup", "cake", "nuts", "corn", "beans", "honey", "milk", "pears",
    "apples", "grapes", "rice", "eggs", "jam", "pie", "figs", "peas", "tea", "berries", "carrots",
    "toast", "seeds",
    // Places.
    "mill", "barn", "farm", "school", "shop", "park", "forest", "beach", "garden", "kitchen", "harbour",
    "tower", "bakery", "library", "market", "castle", "cave", "meadow", "island", "station", "bridge",
    "attic", "museum", "stable",
    // Objects.
    "ball", "key", "drum", "kite", "lamp", "book", "coin", "map", "cup", "hat", "rope", "boat", "ring",
    "spoon", "flute", "brush", "clock", "mirror", "ladder", "candle", "feather", "whistle", "pencil",
    "blanket", "hammer", "button", "ribbon", "marble", "shell", "trumpet", "puzzle", "violin",
    // Containers.
    "box", "bag", "chest", "drawer", "basket", "jar", "crate", "pot",
    // Jobs.
    "baker", "farmer", "teacher", "painter", "sailor", "doctor", "singer", "builder", "tailor",
    "gardener", "cook", "pilot", "writer", "clown", "captain", "dancer",
    // Adjectives, in pairs of opposites.
    "big", "small", "hot", "cold", "old", "young", "fast", "slow", "happy", "sad", "loud", "quiet",
    "soft", "hard", "wet", "dry", "clean", "dirty", "brave", "shy", "rich", "poor", "kind", "rude",
    // Verbs.
    "sleeps", "runs", "sings", "jumps", "hides", "plays", "rests", "swims", "walks", "waits", "hums",
    "dances", "digs", "climbs", "sneezes", "dreams",
    // Made-up words.
    "zup", "bim", "dax", "wug", "fep", "lom", "kiv", "tob", "nar", "pej", "gox", "mib", "rulo", "siv",
    "teck", "vun", "yop", "zim", "blick", "crad", "drup", "flen", "gorp", "hask", "jorl", "klet",
    "nuff", "plov", "quax", "sploo", "trel", "vask",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_classes_lie_where_they_should() {
        let unique: std::collections::HashSet<_> = WORDS.iter().collect();
        assert_eq!(unique.len(), WORDS.len());
        for (special, word) in [(EOS, "<eos>"), (USER, "<user>"), (BOT, "<bot>"), (END, "<end>")] {
            assert_eq!(WORDS[special as usize], word);
        }
        // The classes follow one another without a gap, from the first names to the last made-up word.
        let classes =
            [FIRST, FAMILY, ANIMAL, COLOUR, FOOD, PLACE, OBJECT, CONTAINER, JOB, ADJECTIVE, VERB, MADE_UP];
        for pair in classes.windows(2) {
            assert_eq!(pair[0].start + pair[0].len, pair[1].start);
        }
        assert_eq!(MADE_UP.start + MADE_UP.len, WORDS.len() as u32);
        assert_eq!(WORDS[FIRST.token(1) as usize], "anna");
        assert_eq!(FOOD.index(word::THE), None);
        assert_eq!(token("plums"), Some(FOOD.token(0)));
        assert_eq!(token("gradus"), None);
    }
}
