//! The habits of the source, as tests: sizes, words, absences, and that ARCHITECTURE.md knows every file.

use std::fs;
use std::path::{Path, PathBuf};

use super::architecture;

const FILE_MAX: usize = 400;
const FUNCTION_MAX: usize = 70;

/// What the core does not know. Names of its own don't hold these.
const ABSENT: &[&str] = &[
    "std::",
    "HashMap",
    "HashSet",
    "SystemTime",
    "Instant::now",
    "println!",
    "eprintln!",
    "dbg!",
    "unsafe",
    "fn get_",
    "Manager",
    "Worker",
    "terminate",
    "todo!",
    "unimplemented!",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Lists the Rust files below a folder, with their texts, by name.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Lists the sources of all crates.
pub(crate) fn everything() -> Vec<(PathBuf, String)> {
    let folders = [
        "src",
        "tests",
        "examples",
        "benches",
        "../exec-std/src",
        "../exec-std/tests",
        "../exec-std/benches",
        "../exec-smol",
        "../tests",
        "../fuzz/src",
        "../fuzz/tests",
    ];
    folders.into_iter().flat_map(sources).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_file_is_one_idea() {
    for (path, text) in everything() {
        let lines = text.lines().count();
        assert!(lines < FILE_MAX, "{} has {lines} lines", shown(&path));
        let opens = text.starts_with("//! ");
        assert!(opens, "{} does not open with what it is", shown(&path));
    }
}

#[test]
fn every_function_fits_a_screen() {
    for (path, text) in everything() {
        for (name, lines) in functions(&text) {
            assert!(lines <= FUNCTION_MAX, "{}: {name} has {lines} lines", shown(&path));
        }
    }
}

/// Finds each function and counts its lines, by its braces.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let is_head = |line: &str| {
        let head = line.trim_start();
        let head = head.split_once("fn ").map_or("", |(before, _)| before);
        line.contains("fn ")
            && head
                .split_whitespace()
                .all(|word| word.starts_with("pub") || matches!(word, "const" | "(crate)" | "(super)"))
    };
    let mut found = Vec::new();
    for (start, head) in lines.iter().enumerate().filter(|(_, line)| is_head(line)) {
        let mut depth = 0_i32;
        let mut opened = false;
        for (offset, line) in lines[start..].iter().enumerate() {
            let opens = i32::try_from(line.matches('{').count()).unwrap();
            let closes = i32::try_from(line.matches('}').count()).unwrap();
            depth += opens - closes;
            opened |= opens > 0;
            let ends = if opened { depth <= 0 } else { line.trim_end().ends_with(';') };
            if ends {
                found.push((head.trim(), offset + 1));
                break;
            }
        }
    }
    found
}

#[test]
fn functions_are_found() {
    let text = "fn a() {\n    x();\n}\n\n    pub(super) const fn b(\n        c: u8,\n    ) -> u8 {\n        c\n    }\n";
    assert_eq!(functions(text), [("fn a() {", 3), ("pub(super) const fn b(", 5)]);
}

#[test]
fn the_core_knows_no_world() {
    for (path, text) in sources("src") {
        for (number, line) in text.lines().enumerate() {
            // An attribute may name what it forbids; a comment may name what is not there.
            let code = line.split("//").next().unwrap_or("");
            if code.trim_start().starts_with('#') {
                continue;
            }
            for word in ABSENT {
                assert!(!code.contains(word), "{}:{}: {word}", shown(&path), number + 1);
            }
        }
    }
}

