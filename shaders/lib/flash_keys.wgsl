// Brings the tile of K and V that begins at row `start` into workgroup memory.
fn bring_keys(b: u32, h: u32, start: u32, thread: u32) {
    workgroupBarrier();
    for (var i = thread; i < TILE * D4; i += ROWS) {
        let at = query(b, min(start + i / D4, T - 1u), h);
        tile_a[i] = four_of_qkv(at + C, i % D4);
        tile_b[i] = four_of_qkv(at + 2u * C, i % D4);
    }
    workgroupBarrier();
}

// How many keys of that tile a query row may see: those up to itself.
fn seen_keys(row: u32, start: u32) -> u32 {
    return min(TILE, max(row + 1u, start) - start);
}
