//! Runs: what was scanned, what was reported, and what has arrived since.

use chrono::{DateTime, TimeDelta, Utc};

use super::frame::{Cells, Row, Table};
use super::schema::Dataset;
use crate::source::{Selection, Shard};

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Read an archive.
    Scan,
    /// Read again what had failed.
    Retry,
    /// Reported on a period: `from` and `to` are the period's.
    Report,
    /// Read what came, for as long as it ran.
    Watch,
    /// Notes that a scan, the run of this number, came to its end.
    End,
    /// Notes that CloudTrail's digests prove all that was to be verified.
    Proven,
    /// Notes that they do not: something is missing, or is not what was signed.
    Unproven,
}

impl RunKind {
    const ALL: [Self; 7] =
        [Self::Scan, Self::Retry, Self::Report, Self::Watch, Self::End, Self::Proven, Self::Unproven];

    /// Whether it notes what became of another run.
    #[must_use]
    pub const fn is_note(self) -> bool {
        matches!(self, Self::End | Self::Proven | Self::Unproven)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Retry => "retry",
            Self::Report => "report",
            Self::Watch => "watch",
            Self::End => "end",
            Self::Proven => "proven",
            Self::Unproven => "not_proven",
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number: that of the first commit it could make.
    pub run: u64,
    /// What it did.
    pub kind: RunKind,
    /// The program's version.
    pub version: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The sources, one a line.
    pub sources: String,
    /// What was to be read or reported.
    pub selection: Selection,
    /// The last commit that the run saw.
    pub commit: u64,
    /// Of a scan, which shard of the sources; `None` in stores of earlier versions, which noted no end either.
    pub shard: Option<Shard>,
}

impl Run {
    /// A run of this program of which `number` is the next commit, on nothing yet.
    #[must_use]
    pub fn new(kind: RunKind, number: u64, started_at: DateTime<Utc>) -> Self {
        Self {
            run: number,
            kind,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            sources: String::new(),
            selection: Selection::default(),
            commit: number.saturating_sub(1),
            shard: None,
        }
    }

    /// That this run came to its end.
    #[must_use]
    pub fn end(&self) -> Self {
        Self { kind: RunKind::End, ..self.clone() }
    }
}

impl Row for Run {
    const DATASET: Dataset = Dataset::Runs;

    fn lay(&self, into: &mut Table) {
        into.count(self.run);
        into.text(self.kind.name());
        into.text(&self.version);
        into.time(Some(self.started_at));
        into.text(&self.sources);
        into.time(self.selection.from);
        into.time(self.selection.to);
        into.integer(Some(self.selection.slack.num_seconds()));
        into.text(&self.selection.accounts.join(" "));
        into.text(&self.selection.regions.join(" "));
        into.count(self.commit);
        into.optional(self.shard.map(|shard| shard.to_string()).as_deref());
    }

    fn read(from: &mut Cells<'_>) -> Option<Self> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
        let run = from.count();
        let kind = from.text()?;
        Some(Self {
            run,
            kind: RunKind::ALL.into_iter().find(|known| known.name() == kind)?,
            version: from.text()?,
            started_at: from.time()?,
            sources: from.text()?,
            selection: Selection {
                from: from.time(),
                to: from.time(),
                slack: TimeDelta::try_seconds(from.integer()?)?,
                accounts: words(from.text()?),
                regions: words(from.text()?),
                iam_only: false,
                product: None,
            },
            commit: from.count(),
            shard: from.optional().map_or(Some(None), |shard| shard.parse().ok().map(Some))?,
        })
    }
}

/// What changes a period that was reported on before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// When that report was made.
    pub reported_at: DateTime<Utc>,
    /// Objects with records of the period, first seen since, in order of name.
    pub objects: Vec<String>,
    /// Extracted events of the period in them, in order of time.
    pub events: Vec<String>,
}
