// Brings the tile of K and V that begins at row `start` into workgroup memory, as far as there are rows.
fn bring_keys(b: u32, h: u32, start: u32, thread: u32) {
    workgroupBarrier();
    let there = min(TILE, T - start) * D4;
    for (var i = thread; i < there; i += ROWS) {
        let at = query(b, start + i / D4, h);
        tile_a[i] = four_of_qkv(at + C, i % D4);
        tile_b[i] = four_of_qkv(at + 2u * C, i % D4);
    }
    workgroupBarrier();
}

// Where the keys end that this workgroup's queries see: tiles above the diagonal are skipped.
fn last_key(group: u32) -> u32 {
    if CAUSAL {
        return min(T, group * ROWS + ROWS);
    }
    return T;
}

// How many keys of that tile a query row sees.
fn seen_keys(row: u32, start: u32) -> u32 {
    let there = min(TILE, T - start);
    if CAUSAL {
        return min(there, max(row + 1u, start) - start);
    }
    return there;
}
