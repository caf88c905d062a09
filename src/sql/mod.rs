//! Questions in SQL over tables in columns: one SELECT, computed from the inside out.
//!
//! A wrong figure with status 0 is the worst that can happen here. Therefore what is not known to be computed as PostgreSQL and
//! DuckDB compute it is refused by name: constructs, functions and types are lists of what there is (`bind`, `functions`,
//! `query`), every value has one type, and NULL follows three-valued logic. Where these two differ from each other, DuckDB is
//! followed, which reads the same files (`tests/it/sql.rs` compares): NULL is ordered last, `/` divides to a double.
//!
//! What a statement takes is bounded: a join or a union may hold no more than so many values, a function make no more than so much
//! text, and there is no recursion. There is no clock and no file: tables come from [`Tables`].

use std::collections::HashSet;
use std::error::Error;
use std::thread;

use polars_core::prelude::{Column as Series, DataFrame};
use sqlparser::ast::Statement;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

mod bind;
mod column;
mod error;
mod eval;
mod function;
mod functions;
mod grammar;
mod group;
mod join;
mod node;
mod pattern;
mod query;
mod relation;
mod time;

pub use error::SqlError;
use error::{Result, unsupported, wrong};
use grammar::Grammar;
use query::Queries;

use crate::panics;

/// The longest statement in bytes. Each operator takes its place on the stack of whoever works on it.
const LONGEST: usize = 16 << 10;
/// That stack: far more than the longest statement was seen to take, and only what is used of it is memory.
const STACK: usize = 512 << 20;

/// What a statement may begin with.
const BEGINNINGS: [&str; 5] = ["SELECT", "WITH", "SHOW", "DESCRIBE", "DESC"];

/// The tables that a statement may name.
pub trait Tables: Sync {
    /// Their names.
    fn names(&self) -> Vec<&str>;

    /// The columns of one, in order.
    fn columns(&self, table: &str) -> Vec<&str>;

    /// The type of a column that there is, by its name in the documentation.
    fn kind(&self, table: &str, column: &str) -> &'static str;

    /// Reads some columns of one.
    ///
    /// # Errors
    /// When they cannot be read.
    fn load(&self, table: &str, columns: &[&str]) -> Result<DataFrame, Box<dyn Error + Send + Sync>>;
}

/// Answers one statement.
///
/// # Errors
/// When it is no question, has a fault, or asks in a way that is not supported; when its answer would be too large; when a table
/// cannot be read.
pub fn answer(statement: &str, tables: &dyn Tables) -> Result<DataFrame> {
    if statement.len() > LONGEST {
        return Err(SqlError::Long(statement.len()));
    }
    // What nobody has thought of must not end the program.
    let worked = thread::scope(|scope| {
        let work = || panics::contain(|| worked(statement, tables));
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).map(thread::ScopedJoinHandle::join)
    });
    match worked {
        Ok(Ok(Some(answer))) => answer,
        Ok(Ok(None) | Err(_)) => Err(SqlError::Wrong("the statement cannot be worked on".to_owned())),
        Err(error) => Err(SqlError::Thread(error)),
    }
}

fn worked(statement: &str, tables: &dyn Tables) -> Result<DataFrame> {
    let syntax = |error: &dyn Error| {
        let text = error.to_string();
        SqlError::Syntax(format!("it is not SQL: {}", text.trim_start_matches("sql parser error: ")))
    };
    let tokens = Tokenizer::new(&Grammar, statement).tokenize().map_err(|error| syntax(&error))?;
    if !is_question(&tokens) {
        return Err(SqlError::NotAQuestion(statement.trim().chars().take(60).collect()));
    }
    let words: HashSet<String> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.value.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let statements = Parser::new(&Grammar).with_tokens(tokens).parse_statements().map_err(|error| syntax(&error))?;
    match statements.as_slice() {
        [Statement::Query(query)] => Queries::new(tables, words).query(query)?.frame(),
        [Statement::ShowTables { .. }] => {
            let names = Series::new("name".into(), tables.names());
            Ok(DataFrame::new(names.len(), vec![names])?)
        }
        [Statement::ExplainTable { table_name, .. }] => described(&table_name.to_string(), tables),
        [other] => unsupported(format!("`{other}`"), "write SELECT, WITH, SHOW TABLES or DESCRIBE"),
        _ => Err(SqlError::Syntax("there must be one statement".to_owned())),
    }
}

