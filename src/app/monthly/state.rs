//! How far a month is: `state.json` in its folder, replaced as a whole after each step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::deliver::Copied;
use crate::alert::Alert;
use crate::app::Error;
use crate::disk::{Draft, Folder, Readers};
use crate::inputs::error::json_problem;

/// The document's name and version.
const SCHEMA: &str = "mfatrail.monthly-state/1";
/// Its file.
const STATE: &str = "state.json";
/// The most bytes of it.
const LARGEST: u64 = 16 << 20;

/// How far a month is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    schema: String,
    /// The IAM snapshot that the report uses.
    pub(super) iam_taken_at: Option<DateTime<Utc>>,
    /// What the report that was made rests on.
    pub(super) fingerprint: Option<String>,
    /// Whether that is complete.
    pub(super) complete: bool,
    /// The conditions that it meets.
    pub(super) found: Vec<String>,
    /// What the channels are told of it.
    pub(super) message: Option<Alert>,
    /// The SHA-256 of each file that was made beside the report's folder, by its name.
    #[serde(default)]
    pub(super) made: BTreeMap<String, String>,
    /// By place, the SHA-256 of each file that was delivered there.
    pub(super) delivered: BTreeMap<String, Copied>,
    /// By channel, what it was told last.
    pub(super) told: BTreeMap<String, Told>,
}

/// What a channel was told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    /// The message's key.
    pub(super) key: String,
    /// Whether it was being sent, so that it may have arrived.
    pub(super) sending: bool,
    /// Whether it arrived.
    pub(super) arrived: bool,
}

impl State {
    /// Reads it; a month that was never begun has an empty one.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let place = folder.join(STATE);
        let wrong = |why: String| {
            Error::Input(format!(
                "`{}`: {why}\n  hint: move it away; then the month is reported and delivered again",
                place.display()
            ))
        };
        let bytes = match Folder::open(folder).and_then(|home| home.read(Path::new(STATE), LARGEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { schema: SCHEMA.to_owned(), ..Self::default() });
            }
            bytes => bytes.map_err(|error| wrong(error.to_string()))?,
        };
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let state: Self =
            serde_json::from_str(&text).map_err(|error| wrong(json_problem(&text, &error).to_string()))?;
        if state.schema != SCHEMA {
            return Err(wrong(format!("its schema is `{}`, not `{SCHEMA}`", state.schema)));
        }
        Ok(state)
    }

    /// Writes it whole, or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let place = folder.join(STATE);
        let failed = |error: io::Error| Error::Failed(format!("could not write `{}`: {error}", place.display()));
        let text = crate::report::pretty_json(self).map_err(Error::failed)?;
        // Names and reasons of channels are nobody else's matter.
        Draft::new(&place, Readers::Owner, "the state of a month", is_one)
            .and_then(|draft| draft.finish(&text))
            .map_err(failed)
    }

    /// Notes what became of a message to a channel.
    pub(super) fn tell(&mut self, channel: &str, key: &str, sending: bool, arrived: bool) {
        self.told.insert(channel.to_owned(), Told { key: key.to_owned(), sending, arrived });
    }
}

fn is_one(file: &mut File) -> bool {
    super::begins(file, "mfatrail.monthly-state")
}
