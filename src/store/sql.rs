//! SQL over the store: a table for each data set, of the files that the commit log lists. A statement reads only the columns that
//! it names.

use std::error::Error;

use polars_core::prelude::{DataFrame, DataType, TimeUnit};

use super::read::Store;
use super::schema::{Dataset, Kind};
use crate::sql::{self, SqlError, Tables};

impl Tables for Store {
    fn names(&self) -> Vec<&str> {
        Dataset::ALL.map(Dataset::name).to_vec()
    }

    fn columns(&self, table: &str) -> Vec<&str> {
        Dataset::ALL
            .into_iter()
            .filter(|dataset| dataset.name() == table)
            .flat_map(|dataset| dataset.columns().iter().map(|column| column.name))
            .collect()
    }

    fn kind(&self, table: &str, column: &str) -> &'static str {
        let dataset = Dataset::ALL.into_iter().find(|dataset| dataset.name() == table);
        let found = dataset.and_then(|dataset| dataset.columns().iter().find(|one| one.name == column));
        found.map_or("", |column| match column.kind {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Flag => "boolean",
            Kind::Time => "timestamp",
            Kind::Day => "date",
        })
    }

    fn load(&self, table: &str, columns: &[&str]) -> Result<DataFrame, Box<dyn Error + Send + Sync>> {
        let dataset = Dataset::ALL.into_iter().find(|dataset| dataset.name() == table);
        let dataset = dataset.ok_or_else(|| format!("there is no table `{table}`"))?;
        let mut sum = empty(dataset, columns);
        self.ahead(self.paths(dataset));
        for path in self.paths(dataset) {
            sum.vstack_mut(&self.pick(path, dataset, columns)?)?;
        }
        Ok(sum.select(columns)?)
    }
}

/// No rows of some columns.
fn empty(dataset: Dataset, names: &[&str]) -> DataFrame {
    let wanted = dataset.columns().iter().filter(|column| names.contains(&column.name));
    let fields = wanted.map(|column| {
        let kind = match column.kind {
            Kind::Text => DataType::String,
            Kind::Integer => DataType::Int64,
            Kind::Flag => DataType::Boolean,
            Kind::Time => DataType::Datetime(TimeUnit::Microseconds, None),
            Kind::Day => DataType::Date,
        };
        (column.name.into(), kind)
    });
    DataFrame::empty_with_schema(&fields.collect())
}

impl Store {
    /// Answers one statement.
    ///
    /// # Errors
    /// When it has a fault, or asks in a way that is not supported; when a file cannot be read.
    pub fn sql(&self, statement: &str) -> Result<DataFrame, SqlError> {
        sql::answer(statement, self)
    }
}