/// A state is left by a row: whoever assigns one has asked its table for the next.
#[test]
fn no_transition_stands_outside_a_table() {
    let mut count = 0;
    for (path, text) in sources("src/step") {
        for (number, line) in text.lines().enumerate() {
            let assigned = [".phase = ", ".channel = ", "*channel = ", "state.life = ", "state.parent = "];
            if let Some(state) = assigned.iter().find_map(|assigned| line.split(assigned).nth(1)) {
                assert_eq!(state, "next;", "{}:{}: {line}", shown(&path), number + 1);
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count} transitions are found");
}

/// What makes a world and runs it stands beside the folders, and may name them all.
#[test]
fn no_folder_of_the_simulator_names_one_that_comes_after_it() {
    let order: &[&[&str]] = &[
        &["scenario"],
        &["kernel", "user", "state", "oracle"],
        &["explain"],
        &["catalog"],
        &["search"],
        &["trials"],
    ];
    let place = |folder: &str| order.iter().position(|level| level.contains(&folder));
    let mut count = 0;
    for (path, text) in sources("src/sim") {
        let name = path.strip_prefix(root().join("src/sim")).unwrap().display().to_string();
        let Some((folder, _)) = name.split_once('/') else { continue };
        let own = place(folder).unwrap_or_else(|| panic!("{folder} has no place in the order"));
        for named in text.split("crate::sim::").skip(1) {
            let other = named.split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default();
            assert!(place(other) <= Some(own), "{name} names {other}, which comes after {folder}");
            count += usize::from(place(other).is_some());
        }
    }
    assert!(count > 50, "{count} folders are named");
}

/// The simulator encodes again what changed in a state. That is enough while equality and encoding see the same, which is all of it.
/// By hand they are written once: of deadlines, where both see those that can fire.
#[test]
fn equality_and_encoding_are_derived() {
    let model = root().join("src/sim");
    let mut found = Vec::new();
    for (path, text) in sources("src").iter().filter(|(path, _)| !path.starts_with(&model)) {
        let by_hand = ["#[serde(", " PartialEq for ", " Serialize for ", " Deserialize<"];
        let lines = text.lines().filter(|line| by_hand.iter().any(|word| line.contains(word)));
        found.extend(lines.map(|line| (shown(path), line.to_owned())));
    }
    let there = found.iter().map(|(path, line)| (path.as_str(), line.as_str()));
    let known = [
        r#"#[serde(from = "Vec<(Timer, Instant)>")]"#,
        "impl PartialEq for Deadlines {",
        "impl Serialize for Deadlines {",
    ];
    assert!(there.eq(known.map(|line| ("src/deadlines.rs", line))), "{found:?}");
}

/// Each crate has a part of the map; a folder of it may have a paragraph, in which its files stand by their own names.
/// What tests a file stands beside it in `tests.rs`.
#[test]
fn the_code_map_knows_every_file() {
    let map = fs::read_to_string(architecture::path()).unwrap();
    for (part, folder) in [
        ("core", "src"),
        ("exec-std", "../exec-std/src"),
        ("exec-smol", "../exec-smol/src"),
        ("tests, fuzz", "../fuzz/src"),
        ("tests, fuzz", "../fuzz/fuzz_targets"),
    ] {
        let begin = map.find(&format!("\n### {part}")).unwrap_or_else(|| panic!("no part for {part}"));
        let part_of_map = map[begin + 1..].split("\n##").next().unwrap();
        let root = root().join(folder);
        for (path, _) in sources(folder).iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let in_folder = name.split_once('/').is_some_and(|(folder, own)| {
                let paragraph = part_of_map.split(&format!("\n`{folder}/` ")).nth(1).unwrap_or_default();
                let opens_another = |line: &str| line.starts_with('`') && line.contains("/` ");
                let mut lines = paragraph.lines().take_while(|line| !opens_another(line));
                lines.any(|line| line.contains(&format!("`{own}`")))
            });
            assert!(
                in_folder || part_of_map.contains(&format!("`{name}`")),
                "ARCHITECTURE.md does not know `{name}` of {part}"
            );
        }
    }
}

/// What the README promises stands in a table whose second column names tests.
#[test]
fn every_test_that_the_readme_names_exists() {
    let readme = fs::read_to_string(root().join("../README.md")).unwrap();
    let tests: String = ["tests", "../tests"]
        .into_iter()
        .flat_map(sources)
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .concat();
    let promises = readme.split("## What is guaranteed").nth(1).and_then(|rest| rest.split("\n## ").next());
    let named: Vec<_> = promises.unwrap().split('`').skip(1).step_by(2).collect();
    assert!(named.len() > 20, "{} tests are named", named.len());
    for name in named {
        let there = [format!("fn {name}("), format!("fn {name}<"), format!("    {name}: ")];
        assert!(there.iter().any(|text| tests.contains(text)), "the README names {name}, which is not there");
    }
}

/// A test is named in ARCHITECTURE.md as `module::name`.
#[test]
fn every_test_that_is_named_exists() {
    let map = fs::read_to_string(architecture::path()).unwrap();
    let tests: String = sources("tests").into_iter().map(|(_, text)| text).collect();
    let mut named = 0;
    for quoted in map.split('`').skip(1).step_by(2) {
        let Some((_, name)) = quoted.rsplit_once("::").filter(|_| quoted.starts_with("machine::")) else {
            continue;
        };
        let there = tests.contains(&format!("fn {name}(")) || tests.contains(&format!("    {name}: "));
        assert!(there, "ARCHITECTURE.md names {quoted}, which is not there");
        named += 1;
    }
    assert!(named > 5, "{named} tests are named");
}
