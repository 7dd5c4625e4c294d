//! Several kernels as one launch: horizontal fusion (Li et al. 2020, arXiv 2007.01277). The gradients of a layer in its
//! input and in its weights need nothing of each other, and small models leave a card idle while one of them runs; as
//! one launch they fill it together, and one wait between launches falls away.
//!
//! The fused text is that of all members, their names made different, and a `main` that sends each workgroup to one of
//! them. Members share a binding where they read or write the same; and since a workgroup runs only one of them, they
//! share workgroup memory too.

use super::text::{Builtin, Kernel, renamed};
use crate::graph::{Location, PlanStep, Spec};
use crate::ops::Dispatch;
use std::collections::HashMap;
use std::fmt::Write;

/// Threads beyond which a launch fills a card by itself: as many as a small one holds at a time. Then the members had
/// better have their registers and workgroup memory for themselves.
const MOST_THREADS: u64 = 1 << 16;

/// A value and where it is.
type Place = (Location, Spec);

/// A launch to be put together with others.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The kernel's whole text.
    pub source: &'a str,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// What its first bindings read.
    pub reads: &'a [Place],
    /// What its further bindings write.
    pub writes: &'a [Place],
}

impl<'a> Member<'a> {
    /// The launch of a step, with its kernel's text.
    pub fn new(source: &'a str, dispatch: &Dispatch, step: &'a PlanStep) -> Self {
        Self { source, workgroups: dispatch.workgroups, reads: &step.reads, writes: &step.writes }
    }
}

/// A kernel and what it is bound to: several put together, or one as it is.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The kernel's whole text.
    pub source: String,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// What its first bindings read.
    pub reads: Vec<Place>,
    /// What its further bindings write.
    pub writes: Vec<Place>,
}

/// A member at work.
struct Part<'a> {
    member: Member<'a>,
    kernel: Kernel<'a>,
    /// Its names in the fused text.
    names: HashMap<&'a str, String>,
    /// Its workgroups, all of them.
    groups: u64,
}

