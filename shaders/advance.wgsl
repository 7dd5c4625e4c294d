// Copies the next step's scalars from the table (core/src/ops/advance.rs).
const WORDS: u32 = 16u;

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> cursor: array<u32>;

@compute @workgroup_size(1)
fn main() {
    let at = cursor[0] % ENTRIES * WORDS;
    for (var i = 0u; i < WORDS; i++) {
        state[i] = table[at + i];
    }
    cursor[0] += 1u;
}
