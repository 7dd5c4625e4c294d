//! Every kernel, with the constants of every conformance case, as the GPU device composes it: it parses,
//! it validates, and what it declares is what the op says it reads and writes, within WebGPU's default
//! limits.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::gpu::fuse::{Member, fuse};
use gradus_core::device::gpu::shaders::{KERNELS, SWAPS, source, textures};
use gradus_core::graph::{DType, Location, PlanStep, Spec};
use gradus_core::ops::{Constant, Dispatch, Family};
use gradus_tests::cases::{self, Case};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ImageClass, ImageDimension, Module, ScalarKind, StorageAccess, TypeInner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One launch of one case.
struct Launch {
    what: String,
    /// The kernels in it.
    kernels: Vec<Dispatch>,
    workgroups: [u32; 3],
    source: String,
    /// Reads, then writes: what each binding holds, and whether it is written.
    bindings: Vec<(Spec, bool)>,
}

fn launches() -> Vec<Launch> {
    let mut launches = Vec::new();
    let cases = cases::all();
    for (case, family) in cases.iter().flat_map(|case| Family::ALL.map(|family| (case, family))) {
        for steps in case.plan().steps.chunk_by(|_, next| next.together) {
            let kernels: Vec<(Dispatch, String)> =
                steps.iter().map(|step| kernel(case, family, step)).collect();
            for ((dispatch, source), step) in kernels.iter().zip(steps) {
                launches.push(Launch {
                    what: format!("{} ({})", dispatch.shader, case.name),
                    kernels: vec![dispatch.clone()],
                    workgroups: dispatch.workgroups,
                    source: source.clone(),
                    bindings: bindings(&step.reads, &step.writes),
                });
            }
            launches.extend(fused(case, steps, &kernels));
        }
    }
    launches
}

fn kernel(case: &Case, family: Family, step: &PlanStep) -> (Dispatch, String) {
    let specs = |list: &[(Location, Spec)]| list.iter().map(|x| x.1.clone()).collect::<Vec<_>>();
    let dispatch = step.step.op.dispatch_dyn(family, &specs(&step.reads), &specs(&step.writes));
    let source = source(&dispatch).unwrap_or_else(|e| panic!("{} ({}): {e}", dispatch.shader, case.name));
    (dispatch, source)
}

fn bindings(reads: &[(Location, Spec)], writes: &[(Location, Spec)]) -> Vec<(Spec, bool)> {
    let sides = reads.iter().map(|r| (r, false)).chain(writes.iter().map(|w| (w, true)));
    sides.map(|((_, spec), written)| (spec.clone(), written)).collect()
}

/// The steps as one launch, as the device makes it, if there are several and none reads textures.
fn fused(case: &Case, steps: &[PlanStep], kernels: &[(Dispatch, String)]) -> Option<Launch> {
    if steps.len() < 2 || kernels.iter().any(|(_, source)| textures(source) > 0) {
        return None;
    }
    let names: Vec<&str> = kernels.iter().map(|(dispatch, _)| dispatch.shader).collect();
    let what = format!("{} ({})", names.join(" and "), case.name);
    let members =
        kernels.iter().zip(steps).map(|((dispatch, source), step)| Member::new(source, dispatch, step));
    let fused = fuse(&members.collect::<Vec<_>>());
    let fused = fused.unwrap_or_else(|| panic!("{what} do not go into one launch"));
    Some(Launch {
        what,
        kernels: kernels.iter().map(|(dispatch, _)| dispatch.clone()).collect(),
        workgroups: fused.workgroups,
        bindings: bindings(&fused.reads, &fused.writes),
        source: fused.source,
    })
}

fn parse(what: &str, source: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(source)));
    (module, info)
}

#[test]
fn bindings_are_what_the_op_reads_and_writes() {
    let mut wrong = BTreeSet::new();
    for launch in launches() {
        let (module, info) = parse(&launch.what, &launch.source);
        wrong.extend(binding_faults(&launch, &module, &info));
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

fn binding_faults(launch: &Launch, module: &Module, info: &ModuleInfo) -> Vec<String> {
    let mut faults = Vec::new();
    let mut found = BTreeMap::new();
    for (handle, variable) in module.global_variables.iter() {
        let access = match variable.space {
            AddressSpace::Storage { access } => access,
            AddressSpace::Handle => StorageAccess::LOAD,
            _ => continue,
        };
        match &variable.binding {
            Some(binding) if binding.group == 0 => {
                found.insert(binding.binding as usize, (handle, variable, access));
            }
            other => faults.push(format!("{}: a binding at {other:?}", launch.what)),
        }
    }
    // A pair may have more than WebGPU promises: the device then launches them one by one.
    let most = if launch.kernels.len() > 1 { 10 } else { 8 };
    if !found.keys().copied().eq(0..launch.bindings.len()) || found.len() > most {
        let declared = found.len();
        return vec![format!("{}: {declared} bindings for {}", launch.what, launch.bindings.len())];
    }
    let usage = info.get_entry_point(0);
    for (index, (spec, written)) in launch.bindings.iter().enumerate() {
        let (handle, variable, access) = found[&index];
        let expected =
            if *written { StorageAccess::LOAD | StorageAccess::STORE } else { StorageAccess::LOAD };
        let what = format!("{}: binding {index}", launch.what);
        if access != expected {
            faults.push(format!("{what} is {access:?}"));
        }
        let used = if *written { GlobalUse::WRITE } else { GlobalUse::READ };
        if !usage[handle].contains(used) {
            faults.push(format!("{what} is never {}", if *written { "written" } else { "read" }));
        }
        let (kind, width) = match element(module, variable.ty) {
            Some(element) => element,
            None => {
                faults.push(format!("{what} is no array of 32-bit numbers and no texture of four"));
                continue;
            }
        };
        let wanted = if spec.dtype == DType::U32 { ScalarKind::Uint } else { ScalarKind::Float };
        if kind != wanted {
            faults.push(format!("{what} holds {kind:?}, the op says {:?}", spec.dtype));
        }
        // A runtime array has as many elements as fit: a remainder would be out of reach.
        if !spec.len().is_multiple_of(width) {
            faults.push(format!("{what}: {} elements do not fill vectors of {width}", spec.len()));
        }
    }
    faults
}

/// Kind of number in a texture or in a runtime-sized array, and how many make an element.
fn element(module: &Module, ty: naga::Handle<naga::Type>) -> Option<(ScalarKind, usize)> {
    let base = match module.types[ty].inner {
        TypeInner::Array { base, size: naga::ArraySize::Dynamic, .. } => base,
        TypeInner::Image {
            dim: ImageDimension::D2,
            arrayed: false,
            class: ImageClass::Sampled { kind, multi: false },
        } => return Some((kind, 4)),
        _ => return None,
    };
    match module.types[base].inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) if scalar.width == 4 => Some((scalar.kind, 1)),
        TypeInner::Vector { size, scalar } if scalar.width == 4 => Some((scalar.kind, size as usize)),
        _ => None,
    }
}

