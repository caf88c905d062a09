//! Rows with named columns: a table, a join, the answer of a query.

use std::collections::HashSet;

use polars_core::prelude::{DataFrame, IdxCa};

use super::column::{Column, Type, numbers};
use super::error::{Result, wrong};

/// The name and the type of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// The table's alias or name.
    pub(super) table: Option<String>,
    pub(super) name: String,
    pub(super) kind: Type,
    /// Whether a column of USING stands for it: then only `table.name` means it, and no `*`.
    pub(super) covered: bool,
}

/// Columns of one length.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) fields: Vec<Field>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

impl Relation {
    /// One row without columns: what a SELECT without FROM reads.
    pub(super) const fn unit() -> Self {
        Self { fields: Vec::new(), columns: Vec::new(), rows: 1 }
    }

    /// A table as it was read.
    pub(super) fn of(frame: &DataFrame, table: &str) -> Result<Self> {
        let mut relation = Self { fields: Vec::new(), columns: Vec::new(), rows: frame.height() };
        for series in frame.columns() {
            let (column, kind) = Column::of(series)?;
            let name = series.name().to_string();
            relation.push(Field { table: Some(table.to_owned()), name, kind, covered: false }, column);
        }
        Ok(relation)
    }

    pub(super) fn push(&mut self, field: Field, column: Column) {
        self.fields.push(field);
        self.columns.push(column);
    }

    /// Under another name, as FROM gives it one.
    pub(super) fn named(mut self, table: &str) -> Self {
        for field in &mut self.fields {
            field.table = Some(table.to_owned());
            field.covered = false;
        }
        self
    }

    /// Without a name, as FROM need not give one.
    pub(super) fn unnamed(mut self) -> Self {
        for field in &mut self.fields {
            field.table = None;
            field.covered = false;
        }
        self
    }

    pub(super) fn take(&self, rows: &IdxCa) -> Result<Self> {
        let columns = self.columns.iter().map(|column| column.take(rows)).collect::<Result<_>>()?;
        Ok(Self { fields: self.fields.clone(), columns, rows: rows.len() })
    }

    /// Some of its rows, by their numbers.
    pub(super) fn rows_at(&self, rows: &[usize]) -> Result<Self> {
        self.take(&indices(rows.iter().copied())?)
    }

    /// The first columns alone.
    pub(super) fn narrowed(&self, width: usize) -> Self {
        Self { fields: Vec::new(), columns: self.columns.iter().take(width).cloned().collect(), rows: self.rows }
    }

    /// How many values it holds.
    pub(super) const fn cells(&self) -> usize {
        self.rows.saturating_mul(self.columns.len())
    }

    /// The column of this name; `None` where there is none.
    pub(super) fn place(&self, table: Option<&str>, name: &str) -> Result<Option<usize>> {
        let is = |field: &Field| {
            field.name.eq_ignore_ascii_case(name)
                && match table {
                    Some(table) => field.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(table)),
                    None => !field.covered,
                }
        };
        let mut places = self.fields.iter().enumerate().filter(|(_, field)| is(field));
        let first = places.next();
        if let (Some((_, one)), Some((_, other))) = (first, places.next()) {
            let tables = [one, other].map(|field| field.table.clone().unwrap_or_default());
            return wrong(format!("`{name}` is ambiguous: write `{}.{name}` or `{}.{name}`", tables[0], tables[1]));
        }
        Ok(first.map(|(place, _)| place))
    }

    /// As an answer. Of columns of one name the later ones bear their tables' names, too.
    pub(super) fn frame(mut self) -> Result<DataFrame> {
        let mut seen = HashSet::new();
        for field in &mut self.fields {
            if seen.insert(field.name.to_ascii_lowercase()) {
                continue;
            }
            if let Some(table) = &field.table {
                field.name = format!("{table}.{}", field.name);
            }
            if !seen.insert(field.name.to_ascii_lowercase()) {
                return wrong(format!(
                    "two values after SELECT are called `{}`: name one otherwise, by AS",
                    field.name
                ));
            }
        }
        let columns = self.fields.iter().zip(self.columns);
        let columns = columns.map(|(field, column)| column.series(&field.name, field.kind));
        Ok(DataFrame::new(self.rows, columns.collect::<Result<Vec<_>>>()?)?)
    }
}

/// Numbers of rows, as columns are taken by.
pub(super) fn indices(rows: impl Iterator<Item = usize>) -> Result<IdxCa> {
    let rows: Vec<Option<u32>> = rows
        .map(|row| u32::try_from(row).map(Some))
        .collect::<std::result::Result<_, _>>()
        .or_else(|_| wrong("there are more rows than a statement can number"))?;
    Ok(numbers(rows.into_iter()))
}
