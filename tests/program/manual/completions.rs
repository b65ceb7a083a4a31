//! Generates and tests the completions for bash, zsh and fish.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use growd::cli::Cli;
use std::path::Path;
use std::process::Command;

/// Returns the file name and text of each script.
pub fn scripts() -> Vec<(String, String)> {
    [
        (Shell::Bash, "growd.bash"),
        (Shell::Zsh, "_growd"),
        (Shell::Fish, "growd.fish"),
    ]
    .map(|(shell, name)| {
        let mut text = Vec::new();
        generate(shell, &mut Cli::command(), "growd", &mut text);
        (name.to_owned(), String::from_utf8(text).unwrap())
    })
    .into()
}

/// Returns the output of a shell, or `None` if the shell is not installed.
fn run_shell(shell: &str, arguments: &[&str]) -> Option<String> {
    let completions = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let output = Command::new(shell)
        .args(arguments)
        .current_dir(completions)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{shell}: {error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bash_completes_commands_and_options() {
    for (words, at, expected) in [
        ("growd sta", 1, "status"),
        ("growd add --tar", 2, "--target"),
    ] {
        let script = format!(
            "source ./growd.bash; COMP_WORDS=({words}); COMP_CWORD={at}; \
             _growd growd \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{at}-1]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        if let Some(answer) = run_shell("bash", &["--norc", "-c", &script]) {
            assert_eq!(answer.trim(), expected);
        }
    }
}

#[test]
fn fish_completes_commands_and_options() {
    for (line, expected) in [("growd sta", "status\t"), ("growd add --tar", "--target\t")] {
        let script = format!("source ./growd.fish; complete -C '{line}'");
        if let Some(answer) = run_shell("fish", &["--no-config", "-c", &script]) {
            assert!(answer.starts_with(expected), "{answer}");
        }
    }
}

#[test]
fn zsh_reads_its_completions() {
    run_shell("zsh", &["-f", "-n", "./_growd"]);
}