#[test]
fn kernels_stay_within_the_default_limits() {
    for launch in launches() {
        let (module, _) = parse(&launch.what, &launch.source);
        let what = &launch.what;
        assert_eq!(module.entry_points.len(), 1, "{what}");
        let entry = &module.entry_points[0];
        assert!(entry.name == "main" && entry.stage == naga::ShaderStage::Compute, "{what}: {}", entry.name);
        let [x, y, z] = entry.workgroup_size;
        assert!(x <= 256 && y <= 256 && z <= 64 && x * y * z <= 256, "{what}: {:?}", entry.workgroup_size);
        let shared: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::WorkGroup)
            .map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()).next_multiple_of(16))
            .sum();
        assert!(shared <= 16_384, "{what}: {shared} bytes of workgroup memory");
        let groups = launch.workgroups;
        assert!(groups.iter().all(|&n| (1..=65_535).contains(&n)), "{what}: {groups:?} workgroups");
    }
}

/// WGSL's words, comments left out.
fn words(text: &str) -> BTreeSet<&str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn every_constant_is_used() {
    let mut unused = BTreeSet::new();
    for launch in launches() {
        let [dispatch] = &launch.kernels[..] else { continue };
        let names: Vec<&str> = dispatch.constants.iter().map(|(name, _)| *name).collect();
        // A kernel's text is what follows its constants, a line each.
        let text: Vec<&str> = launch.source.lines().skip(names.len()).collect();
        let text = text.join("\n");
        let words = words(&text);
        // Bounds of repetitions are gone from the text.
        let texts = || KERNELS.iter().filter(|(name, _)| *name == dispatch.shader);
        let heads = || texts().flat_map(|k| k.1.lines()).filter(|l| l.starts_with("#repeat "));
        let bounds = |n: &str| heads().any(|l| l.split(' ').any(|word| word == n));
        let names = names.into_iter();
        unused.extend(names.filter(|n| !words.contains(n) && !bounds(n)).map(|n| (dispatch.shader, n)));
    }
    assert!(unused.is_empty(), "constants that no kernel uses: {unused:?}");
}

/// Conformance runs each kernel that reads textures, products also with two fours a turn: a case that is too small would
/// take the buffers, or one.
#[test]
fn every_kernel_with_textures_is_launched() {
    let launches = launches();
    let launched = |also: fn(&Dispatch) -> bool| -> BTreeSet<&str> {
        let textured = launches.iter().filter(|l| textures(&l.source) > 0).flat_map(|l| &l.kernels);
        textured.filter(|kernel| also(kernel)).map(|kernel| kernel.shader).collect()
    };
    let plain = SWAPS.iter().find(|(constant, _)| *constant == "TEXELS").expect("kernels with textures").1;
    let textured = || KERNELS.iter().filter(|(_, text)| plain.iter().any(|(left, _)| text.contains(left)));
    let known = |of: fn(&str) -> bool| -> BTreeSet<&str> {
        textured().map(|(name, _)| *name).filter(|name| of(name)).collect()
    };
    assert_eq!(launched(|_| true), known(|_| true));
    let two = |kernel: &Dispatch| kernel.constants.contains(&("FOURS", Constant::U(2)));
    assert_eq!(launched(two), known(|name| name.starts_with("linear")));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "wgsl")).collect()
}

#[test]
fn every_file_in_shaders_is_reached_from_an_op() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let reached: BTreeSet<String> =
        launches().iter().flat_map(|l| &l.kernels).map(|k| k.shader.to_string()).collect();
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let there: BTreeSet<String> = files(&folder).iter().map(stem).collect();
    let embedded: BTreeSet<String> = KERNELS.iter().map(|(name, _)| (*name).to_string()).collect();
    assert!(there.len() > 20, "{there:?}");
    assert_eq!(there, reached, "files and kernels that some case launches");
    assert_eq!(there, embedded, "files and kernels that the device knows");
    for path in files(&folder.join("lib")) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(
            KERNELS.iter().any(|kernel| kernel.1.contains(&text))
                || SWAPS.iter().flat_map(|swap| swap.1).any(|(_, other)| *other == text),
            "no kernel includes {}",
            path.display()
        );
    }
}
