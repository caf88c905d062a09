//! What a watch noticed: the alerts that its channels delivered, as detections of the deactivations that they are about.
//!
//! They are in the store's ledger. A bundle has no ledger, which tells of more than its report; the detections that its report
//! rests on are in a file at the same place, in the form of `--detections`.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use chrono::SecondsFormat;
use serde::Serialize;

use super::Error;
use crate::disk::Folder;
use crate::incident::ledger::view::Delivered;
use crate::incident::ledger::{FOLDER, Ledger};
use crate::inputs::{Detection, DetectionSubject, detections};
use crate::mfa::Event;

/// The file of detections in the folder of the watch, where there is no ledger.
const DETECTIONS: &str = "detections.json";
/// The most bytes of it.
const LARGEST: u64 = 64 << 20;

/// A detection by a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The account of the event, where the ledger tells.
    account: Option<String>,
    event_id: String,
    pub(crate) detection: Detection,
}

impl From<Delivered> for Watched {
    fn from(one: Delivered) -> Self {
        Self {
            account: Some(one.account),
            event_id: one.event_id.clone(),
            detection: Detection {
                detected_at: one.at,
                source: format!("watch/{}", one.channel),
                reference: one.reference,
                subject: DetectionSubject::Event(one.event_id),
            },
        }
    }
}

/// What the watch of a store noticed; nothing where none ever ran.
///
/// # Errors
/// When there is a ledger that cannot be read: that nobody noticed anything would be false.
pub(crate) fn read(store: &Path) -> Result<Vec<Watched>, Error> {
    if !store.is_dir() {
        return Ok(Vec::new());
    }
    if let Some(ledger) = Ledger::read(store).map_err(Error::failed)? {
        return Ok(ledger.detections().map_err(Error::failed)?.into_iter().map(Watched::from).collect());
    }
    let place = store.join(FOLDER).join(DETECTIONS);
    let bytes = Folder::open(store).and_then(|home| home.read(&Path::new(FOLDER).join(DETECTIONS), LARGEST));
    let text = match bytes {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::Failed(format!("could not read `{}`: {error}", place.display()))),
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let rows = detections::from_text(&place.display().to_string(), &text).map_err(Error::input)?.rows;
    let watched = |detection: Detection| match &detection.subject {
        DetectionSubject::Event(id) => Some(Watched { account: None, event_id: id.clone(), detection }),
        DetectionSubject::Principal { .. } => None,
    };
    Ok(rows.into_iter().filter_map(watched).collect())
}

/// Those that are about one of these events: a watch noticed more than one report is about.
pub(crate) fn of_events<'w>(watched: &'w [Watched], events: &[Event]) -> impl Iterator<Item = &'w Detection> {
    let mut known = HashSet::new();
    for event in events.iter().filter(|_| !watched.is_empty()) {
        for id in event.lineage.addenda.iter().chain([&event.id]) {
            known.insert((event.account.clone(), id.clone()));
            known.insert((String::new(), id.clone()));
        }
    }
    let is_known =
        move |one: &&Watched| known.contains(&(one.account.clone().unwrap_or_default(), one.event_id.clone()));
    watched.iter().filter(is_known).map(|one| &one.detection)
}

/// A row of a file of detections.
#[derive(Serialize)]
struct Row<'w> {
    detected_at: String,
    source: &'w str,
    reference: &'w str,
    event_id: &'w str,
}

/// Writes them for a bundle, into its part of the store.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(watched: &[Watched], accounts: &[String], store: &Path) -> Result<(), Error> {
    let of = |one: &&Watched| accounts.is_empty() || one.account.as_ref().is_none_or(|of| accounts.contains(of));
    let rows: Vec<Row<'_>> = watched.iter().filter(of).map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&rows).map_err(Error::failed)?;
    let write = || {
        let home = Folder::open(store)?;
        home.make(Path::new(FOLDER))?;
        home.write(&Path::new(FOLDER).join(DETECTIONS), &text)
    };
    write().map_err(|error| Error::Failed(format!("could not write into `{}`: {error}", store.display())))
}

fn row(one: &Watched) -> Row<'_> {
    Row {
        detected_at: one.detection.detected_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        source: &one.detection.source,
        reference: &one.detection.reference,
        event_id: &one.event_id,
    }
}
