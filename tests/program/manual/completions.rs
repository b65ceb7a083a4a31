//! The completions for bash, zsh and fish, from the definition of the arguments.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use growd::cli::Cli;
use std::path::Path;
use std::process::Command;

/// The scripts: each one's file name and text.
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

/// What a shell prints; nothing where there is no such shell.
fn ask(shell: &str, arguments: &[&str]) -> Option<String> {
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
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
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
        if let Some(answer) = ask("bash", &["--norc", "-c", &script]) {
            assert_eq!(answer.trim(), expected);
        }
    }
}

#[test]
fn fish_completes_commands_and_options() {
    for (line, expected) in [("growd sta", "status\t"), ("growd add --tar", "--target\t")] {
        let script = format!("source ./growd.fish; complete -C '{line}'");
        if let Some(answer) = ask("fish", &["--no-config", "-c", &script]) {
            assert!(answer.starts_with(expected), "{answer}");
        }
    }
}

#[test]
fn zsh_reads_its_completions() {
    ask("zsh", &["-f", "-n", "./_growd"]);
}