/// The columns of a table, and their types.
fn described(name: &str, tables: &dyn Tables) -> Result<DataFrame> {
    let plain = name.trim_matches('"');
    let Some(table) = tables.names().into_iter().find(|table| table.eq_ignore_ascii_case(plain)) else {
        return wrong(format!("there is no table `{plain}`; there is {}", tables.names().join(", ")));
    };
    let columns = tables.columns(table);
    let kinds: Vec<&str> = columns.iter().map(|column| tables.kind(table, column)).collect();
    let [names, kinds] = [("column", columns), ("type", kinds)].map(|(name, texts)| Series::new(name.into(), texts));
    Ok(DataFrame::new(names.len(), vec![names, kinds])?)
}

/// The statements of a text that end with a semicolon, and what follows the last of them.
#[must_use]
pub fn statements(text: &str) -> (Vec<&str>, &str) {
    let (mut found, mut begin) = (Vec::new(), 0);
    // What a quotation, a name or a comment ends with.
    let mut within: Option<&str> = None;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match within {
            Some(end) if rest.starts_with(end) => {
                within = None;
                end.len()
            }
            None if rest.starts_with(';') => {
                found.extend(text.get(begin..at).filter(|statement| !statement.trim().is_empty()));
                begin = at + 1;
                1
            }
            None => {
                let opening = [("'", "'"), ("\"", "\""), ("--", "\n"), ("/*", "*/")];
                let opened = opening.into_iter().find(|(begin, _)| rest.starts_with(begin));
                within = opened.map(|(_, end)| end);
                opened.map_or_else(|| rest.chars().next().map_or(1, char::len_utf8), |(begin, _)| begin.len())
            }
            Some(_) => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
    }
    (found, text.get(begin..).unwrap_or_default())
}

/// Whether there is nothing in a text but blanks and comments.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = if rest.starts_with("--") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            match rest.get(2..).and_then(|rest| rest.find("*/")) {
                Some(end) => Some(end + 3),
                // It goes on in the next line.
                None => return false,
            }
        } else {
            return false;
        };
        rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default().trim_start();
    }
    true
}

/// Whether the first word is one that a question begins with.
fn is_question(tokens: &[Token]) -> bool {
    let first = tokens.iter().find(|token| !matches!(token, Token::Whitespace(_) | Token::LParen));
    let Some(Token::Word(word)) = first else { return false };
    BEGINNINGS.iter().any(|beginning| word.value.eq_ignore_ascii_case(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_statement() {
        for blank in ["", " \n", "-- x", "-- x\n", " /* a; b */ -- x\n", "--\n--\n"] {
            assert!(is_blank(blank), "{blank}");
        }
        for text in ["x", "-- x\ny", "/* a", "/*/", "/* a */ b", "- -", "'--'"] {
            assert!(!is_blank(text), "{text}");
        }
    }

    #[test]
    fn statements_end_with_semicolons_that_stand_by_themselves() {
        for (text, found, rest) in [
            ("", &[][..], ""),
            ("SELECT 1", &[], "SELECT 1"),
            ("SELECT 1;", &["SELECT 1"], ""),
            ("SELECT 1; SELECT 2;\n", &["SELECT 1", " SELECT 2"], "\n"),
            ("SELECT ';';", &["SELECT ';'"], ""),
            ("SELECT 'it''s; é' AS \";\";", &["SELECT 'it''s; é' AS \";\""], ""),
            ("SELECT 1 -- one; two\n;", &["SELECT 1 -- one; two\n"], ""),
            ("SELECT /* a; b */ 1;x", &["SELECT /* a; b */ 1"], "x"),
            ("SELECT 'open; 1", &[], "SELECT 'open; 1"),
            (";; ;", &[], ""),
        ] {
            assert_eq!(statements(text), (found.to_vec(), rest), "{text}");
        }
    }
}
