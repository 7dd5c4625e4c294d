// What a kernel says of its loads and stores, and nobody hears: count.wgsl listens.
fn reads(n: u32) {}

fn writes(n: u32) {}

fn settle() {}
