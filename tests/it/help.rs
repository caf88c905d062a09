//! The help of every command, as it is printed: `INSTA_UPDATE=always cargo test --test it help::` takes what it says now.

use std::collections::BTreeSet;
use std::fs;

use super::docs::helps;
use crate::support::run::root;

#[test]
fn every_command_says_what_it_can_do() {
    let helps = helps("");
    assert!(helps.len() >= 15, "only {} commands were found", helps.len());
    let mut names = BTreeSet::new();
    for (command, help) in helps {
        let name = if command.is_empty() { "mfatrail".to_owned() } else { command.replace(' ', "-") };
        assert!(help.contains("\nUsage: mfatrail"), "{command}: {help}");
        insta::assert_snapshot!(name.clone(), help);
        names.insert(format!("it__help__{name}.snap"));
    }
    let files = fs::read_dir(root().join("tests/it/snapshots")).expect("the snapshots");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    let files: BTreeSet<String> =
        files.filter(|name| name.starts_with("it__help__") && name.ends_with(".snap")).collect();
    assert_eq!(files, names, "a snapshot of no command");
}
