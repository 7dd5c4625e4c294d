//! Every op on the processor: f32 against f64, and f64 against plain loops written from the formulas.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_tests::cases;
use gradus_tests::compare::Tolerance;
use gradus_tests::conformance::{check_all, differences, run_f64};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn f32_agrees_with_f64() {
    let mut device = Cpu::<f32>::new();
    let count = pollster::block_on(check_all(&mut device, Tolerance::F32)).unwrap_or_else(|e| panic!("{e}"));
    assert!(count > 200, "only {count} cases");
    assert_eq!(device.bytes(), 0, "each case gives back what it took");
}

#[test]
fn f64_agrees_with_plain_loops() {
    let mut wrong = Vec::new();
    for case in cases::all() {
        if let Some(want) = case.expected() {
            let got = run_f64(&case).unwrap_or_else(|e| panic!("{e}"));
            wrong.extend(differences(&case.name, &got, &want, Tolerance::F64));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_op_has_a_case() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/ops");
    let mut ops = BTreeSet::new();
    for entry in std::fs::read_dir(&sources).unwrap_or_else(|e| panic!("{}: {e}", sources.display())) {
        let text = std::fs::read_to_string(entry.expect("a directory entry").path()).expect("an op's source");
        let names = text.lines().filter_map(|line| line.strip_prefix("impl Op for "));
        ops.extend(names.map(|name| name.trim_end_matches(" {").to_string()));
    }
    assert!(ops.len() > 20, "found only {ops:?}");
    // An op's Debug form begins with its type's name.
    let name = |op: String| op.split([' ', '{', '(']).next().unwrap_or_default().to_string();
    let covered: BTreeSet<String> = cases::all()
        .iter()
        .filter(|case| case.expected().is_some())
        .flat_map(|case| case.tape.steps().iter().map(|s| name(format!("{:?}", s.op))).collect::<Vec<_>>())
        .collect();
    let missing: Vec<_> = ops.difference(&covered).collect();
    assert!(missing.is_empty(), "no conformance case for {missing:?}: add one to tests/src/cases");
}

#[test]
fn every_buffer_of_a_case_is_given() {
    for case in cases::all() {
        let plan = case.plan();
        let (given, used): (Vec<_>, Vec<_>) = (case.inputs.keys().collect(), plan.buffers.keys().collect());
        assert_eq!(given, used, "{}", case.name);
    }
}

#[test]
fn no_case_is_run_twice() {
    let mut seen = BTreeSet::new();
    let twice: Vec<_> =
        cases::all().into_iter().map(|c| c.name).filter(|n| !seen.insert(n.clone())).collect();
    assert!(twice.is_empty(), "cases of the same name: {twice:?}");
}

/// The list of linear maps is what the op accepts; these a GPT-2 cannot do without.
#[test]
fn the_linear_maps_of_a_gpt_have_cases() {
    let names: Vec<String> = cases::all().into_iter().map(|case| case.name).collect();
    for kind in ["", " transposed", " bias", " bias gelu", " bias residual"] {
        assert!(names.contains(&format!("linear{kind} M=5 K=20 N=24")), "{kind}");
    }
}
