//! The files of a commit: the tables of all data sets, by the folders of their months.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};

use super::file::{Content, NewFile};
use super::frame::{Row, Table};
use super::schema::Dataset;
use super::{StoreError, count, damaged};

/// Year and month, which name the folder of a file; `None` for a data set that has no folders.
pub(super) type Month = Option<(i32, u32)>;

pub(super) fn month_of(time: DateTime<Utc>) -> Month {
    Some((time.year(), time.month()))
}

/// The month of a file in the store.
pub(super) fn month_of_path(path: &str) -> Month {
    let value = |name: &str| path.split('/').find_map(|part| part.strip_prefix(name));
    let year = value("year=").and_then(|year| year.parse().ok());
    year.zip(value("month=").and_then(|month| month.parse().ok()))
}

/// The folder of a data set's files, with a slash behind it.
pub(super) fn folder(dataset: Dataset, month: Month) -> String {
    let name = dataset.name();
    month.map_or_else(|| format!("{name}/"), |(year, month)| format!("{name}/year={year:04}/month={month:02}/"))
}

/// Tables as they are filled.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<(Dataset, Month), Table>);

impl Tables {
    pub(super) fn add<R: Row>(&mut self, month: Month, row: &R) {
        self.0.entry((R::DATASET, month)).or_insert_with(|| Table::new(R::DATASET)).add(row);
    }

    /// The files of one commit.
    pub(super) fn files(self, commit: u64) -> Result<Vec<NewFile>, StoreError> {
        let file = |((dataset, month), table): ((Dataset, Month), Table)| {
            let path = format!("{}{commit:08}.parquet", folder(dataset, month));
            let bytes = table.file().map_err(|error| damaged(path.as_ref(), error))?;
            Ok(NewFile { path, content: Content::Here(count(table.height()), bytes) })
        };
        self.0.into_iter().map(file).collect()
    }
}
