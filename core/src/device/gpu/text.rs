//! A kernel's text taken apart and written with other names, for [`fuse`](super::fuse).

use std::collections::HashMap;

/// What `main` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    /// `workgroup_id`.
    Group,
    /// `local_invocation_id`.
    Thread,
    /// `local_invocation_index`.
    Index,
}

/// A kernel's text, taken apart.
#[derive(Debug, Default)]
pub(super) struct Kernel<'a> {
    /// Name of each binding, and of what it is an array.
    pub(super) bindings: HashMap<usize, (&'a str, &'a str)>,
    /// Name, element and length of each array in workgroup memory.
    pub(super) shared: Vec<(&'a str, &'a str, &'a str)>,
    /// All else but `main`'s attributes, with `main` a plain function.
    pub(super) code: Vec<String>,
    /// The names declared outside of functions.
    pub(super) names: Vec<&'a str>,
    /// Threads of a workgroup, in x and y.
    pub(super) size: [u32; 2],
    /// What `main` is told, in order.
    pub(super) takes: Vec<Builtin>,
    /// Whether threads wait for each other.
    pub(super) waits: bool,
}

impl<'a> Kernel<'a> {
    /// Takes a text apart that is written as ours are: each declaration at the beginning of a line, and bindings and
    /// arrays within one.
    pub(super) fn read(source: &'a str) -> Option<Self> {
        let mut kernel = Self::default();
        let mut constants: HashMap<&str, &str> = HashMap::new();
        let mut size = "";
        let mut lines = source.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("@group(0) @binding(") {
                let (number, rest) = rest.split_once(") var<storage, ")?;
                let (_, rest) = rest.split_once("> ")?;
                let declared = rest.trim_end_matches(';').split_once(": ")?;
                kernel.bindings.insert(number.parse().ok()?, declared);
                continue;
            }
            if let Some(rest) = line.strip_prefix("var<workgroup> ") {
                let (name, ty) = rest.trim_end_matches(';').split_once(": array<")?;
                let (element, length) = ty.strip_suffix('>')?.split_once(", ")?;
                kernel.shared.push((name, element, length));
                continue;
            }
            if let Some(rest) = line.strip_prefix("@compute @workgroup_size(") {
                size = rest.trim_end_matches(')');
                continue;
            }
            if let Some(rest) = line.strip_prefix("fn main(") {
                let mut head = rest.to_string();
                while !head.ends_with('{') {
                    head.push_str(lines.next()?);
                }
                kernel.main(&head)?;
                continue;
            }
            kernel.waits |= line.contains("workgroupBarrier(");
            let declared =
                ["const ", "fn ", "struct ", "alias "].iter().find_map(|word| line.strip_prefix(word));
            if let Some(rest) = declared {
                let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
                kernel.names.push(name);
                if let Some((_, value)) = rest.split_once(" = ") {
                    constants.insert(name, value.trim_end_matches(';'));
                }
            }
            if !line.is_empty() {
                kernel.code.push(format!("{line}\n"));
            }
        }
        kernel.names.push("main");
        // What lies in a binding is compared with other kernels': not by a name of this one's.
        for (_, ty) in kernel.bindings.values_mut() {
            let element = ty.trim_start_matches("array<").trim_end_matches('>');
            *ty = constants.get(element).copied().unwrap_or(element);
        }
        let mut sides = size.split(", ").map(|side| number(side, &constants));
        kernel.size = [sides.next()??, sides.next().unwrap_or(Some(1))?];
        Some(kernel)
    }

    /// How many threads a workgroup has.
    pub(super) fn threads(&self) -> u32 {
        self.size[0] * self.size[1]
    }

    /// Takes `main`'s parameters and `{`, and makes it a plain function.
    fn main(&mut self, head: &str) -> Option<()> {
        let mut parameters = Vec::new();
        for part in head.split("@builtin(").skip(1) {
            let (builtin, rest) = part.split_once(") ")?;
            let (name, _) = rest.split_once(": ")?;
            let (builtin, ty) = match builtin {
                "workgroup_id" => (Builtin::Group, "vec3u"),
                "local_invocation_id" => (Builtin::Thread, "vec3u"),
                "local_invocation_index" => (Builtin::Index, "u32"),
                _ => return None,
            };
            self.takes.push(builtin);
            parameters.push(format!("{name}: {ty}"));
        }
        self.code.push(format!("fn main({}) {{\n", parameters.join(", ")));
        Some(())
    }
}

/// The value of a number, or of a constant that is one.
fn number(word: &str, constants: &HashMap<&str, &str>) -> Option<u32> {
    match constants.get(word) {
        Some(value) => number(value, constants),
        None => word.trim_end_matches('u').parse().ok(),
    }
}

/// A line with other names. What follows a dot is a component's name, and what begins with a digit a number.
pub(super) fn renamed(line: &str, names: &HashMap<&str, String>) -> String {
    let mut out = String::with_capacity(2 * line.len());
    let mut rest = line;
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(start) = rest.find(part_of_word) {
        let (between, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !part_of_word(c)).unwrap_or(word.len()));
        out.push_str(between);
        out.push_str(if out.ends_with('.') { word } else { names.get(word).map_or(word, String::as_str) });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_and_numbers_keep_their_names() {
        let names = HashMap::from([("x", "part0_x".to_string()), ("u", "part0_u".to_string())]);
        assert_eq!(renamed("x.x + 2u * u - xy", &names), "part0_x.x + 2u * part0_u - xy");
    }
}
