//! docs/configuration.md against the tables of keys and against the readers.

use std::path::Path;

use super::*;

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// The text of every fenced block of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The first cell of the table rows under this heading.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split(" |").next())
        .collect()
}

#[test]
fn every_kind_and_key_has_its_row() {
    let in_tables = |heading: &str, rows: &[Row]| {
        let cells = first_cells(heading);
        for row in rows {
            let named = |cell: &&str| {
                let word = cell.trim_start_matches('`').split(['`', '=']).next();
                word == Some(row.name)
            };
            assert!(cells.iter().any(named), "{heading}: {}", row.name);
        }
        // Besides the rows there is the table's head.
        assert_eq!(cells.len(), rows.len() + 1, "{heading}");
    };
    in_tables("Keys of `[switch]`", &file_reference());
    in_tables("Kinds of port", &kind_reference());
    let (vlan, flags): (Vec<_>, Vec<_>) = rule_reference().into_iter().partition(|row| {
        ["access", "trunk", "native", "tpid", "tunnel", "transparent"].contains(&row.name)
    });
    in_tables("Keys of every port: VLANs", &vlan);
    in_tables("Keys of every port: flags", &flags);
    let netdev: Vec<_> =
        spec_reference().into_iter().filter(|row| !rule_reference().contains(row)).collect();
    in_tables("Keys of the netdev", &netdev);
    for key in keys::link::HEAD.iter() {
        assert!(PAGE.contains(&format!("`{}`", key.name)));
    }
}

#[test]
fn the_examples_are_right() {
    let files = blocks("toml");
    assert_eq!(files.len(), 1);
    assert_eq!(parse_file(Path::new("lab.toml"), files[0]).unwrap().ports.len(), 2);

    let mut specs = 0;
    for line in blocks("text").iter().flat_map(|block| block.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with("NAME=") || line.starts_with("netloom:") || line.starts_with("hint:") {
            continue;
        }
        parse_spec(line).unwrap();
        specs += 1;
    }
    assert_eq!(specs, 8);
    assert!(parse_spec("building-2-floor-3=tap:b2f3").is_ok());
}

#[test]
fn the_messages_are_right() {
    let shown = PAGE.split("## When something is wrong").nth(1).unwrap();
    let text = "[[port]]\nname = \"a\"\nkind = \"tap\"\nacess = 1\n";
    let file = told(parse_file(Path::new("lab.toml"), &format!("{}{text}", "\n".repeat(8))));
    assert!(shown.contains(&file), "{file}");
    let spec = told(parse_spec("a=tap,access=4095"));
    assert!(shown.contains(&spec), "{spec}");
}
