//! The man pages, from the command line's and the configuration's definitions.

use std::fs;
use std::io;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args;
use crate::config::{Row, file_reference, kind_reference, spec_reference};

/// netloom(1) as roff.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn page() -> io::Result<Vec<u8>> {
    let man = Man::new(definition()).manual("Netloom");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    configuration().to_writer(&mut page)?;
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Writes netloom.1 and a page for each command into `dir`, which is made if missing.
///
/// # Errors
/// What making the directory or a file in it reports.
pub fn write_pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(definition(), dir)?;
    fs::write(dir.join("netloom.1"), page()?)
}

/// The command line, its lists of keys replaced by a reference to the one page that has them.
fn definition() -> clap::Command {
    fn refer(command: clap::Command) -> clap::Command {
        let command = match command.get_after_long_help() {
            Some(_) => command.after_long_help("The kinds and keys of ports are in netloom(1)."),
            None => command,
        };
        command.mut_subcommands(refer)
    }
    args::command().disable_help_subcommand(true).mut_subcommands(refer)
}

/// What a SPEC and a file are made of.
fn configuration() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["PORTS"]);
    roff.text([
        roman("A port is "),
        bold("NAME=KIND[:TARGET][,KEY[=VALUE]]..."),
        roman("; in a file the same words are keys of a "),
        bold("[[port]]"),
        roman(" table, with "),
        bold("name"),
        roman(", "),
        bold("kind"),
        roman(" and "),
        bold("target"),
        roman("."),
    ]);
    roff.control("SS", ["Kinds"]);
    rows(&mut roff, &kind_reference());
    roff.control("SS", ["Keys"]);
    rows(&mut roff, &spec_reference());
    roff.control("SH", ["SWITCH"]);
    roff.text([roman("Keys of a file's "), bold("[switch]"), roman(" table.")]);
    rows(&mut roff, &file_reference());
    roff
}

fn rows(roff: &mut Roff, rows: &[Row]) {
    for row in rows {
        let kinds = if row.kinds.is_empty() { "" } else { &format!(" For {}.", row.kinds) };
        let default =
            if row.default.is_empty() { "" } else { &format!(" Default: {}.", row.default) };
        roff.control("TP", []);
        roff.text([bold(&row.form)]);
        roff.text([roman(format!("{}.{kinds}{default}", row.help))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_every_command_and_key() {
        let page =
            String::from_utf8(page().unwrap()).unwrap().replace("\\-", "-").replace("\\*(Aq", "'");
        for command in definition().get_subcommands() {
            assert!(page.contains(&format!("netloom-{}(1)", command.get_name())), "{command}");
        }
        for row in kind_reference().iter().chain(&spec_reference()).chain(&file_reference()) {
            assert!(page.contains(row.help), "{}", row.name);
            assert!(page.contains(&row.form), "{}", row.name);
        }
    }

    #[test]
    fn a_directory_gets_a_page_a_command() {
        let dir = std::env::temp_dir().join(format!("netloom-man-{}", std::process::id()));
        write_pages(&dir.join("deep")).unwrap();
        let there = |name: &str| dir.join("deep").join(name).is_file();
        let all = ["netloom.1", "netloom-up.1", "netloom-port-add.1"].map(there);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(all, [true; 3]);
    }
}
