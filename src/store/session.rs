//! A store that one process writes for as long as it runs: opened once, locked throughout, and its index follows the commits.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::StoreError;
use super::commit::record;
use super::index::Index;
use super::ingest::{BatchSink, IngestSummary, Limits};
use super::lock::Holder;
use super::notes::Run;
use super::place::Place;
use super::read::Store;
use super::write::Writer;

/// A store, open for writing.
#[derive(Debug)]
pub struct Session {
    /// `None` after a failure: what was not committed then never happened, and the store is opened anew.
    writer: Option<Writer>,
    index: Arc<Index>,
    run: Run,
}

impl Session {
    /// Opens a store, makes it where there is none, and notes a run; `run` is given the number of the next commit.
    ///
    /// # Errors
    /// When it is not a store, is being written by another process, or cannot be read or written.
    pub fn open(place: impl Into<Place>, holder: &Holder, run: impl FnOnce(u64) -> Run) -> Result<Self, StoreError> {
        let mut writer = Writer::open(place, holder)?;
        let mut store = Store::of(writer.place(), writer.state().clone());
        let index = Arc::new(store.consistently(Index::read)?);
        let run = run(writer.next());
        let run = record(&mut writer, run)?;
        Ok(Self { writer: Some(writer), index, run })
    }

    /// Which objects the store has.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The store as it is now, for reading.
    ///
    /// # Errors
    /// After an earlier failure.
    pub fn store(&self) -> Result<Store, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::Ended)?;
        Ok(Store::of(writer.place(), writer.state().clone()))
    }

    /// Lets `work` put objects into the store at `now`, and commits all of them before it returns.
    ///
    /// # Errors
    /// When something could not be written: then the session is over, and what is in the store is what earlier steps committed and
    /// perhaps a part of this one.
    pub fn ingest<T>(
        &mut self,
        limits: Limits,
        now: DateTime<Utc>,
        work: impl FnOnce(&BatchSink, &Index) -> T,
    ) -> Result<(T, IngestSummary), StoreError> {
        let writer = self.writer.take().ok_or(StoreError::Ended)?;
        // The rows say when they were read.
        let run = Run { started_at: now, ..self.run.clone() };
        let sink = BatchSink::resume(writer, Arc::clone(&self.index), limits, run, Some(Vec::new()));
        let result = work(&sink, &self.index);
        let (summary, writer, index, objects) = sink.finish_with_news()?;
        // It has what others committed.
        self.index = index;
        let index = Arc::make_mut(&mut self.index);
        objects.into_iter().for_each(|row| index.note(row));
        self.writer = Some(writer);
        Ok((result, summary))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::{self, Options};
    use crate::source::{Selection, Source};
    use crate::store::{RunKind, StoreVisitor};

    fn record(place: usize, n: u8) -> String {
        format!(
            r#"{{"Records":[{{"eventVersion":"1.11","eventTime":"2026-10-0{}T08:00:00Z","eventSource":"iam.amazonaws.com","eventName":"DeactivateMFADevice","awsRegion":"us-east-1","eventID":"{place}-{n}","recipientAccountId":"111122223333","userIdentity":{{"type":"IAMUser","userName":"Admin","principalId":"AIDAEXAMPLE","accountId":"111122223333"}},"requestParameters":{{"userName":"alice","serialNumber":"arn:aws:iam::111122223333:mfa/alice"}}}}]}}"#,
            n + 1
        )
    }

    fn step(session: &mut Session, archive: &Path) -> IngestSummary {
        let limits = Limits { objects: 1, bytes: 1 << 20 };
        let now = DateTime::UNIX_EPOCH;
        let (scanned, summary) = session
            .ingest(limits, now, |sink, index| {
                let known = |object: &crate::source::ObjectRef| index.has(object);
                let skipped = |object: &crate::source::ObjectRef| sink.skipped(object);
                let options = Options { known: Some(&known), skipped: Some(&skipped), ..Options::default() };
                let sources = [Source::Local(archive.to_owned())];
                pipeline::scan(&sources, &Selection::default(), &options, &|| StoreVisitor::new(sink))
                    .map(|(_visitor, scanned)| scanned)
            })
            .unwrap();
        scanned.unwrap();
        summary
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// Contents come, change, are damaged, come back under any of two tags.
        #[test]
        fn an_index_that_follows_is_the_one_that_is_read_anew(
            steps in prop::collection::vec((0..2_usize, 0..4_u8, 0..2_u64), 1..12),
        ) {
            let home = tempfile::tempdir().unwrap();
            let (store, archive) = (home.path().join("store"), home.path().join("archive"));
            fs::create_dir(&archive).unwrap();
            let run = |number| Run::new(RunKind::Watch, number, DateTime::UNIX_EPOCH);
            let holder = Holder::this("mfatrail watch".to_owned(), DateTime::UNIX_EPOCH);
            let mut session = Session::open(&store, &holder, run).unwrap();
            for (place, content, tag) in steps {
                let path = archive.join(format!("{place}.json"));
                let text = if content == 3 { "damaged".to_owned() } else { record(place, content) };
                fs::write(&path, text).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + tag);
                fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
                step(&mut session, &archive);
                prop_assert_eq!(session.index(), &Index::read(&Store::open(&store).unwrap()).unwrap());
                let again = step(&mut session, &archive);
                prop_assert_eq!(again.objects, 0);
            }
            // The next process finds what this one left.
            drop(session);
            let session = Session::open(&store, &holder, run).unwrap();
            prop_assert_eq!(session.index(), &Index::read(&Store::open(&store).unwrap()).unwrap());
        }
    }
}