/// Puts launches together that may run at the same time. None where that cannot be, workgroups being of different sizes
/// and their threads waiting for each other, or a text not being written as ours are; or where it does not pay.
pub fn fuse(members: &[Member<'_>]) -> Option<Fused> {
    let mut parts = Vec::with_capacity(members.len());
    for (i, &member) in members.iter().enumerate() {
        let kernel = Kernel::read(member.source)?;
        let names = kernel.names.iter().map(|&name| (name, format!("part{i}_{name}"))).collect();
        let groups = member.workgroups.iter().map(|&n| u64::from(n)).product();
        parts.push(Part { member, kernel, names, groups });
    }
    let threads = parts.iter().map(|p| p.kernel.threads()).max()?;
    let groups: u64 = parts.iter().map(|p| p.groups).sum();
    let fits = |p: &Part<'_>| !p.kernel.waits || p.kernel.threads() == threads;
    if !parts.iter().all(fits) || groups * u64::from(threads) > MOST_THREADS {
        return None;
    }
    let mut source = String::new();
    let [reads, writes] = bind(&mut parts, &mut source)?;
    share(&mut parts, &mut source);
    for part in &parts {
        part.kernel.code.iter().for_each(|line| source.push_str(&renamed(line, &part.names)));
    }
    source.push_str(&main(&parts, threads));
    Some(Fused { source, workgroups: [groups as u32, 1, 1], reads, writes })
}

/// The entry: the first workgroups are the first member's, and so on.
fn main(parts: &[Part<'_>], threads: u32) -> String {
    let mut main = format!("@compute @workgroup_size({threads})\n");
    main.push_str(
        "fn main(@builtin(workgroup_id) all: vec3u, @builtin(local_invocation_index) thread: u32) {\n",
    );
    let mut first = 0;
    for (i, part) in parts.iter().enumerate() {
        let ([x, y, _], [across, _]) = (part.member.workgroups, part.kernel.size);
        let end = first + part.groups;
        let _ = writeln!(main, "    if all.x >= {first}u && all.x < {end}u {{");
        let _ = writeln!(main, "        let group = all.x - {first}u;");
        let arguments = part.kernel.takes.iter().map(|builtin| match builtin {
            Builtin::Group => format!("vec3u(group % {x}u, group / {x}u % {y}u, group / {}u)", x * y),
            Builtin::Thread => format!("vec3u(thread % {across}u, thread / {across}u, 0u)"),
            Builtin::Index => "thread".to_string(),
        });
        let call = format!("part{i}_main({});", arguments.collect::<Vec<_>>().join(", "));
        let own = part.kernel.threads();
        let _ = match own < threads {
            true => writeln!(main, "        if thread < {own}u {{ {call} }}"),
            false => writeln!(main, "        {call}"),
        };
        main.push_str("    }\n");
        first = end;
    }
    main.push_str("}\n");
    main
}

/// Declares the bindings, one for all that are of the same place and type. None if a place is written as two types, which
/// would bind it twice.
fn bind(parts: &mut [Part<'_>], source: &mut String) -> Option<[Vec<Place>; 2]> {
    let mut binding = 0;
    let mut side = |access: &str, written: bool| {
        let mut bound: Vec<(&Place, &str)> = Vec::new();
        for part in parts.iter_mut() {
            let Member { reads, writes, .. } = part.member;
            let (places, first) = if written { (writes, reads.len()) } else { (reads, 0) };
            for (i, place) in places.iter().enumerate() {
                let (name, ty) = part.kernel.bindings.get(&(first + i)).copied()?;
                let known = bound.iter().position(|&known| known == (place, ty));
                let at = known.unwrap_or(bound.len());
                if known.is_none() {
                    bound.push((place, ty));
                }
                part.names.insert(name, format!("{access}_{at}"));
            }
        }
        for (at, (_, ty)) in bound.iter().enumerate() {
            let _ = writeln!(
                source,
                "@group(0) @binding({binding}) var<storage, {access}> {access}_{at}: array<{ty}>;"
            );
            binding += 1;
        }
        Some(bound.into_iter().map(|(place, _)| place.clone()).collect::<Vec<_>>())
    };
    let (reads, writes) = (side("read", false)?, side("read_write", true)?);
    let twice = (0..writes.len()).any(|i| writes[..i].iter().any(|other| other.0 == writes[i].0));
    (!twice).then_some([reads, writes])
}

/// Declares workgroup memory: each member's first array lies where the others' first does, and so on.
fn share(parts: &mut [Part<'_>], source: &mut String) {
    let mut arrays: Vec<(&str, String)> = Vec::new();
    for part in parts {
        let mut taken = Vec::new();
        for &(name, element, length) in &part.kernel.shared {
            let length = renamed(length, &part.names);
            let free = (0..arrays.len()).find(|at| !taken.contains(at) && arrays[*at].0 == element);
            let at = free.unwrap_or(arrays.len());
            match arrays.get_mut(at) {
                Some((_, most)) => *most = format!("max({most}, {length})"),
                None => arrays.push((element, length)),
            }
            taken.push(at);
            part.names.insert(name, format!("shared_{at}"));
        }
    }
    for (at, (element, length)) in arrays.iter().enumerate() {
        let _ = writeln!(source, "var<workgroup> shared_{at}: array<{element}, {length}>;");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "const N: u32 = 8u;\n\
        @group(0) @binding(0) var<storage, read> x: array<f32>;\n\
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;\n\
        var<workgroup> part: array<f32, N>;\n\
        // x and y\n\
        @compute @workgroup_size(N, 4)\n\
        fn main(\n\
        \x20   @builtin(local_invocation_index) thread: u32,\n\
        \x20   @builtin(workgroup_id) group: vec3u,\n\
        ) {\n\
        \x20   part[thread] = x[group.x];\n\
        \x20   workgroupBarrier();\n\
        \x20   y[0] += part[0];\n\
        }\n";
    const COPY: &str = "@group(0) @binding(0) var<storage, read> a: array<f32>;\n\
        @group(0) @binding(1) var<storage, read_write> b: array<f32>;\n\
        var<workgroup> x: array<f32, 4>;\n\
        @compute @workgroup_size(16)\n\
        fn main(@builtin(workgroup_id) group: vec3u) {\n\
        \x20   b[group.x] = a[group.y];\n\
        }\n";

    fn place(name: &str) -> Vec<Place> {
        vec![(Location::Buffer { name: name.into(), offset: 0 }, Spec::float([64]))]
    }

    #[test]
    fn names_are_told_apart_and_what_is_the_same_is_shared() {
        let [read, y, b] = ["read", "y", "b"].map(place);
        let members = [
            Member { source: SUM, workgroups: [3, 1, 1], reads: &read, writes: &y },
            Member { source: COPY, workgroups: [2, 5, 1], reads: &read, writes: &b },
        ];
        let fused = fuse(&members).expect("they go together");
        assert_eq!((fused.workgroups, fused.reads.len(), fused.writes.len()), ([13, 1, 1], 1, 2));
        for line in [
            "@group(0) @binding(0) var<storage, read> read_0: array<f32>;",
            "@group(0) @binding(2) var<storage, read_write> read_write_1: array<f32>;",
            "var<workgroup> shared_0: array<f32, max(part0_N, 4)>;",
            "const part0_N: u32 = 8u;",
            "    shared_0[thread] = read_0[group.x];",
            "    read_write_1[group.x] = read_0[group.y];",
            "@compute @workgroup_size(32)",
        ] {
            assert!(fused.source.contains(line), "no {line} in\n{}", fused.source);
        }
        assert!(fused.source.contains("if thread < 16u { part1_main("), "{}", fused.source);
    }

    #[test]
    fn threads_that_wait_want_a_workgroup_of_their_size() {
        let [read, y, b] = ["read", "y", "b"].map(place);
        let waits = SUM.replace("(N, 4)", "(N)");
        let members = [
            Member { source: &waits, workgroups: [3, 1, 1], reads: &read, writes: &y },
            Member { source: COPY, workgroups: [2, 1, 1], reads: &read, writes: &b },
        ];
        assert!(fuse(&members).is_none());
        let many = Member { workgroups: [1 << 12, 1, 1], ..members[1] };
        assert!(fuse(&[many, many]).is_none());
    }
}
