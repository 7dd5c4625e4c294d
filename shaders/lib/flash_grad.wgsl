fn four_of_dout(at: u32, i: u32) -> vec4f {
    let j = at + 4u * i;
    let last = at + D - 1u;
    return masked(i, vec4f(dout[j], dout[min(j + 1u, last)], dout[min(j + 2u, last)], dout[min(j + 3u, last)]));
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
