//! The man pages, from the command line's and the configuration's definitions.

mod forms;
mod words;

use std::fs;
use std::io;
use std::path::Path;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::args;
use crate::config::{Row, file_reference, head_reference, kind_reference, spec_reference};
use crate::error::STATUSES;

use forms::{commands, form, head, own_arguments};

/// netloom(1) as roff.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn page() -> io::Result<Vec<u8>> {
    let whole = definition();
    let man = titled(&whole);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut roff = Roff::new();
    synopsis(&mut roff, &whole);
    section(&mut roff, "DESCRIPTION", &words::DESCRIPTION);
    command_section(&mut roff, &whole);
    roff.control("SH", ["OPTIONS"]);
    roff.text([roman("Every command takes these, before or after its name.")]);
    for argument in whole.get_arguments() {
        entry(&mut roff, head(argument), &sentence(&help(argument)));
    }
    port_section(&mut roff);
    file_section(&mut roff);
    roff.control("SH", ["EXIT STATUS"]);
    for (number, meaning) in STATUSES {
        entry(&mut roff, [bold(number.to_string())], &sentence(meaning));
    }
    roff.control("PP", []).text([roman(words::EXEC_STATUS)]);
    entries(&mut roff, "FILES", &words::FILES);
    entries(&mut roff, "ENVIRONMENT", &words::ENVIRONMENT);
    examples(&mut roff);
    section(&mut roff, "SEE ALSO", &[words::SEE_ALSO]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Writes netloom.1 and a page for each command into `dir`, which is made if missing.
///
/// # Errors
/// What making the directory or a file in it reports.
pub fn write_pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("netloom.1"), page()?)?;
    write_inner(dir, &definition(), "netloom")
}

fn write_inner(dir: &Path, whole: &Command, path: &str) -> io::Result<()> {
    for command in whole.get_subcommands() {
        let path = format!("{path} {}", command.get_name());
        fs::write(
            dir.join(format!("{}.1", path.replace(' ', "-"))),
            command_page(command, &path)?,
        )?;
        write_inner(dir, command, &path)?;
    }
    Ok(())
}

/// The page of one command.
fn command_page(command: &Command, path: &str) -> io::Result<Vec<u8>> {
    let man = titled(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(form(path, command));
    roff.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    section(&mut roff, "SEE ALSO", &["netloom(1): the keys of ports, files, exit statuses"]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// The command line; its lists of keys are the one page's.
fn definition() -> Command {
    let mut whole = args::command().disable_help_subcommand(true);
    whole.build();
    whole
}

fn titled(command: &Command) -> Man {
    let source = concat!("Netloom ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).manual("Netloom")
}

fn synopsis(roff: &mut Roff, whole: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    for (path, command) in commands(whole) {
        // A form that is too long for a line goes on further in.
        roff.control("HP", ["4"]);
        roff.text(form(&format!("netloom {path}"), command));
    }
}

fn command_section(roff: &mut Roff, whole: &Command) {
    roff.control("SH", ["COMMANDS"]);
    for (path, command) in commands(whole) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        entry(roff, form(&path, command), &sentence(&about));
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        roff.control("RS", []);
        // The first paragraph is the sentence above.
        for paragraph in long.split("\n\n").skip(1) {
            roff.control("PP", []).text([roman(paragraph.replace('\n', " "))]);
        }
        for argument in own_arguments(command) {
            entry(roff, head(argument), &sentence(&help(argument)));
        }
        roff.control("RE", []);
    }
}

fn port_section(roff: &mut Roff) {
    roff.control("SH", ["PORT SPECIFICATION"]);
    roff.text([
        roman("A port is "),
        bold("NAME=KIND[:TARGET][,KEY[=VALUE]]..."),
        roman("; where a key may repeat, it is given again."),
    ]);
    roff.control("SS", ["Kinds"]);
    rows(roff, &kind_reference());
    roff.control("SS", ["Keys"]);
    rows(roff, &spec_reference());
}

fn file_section(roff: &mut Roff) {
    roff.control("SH", ["FILE"]);
    roff.text([
        roman("A file is TOML, with one "),
        bold("[switch]"),
        roman(" table and a "),
        bold("[[port]]"),
        roman(" table for each port:"),
    ]);
    verbatim(roff, words::FILE.lines());
    roff.control("SS", ["Keys of [switch]"]);
    rows(roff, &file_reference());
    roff.control("SS", ["Keys of [[port]]"]);
    rows(roff, &head_reference());
    roff.control("PP", []);
    roff.text([
        roman("The other keys are those of a port specification. "),
        roman("Where one of those stands alone or takes on or off, a file may say "),
        bold("true"),
        roman(" or "),
        bold("false"),
        roman("; where it repeats or takes several VIDs, an array."),
    ]);
}

fn examples(roff: &mut Roff) {
    roff.control("SH", ["EXAMPLES"]);
    for (what, lines) in words::EXAMPLES {
        roff.control("PP", []).text([roman(what)]);
        // Long lines break where a shell lets them.
        let lines = lines.iter().map(|line| line.replace(" --port", " \\\n  --port"));
        let lines: Vec<_> = lines.collect();
        verbatim(roff, lines.iter().flat_map(|line| line.lines()));
    }
}

fn section(roff: &mut Roff, title: &str, paragraphs: &[&str]) {
    roff.control("SH", [title]);
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
}

fn entries(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (name, text) in rows {
        entry(roff, [bold(*name)], text);
    }
}

fn rows(roff: &mut Roff, rows: &[Row]) {
    for row in rows {
        let (word, value) = row.form.split_at(row.name.len());
        entry(roff, [bold(word), italic(value)], &explained(row));
    }
}

/// What a key does, what its placeholder stands for, which kinds take it, and its default.
fn explained(row: &Row) -> String {
    let mut text = sentence(row.help);
    let placeholder = row.form[row.name.len()..].trim_matches(['[', ']', '=', ':']);
    if !row.expected.is_empty() && !placeholder.is_empty() && placeholder != "on/off" {
        text += &format!(" {placeholder}: {}.", row.expected);
    }
    if !row.kinds.is_empty() {
        text += &format!(" For {}.", row.kinds);
    }
    if !row.default.is_empty() {
        text += &format!(" Default: {}.", row.default);
    }
    text
}

/// A head and, indented below it, a text.
fn entry(roff: &mut Roff, head: impl Into<Vec<Inline>>, text: &str) {
    roff.control("TP", []).text(head).text([roman(text)]);
}

/// Lines as they are.
fn verbatim<'l>(roff: &mut Roff, lines: impl Iterator<Item = &'l str>) {
    roff.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).control("RE", []);
}

/// What an option does, with its default.
fn help(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    match argument.get_default_values() {
        [default, ..] if argument.get_action().takes_values() => {
            format!("{help} [default: {}]", default.to_string_lossy())
        }
        _ => help,
    }
}

/// With a capital, unless it begins with a word for which that would not do, and a full stop.
fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', ']']) { "" } else { "." };
    let first = text.split(' ').next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(letter) if !first.ends_with(':') => {
            format!("{}{}{end}", letter.to_uppercase(), chars.as_str())
        }
        _ => format!("{text}{end}"),
    }
}

#[cfg(test)]
mod tests;
