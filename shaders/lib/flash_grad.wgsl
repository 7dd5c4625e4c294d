fn four_of_dout(at: u32, i: u32) -> vec4f {
    let j = at + 4u * i;
    if D % 4u == 0u {
        reads(4u);
        return vec4f(dout[j], dout[j + 1u], dout[j + 2u], dout[j + 3u]);
    }
    var v = vec4f(dout[j], 0.0, 0.0, 0.0);
    if 4u * i + 1u < D { v.y = dout[j + 1u]; }
    if 4u * i + 2u < D { v.z = dout[j + 2u]; }
    if 4u * i + 3u < D { v.w = dout[j + 3u]; }
    reads(min(4u, D - 4u * i));
    return v;
}

// Log-sum-exp and delta of a query row.
fn stats_of(line: u32) -> vec2f {
    reads(2u);
    return vec2f(lse[line], delta[line]);
}

fn row_of_dout(at: u32) -> Row {
    var row: Row;
    row.r0 = four_of_dout(at, 0u);
    if D4 > 1u { row.r1 = four_of_dout(at, 1u); }
    if D4 > 2u { row.r2 = four_of_dout(at, 2u); }
    if D4 > 3u { row.r3 = four_of_dout(at, 3u); }
    if D4 > 4u { row.r4 = four_of_dout(at, 4u); }
    if D4 > 5u { row.r5 = four_of_dout(at, 5u); }
    if D4 > 6u { row.r6 = four_of_dout(at, 6u); }
    if D4 > 7u { row.r7 = four_of_dout(at, 7u); }
    if D4 > 8u { row.r8 = four_of_dout(at, 8u); }
    if D4 > 9u { row.r9 = four_of_dout(at, 9u); }
    if D4 > 10u { row.r10 = four_of_dout(at, 10u); }
    if D4 > 11u { row.r11 = four_of_dout(at, 11u); }
    if D4 > 12u { row.r12 = four_of_dout(at, 12u); }
    if D4 > 13u { row.r13 = four_of_dout(at, 13u); }
    if D4 > 14u { row.r14 = four_of_dout(at, 14u); }
    if D4 > 15u { row.r15 = four_of_dout(at, 15u); }
    for (var i = 16u; i < D4; i++) { row.rest[i - 16u] = four_of_dout(at, i); }
    return row;
}

fn put(at: u32, value: f32) {
    dqkv[at] = value;
}
