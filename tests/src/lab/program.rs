//! The program under test: built by the same cargo that runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built program.
///
/// # Panics
/// When it does not build, or was not built where the tests were.
pub fn path() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let profile = profile_directory();
        build(&profile);
        let program = profile.join("netloom");
        assert!(
            program.is_file(),
            "the program under test is missing: run `cargo build -p cli`, which makes {}",
            program.display()
        );
        program
    })
}

/// `target/PROFILE`, from the path of the test: `target/PROFILE/deps/TEST`.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("target/PROFILE/deps").to_owned()
}

/// Cargo builds a package's programs only for that package's own tests, and one
/// built before the last change would be tested in vain.
fn build(profile: &Path) {
    let Some(cargo) = std::env::var_os("CARGO") else { return };
    let (Some(target), Some(name)) = (profile.parent(), profile.file_name()) else { return };
    let name = if name == "debug" { "dev".as_ref() } else { name };
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "cli", "--profile"])
        .arg(name)
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(status.success(), "the program under test does not build");
}
