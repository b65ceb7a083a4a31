//! `growd watch` on a narrow terminal: no line wraps.

use crate::support::program::{growd, write_config};
use crate::support::{Bench, mounts};
use growd_simulator::Scenario;
use std::process::{Command, Stdio};

/// Returns the rows that a terminal with this many columns has shown; a full row continues on the next one.
fn rows(text: &str, columns: usize) -> Vec<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A control sequence ends with its first letter; colours are `m`, and all others here move to another row.
            match chars.by_ref().find(char::is_ascii_alphabetic) {
                Some('m' | 'K') | None => {}
                Some(_) => plain.push('\n'),
            }
        } else {
            plain.push(c);
        }
    }
    let lines = plain.split(['\n', '\r']);
    lines
        .map(|line| line.chars().collect::<Vec<_>>())
        .flat_map(|line| {
            let rows = line.chunks(columns).map(|row| row.iter().collect());
            rows.collect::<Vec<String>>()
        })
        .filter(|row| !row.trim().is_empty())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_watch_stays_in_its_row_of_a_narrow_terminal() {
    let script = Command::new("script").arg("--version").output();
    if !script.is_ok_and(|script| script.status.success()) {
        mounts::skipped("watch", "there is no `script` to make a terminal");
        return;
    }
    let mut bench = Bench::new().await;
    write_config(&bench, &[]);
    for _ in 0..12 {
        bench.grow(&Scenario::exhausted(25), 100).await;
    }
    bench
        .execute("UPDATE tasks SET note = 'search ' || task_id")
        .await;
    bench.start();
    bench.until_all_ended().await;
    bench
        .execute("UPDATE progress SET results_read = 20, results_read_at = polled_at")
        .await;
    let watch = growd(&bench, &["watch"]);
    let words: Vec<_> = std::iter::once(watch.get_program())
        .chain(watch.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    for columns in [40, 64, 80] {
        let shown = Command::new("script")
            .arg("-qec")
            .arg(format!(
                "stty cols {columns} rows 10; exec {}",
                words.join(" ")
            ))
            .arg("/dev/null")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("exhausted"), "{columns}: {shown}");
        assert!(shown.contains("12 tasks in all"), "{columns}: {shown}");
        if columns == 80 {
            assert!(shown.contains(" 240 of them read"), "{shown}");
        }
        for row in rows(&shown, columns) {
            let begins_well = row.starts_with("search ") || row.starts_with("12 tasks in all");
            assert!(
                begins_well,
                "{columns}: a line goes on in the next row: {row:?}"
            );
        }
    }
    bench.stop().await;
}
