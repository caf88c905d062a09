//! SQL over the store, by polars: a table for each data set, of the files that the commit log lists. A statement reads only
//! the columns that it names, and can change nothing.

use std::any::Any;
use std::sync::Arc;
use std::{io, panic, thread};

use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, DataFrame, DataType, Field, LazyFrame, PolarsError, PolarsResult,
    ScanArgsAnonymous, Schema, SchemaRef, TimeUnit,
};
use polars::sql::SQLContext;

use super::StoreError;
use super::read::Store;
use super::schema::{Dataset, Kind};

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It is no question.
    #[error("`{0}` asks nothing: a statement begins with SELECT, WITH, SHOW or EXPLAIN, and nothing can be changed")]
    NoQuestion(String),
    /// It is longer than any question.
    #[error("a statement of {0} bytes: {LONGEST} are the most")]
    Long(usize),
    /// polars does not like it.
    #[error("{0}")]
    Statement(String),
    /// There is no thread for it.
    #[error("could not start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A file could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a statement may begin with.
const BEGINNINGS: [&str; 5] = ["SELECT", "WITH", "SHOW", "EXPLAIN", "FROM"];

/// The longest statement in bytes. Each operator takes its place on the stack of whoever works on it.
const LONGEST: usize = 16 << 10;
/// That stack: far more than the longest statement was seen to take, and only what is used of it is memory.
const STACK: usize = 512 << 20;

/// A data set whose columns are read when they are asked for.
struct Table {
    store: Store,
    dataset: Dataset,
}

fn schema(dataset: Dataset) -> SchemaRef {
    let fields = dataset.columns().iter().map(|column| {
        let kind = match column.kind {
            Kind::Text => DataType::String,
            Kind::Integer => DataType::Int64,
            Kind::Flag => DataType::Boolean,
            Kind::Time => DataType::Datetime(TimeUnit::Microseconds, None),
            Kind::Day => DataType::Date,
        };
        Field::new(column.name.into(), kind)
    });
    Arc::new(Schema::from_iter(fields))
}

impl AnonymousScan for Table {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self, _infer: Option<usize>) -> PolarsResult<SchemaRef> {
        Ok(schema(self.dataset))
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, asked: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let all = schema(self.dataset);
        let mut names: Vec<&str> = match &asked.with_columns {
            Some(names) => names.iter().map(|name| name.as_str()).collect(),
            None => all.iter_names().map(|name| name.as_str()).collect(),
        };
        // How many rows there are is asked by no column; the first is as good as any.
        if names.is_empty() {
            names.extend(all.iter_names().next().map(|name| name.as_str()));
        }
        let mut table: Option<DataFrame> = None;
        for path in self.store.paths(self.dataset) {
            let frame = self.store.pick(path, self.dataset, &names).map_err(compute)?;
            match &mut table {
                Some(table) => {
                    table.vstack_mut(&frame)?;
                }
                None => table = Some(frame),
            }
        }
        let table = table.unwrap_or_else(|| DataFrame::empty_with_schema(&all));
        let table = table.select(names)?;
        Ok(match asked.n_rows {
            Some(rows) => table.head(Some(rows)),
            None => table,
        })
    }
}

fn compute(error: StoreError) -> PolarsError {
    PolarsError::ComputeError(error.to_string().into())
}

impl Store {
    /// Answers one statement. The tables are all that it can name: polars is built without the functions that would read files.
    ///
    /// # Errors
    /// When it is no question, or has a fault; when a file cannot be read.
    pub fn sql(&self, statement: &str) -> Result<DataFrame, SqlError> {
        if statement.len() > LONGEST {
            return Err(SqlError::Long(statement.len()));
        }
        let first = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        let first: String = first.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !BEGINNINGS.iter().any(|beginning| first.eq_ignore_ascii_case(beginning)) {
            return Err(SqlError::NoQuestion(statement.trim().chars().take(60).collect()));
        }
        let context = SQLContext::new();
        for dataset in Dataset::ALL {
            let table = Table { store: Self::of(self.dir(), self.state().clone()), dataset };
            let args = ScanArgsAnonymous { schema: Some(schema(dataset)), name: dataset.name(), ..Default::default() };
            let frame = LazyFrame::anonymous_scan(Arc::new(table), args).map_err(fault)?;
            context.register(dataset.name(), frame);
        }
        collect(context, statement)
    }
}

/// Has polars work on a statement. What it has not thought of it panics at: that is a fault of the statement here, and said in one line.
fn collect(mut context: SQLContext, statement: &str) -> Result<DataFrame, SqlError> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let worked = thread::scope(|scope| {
        let work = || context.execute(statement).and_then(LazyFrame::collect).map_err(fault);
        Ok(thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?.join())
    });
    panic::set_hook(hook);
    match worked {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => {
            let text = panicked.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or_default();
            Err(SqlError::Statement(format!("polars cannot work on it: {}", text.lines().next().unwrap_or_default())))
        }
        Err(error) => Err(SqlError::Thread(error)),
    }
}

fn fault(error: PolarsError) -> SqlError {
    SqlError::Statement(error.to_string())
}
