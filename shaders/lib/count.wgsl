// Counts the elements that a kernel moves, in place of plain.wgsl. A thread adds up its own and settles once,
// into reads and writes of 64 bits each: a low and a high word, with a carry (core/src/ops/form.rs).
@group(0) @binding(TRAFFIC) var<storage, read_write> traffic: array<atomic<u32>>;

var<private> loaded: u32;
var<private> stored: u32;

fn reads(n: u32) {
    loaded += n;
}

fn writes(n: u32) {
    stored += n;
}

fn add_64(at: u32, n: u32) {
    let before = atomicAdd(&traffic[at], n);
    if n > 0xffffffffu - before {
        atomicAdd(&traffic[at + 1u], 1u);
    }
}

fn settle() {
    add_64(0u, loaded);
    add_64(2u, stored);
}
