// Workgroups beyond 65,535 are wrapped into y (`groups()` of core/src/ops/mod.rs).
fn flat_group(group: vec3u) -> u32 {
    return group.y * 65535u + group.x;
}
