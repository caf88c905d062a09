//! Expressions computed for every row, by three-valued logic.

use std::collections::HashSet;

use super::column::{Column, Type, Value};
use super::error::{Result, wrong};
use super::join;
use super::node::{Comparison, Form, Node, Set};
use super::relation::{Relation, indices};

/// The values of an expression: one for each row, or one that stands for all.
pub(super) fn column(node: &Node, relation: &Relation) -> Result<Column> {
    let rows = relation.rows;
    Ok(match &node.form {
        Form::Column(place) => match relation.columns.get(*place) {
            Some(column) => column.clone(),
            None => return wrong("a column is missing"),
        },
        Form::Constant(value) => Column::constant(value, node.kind),
        Form::Not(part) => {
            let part = column(part, relation)?;
            let rows = common_rows(&[&part], rows);
            Column::flags(part.as_flags(rows)?.map(|flag| flag.map(|flag| !flag)))
        }
        Form::And(parts) => connected(parts, relation, false)?,
        Form::Or(parts) => connected(parts, relation, true)?,
        Form::Is(part, None) => {
            let part = column(part, relation)?;
            Column::flags(part.nulls(common_rows(&[&part], rows))?.into_iter().map(Some))
        }
        Form::Is(part, Some(wanted)) => {
            let part = column(part, relation)?;
            let rows = common_rows(&[&part], rows);
            Column::flags(part.as_flags(rows)?.map(|flag| Some(flag == Some(*wanted))))
        }
        Form::Compare(how, a, b) => {
            let holds = |a: Option<std::cmp::Ordering>| a.map(|order| how.holds(order));
            compared(a, b, relation, &|order, _, _| holds(order))?
        }
        Form::Same(a, b) => {
            compared(a, b, relation, &|order, a, b| Some(order.map_or(a && b, std::cmp::Ordering::is_eq)))?
        }
        Form::Among(part, set) => set.0.holds(&column(part, relation)?, rows)?,
        Form::Case(branches, other) => case(branches, other, relation)?,
        Form::Call(function, parts) => {
            let arguments = parts.iter().map(|part| column(part, relation)).collect::<Result<Vec<_>>>()?;
            let rows = common_rows(&arguments.iter().collect::<Vec<_>>(), rows);
            let from = parts.first().map_or(Type::Null, |part| part.kind);
            function.apply(&arguments, from, node.kind, rows)?
        }
        Form::Let(value, body) => {
            let value = column(value, relation)?.stretched(rows)?;
            let mut relation = relation.clone();
            relation.columns.push(value);
            column(body, &relation)?
        }
        Form::Bound => match relation.columns.last() {
            Some(column) => column.clone(),
            None => return wrong("a value is missing"),
        },
        Form::Exists(inner, on, width) => join::exists(&relation.narrowed(*width), &inner.0, on, &column)?,
        Form::Aggregate(_) => {
            return wrong(
                "an aggregate function stands where there are no groups: write HAVING in place of WHERE, or use a subquery",
            );
        }
        Form::Window(_) => {
            return wrong("a window function may stand only after SELECT and in ORDER BY: use a subquery");
        }
    })
}

/// The rows for which a condition is true: neither false nor NULL.
pub(super) fn true_rows(condition: &Node, relation: &Relation) -> Result<Vec<usize>> {
    column(condition, relation)?.true_rows(relation.rows)
}

/// The rows of a relation for which a condition is true.
pub(super) fn filtered(relation: Relation, condition: &Node) -> Result<Relation> {
    let rows = true_rows(condition, &relation)?;
    if rows.len() == relation.rows { Ok(relation) } else { relation.rows_at(&rows) }
}

/// One row where all of the columns stand for every row.
fn common_rows(columns: &[&Column], rows: usize) -> usize {
    if columns.iter().all(|column| column.len() == 1) { 1 } else { rows }
}

/// AND and OR: the value that decides, else NULL where there is one, else the other value.
fn connected(parts: &[Node], relation: &Relation, decides: bool) -> Result<Column> {
    let mut sum: Vec<Option<bool>> = vec![Some(!decides); relation.rows];
    for part in parts {
        let part = column(part, relation)?;
        for (sum, flag) in sum.iter_mut().zip(part.as_flags(relation.rows)?) {
            *sum = match (*sum, flag) {
                (Some(one), Some(other)) => Some(if decides { one || other } else { one && other }),
                (Some(known), None) | (None, Some(known)) if known == decides => Some(known),
                _ => None,
            };
        }
    }
    Ok(Column::flags(sum.into_iter()))
}

type Outcome<'o> = dyn Fn(Option<std::cmp::Ordering>, bool, bool) -> Option<bool> + 'o;

/// Compares two expressions of one type; `outcome` is given the order, and which of them is NULL.
fn compared(a: &Node, b: &Node, relation: &Relation, outcome: &Outcome<'_>) -> Result<Column> {
    let (a, b) = (column(a, relation)?, column(b, relation)?);
    let rows = common_rows(&[&a, &b], relation.rows);
    fn each<'c, T: Copy + 'c>(
        a: impl Iterator<Item = Option<T>> + 'c,
        b: impl Iterator<Item = Option<T>> + 'c,
        order: fn(T, T) -> std::cmp::Ordering,
        outcome: &Outcome<'_>,
    ) -> Column {
        let one =
            |(a, b): (Option<T>, Option<T>)| outcome(a.zip(b).map(|(a, b)| order(a, b)), a.is_none(), b.is_none());
        Column::flags(a.zip(b).map(one))
    }
    Ok(match (&a, &b) {
        (Column::Flag(_), Column::Flag(_)) => each(a.as_flags(rows)?, b.as_flags(rows)?, |a, b| a.cmp(&b), outcome),
        (Column::Integer(_), Column::Integer(_)) => {
            each(a.as_integers(rows)?, b.as_integers(rows)?, |a, b| a.cmp(&b), outcome)
        }
        (Column::Text(_), Column::Text(_)) => each(a.as_texts(rows)?, b.as_texts(rows)?, |a, b| a.cmp(b), outcome),
        _ => {
            // One zero.
            let order = |a: f64, b: f64| (a + 0.0).total_cmp(&(b + 0.0));
            each(a.as_floats(rows)?, b.as_floats(rows)?, order, outcome)
        }
    })
}

impl Comparison {
    const fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Set {
    /// The values of a column.
    pub(super) fn of(column: &Column, rows: usize) -> Result<Self> {
        Ok(match column {
            Column::Text(_) => {
                let values = || column.as_texts(rows);
                Self::Texts(values()?.flatten().map(str::to_owned).collect(), values()?.any(|text| text.is_none()))
            }
            _ => {
                let keys = column.keys(rows, &mut std::collections::HashMap::new())?;
                Self::Numbers(keys.iter().copied().flatten().collect(), keys.contains(&None))
            }
        })
    }

    /// Whether each value of a column is in it. Where it holds a NULL and not the value, that is not known.
    fn holds(&self, column: &Column, rows: usize) -> Result<Column> {
        fn one<T: std::hash::Hash + Eq>(set: &HashSet<T>, found: Option<bool>, null: bool) -> Option<bool> {
            match found {
                _ if set.is_empty() && !null => Some(false),
                Some(false) if null => None,
                found => found,
            }
        }
        let rows = common_rows(&[column], rows);
        Ok(match self {
            Self::Texts(set, null) => {
                let found = column.as_texts(rows)?.map(|text| text.map(|text| set.contains(text)));
                Column::flags(found.map(|found| one(set, found, *null)))
            }
            Self::Numbers(set, null) => {
                let keys = column.keys(rows, &mut std::collections::HashMap::new())?;
                let found = keys.into_iter().map(|key| key.map(|key| set.contains(&key)));
                Column::flags(found.map(|found| one(set, found, *null)))
            }
        })
    }
}

/// The value of the first branch whose condition is true. Each value is computed for its own rows alone: a branch guards what
/// it would be an error to compute elsewhere.
fn case(branches: &[(Node, Node)], other: &Node, relation: &Relation) -> Result<Column> {
    let mut left: Vec<usize> = (0..relation.rows).collect();
    let mut values: Option<Column> = None;
    let mut places: Vec<Option<u32>> = vec![None; relation.rows];
    let mut add = |node: &Node, rows: &[usize]| -> Result<()> {
        let part = rows_for(relation, &[node], rows)?;
        let more = column(node, &part)?.stretched(rows.len())?;
        let start = values.as_ref().map_or(0, Column::len);
        for (place, row) in rows.iter().enumerate() {
            if let Some(slot) = places.get_mut(*row) {
                *slot = u32::try_from(start + place).ok();
            }
        }
        values = Some(match values.take() {
            Some(values) => values.followed_by(&more)?,
            None => more,
        });
        Ok(())
    };
    for (when, then) in branches {
        let rest = rows_for(relation, &[when], &left)?;
        let hits: HashSet<usize> = true_rows(when, &rest)?.into_iter().collect();
        let (hit, miss): (Vec<_>, Vec<_>) = left.into_iter().enumerate().partition(|(place, _)| hits.contains(place));
        add(then, &hit.into_iter().map(|(_, row)| row).collect::<Vec<_>>())?;
        left = miss.into_iter().map(|(_, row)| row).collect();
    }
    add(other, &left)?;
    let places = super::column::numbers(places.into_iter());
    values.map_or_else(|| wrong("CASE has no branch"), |values| values.take(&places))
}

impl Set {
    /// The values of a list.
    pub(super) fn listed(items: &[Node]) -> Result<Self> {
        let null = items.iter().any(|item| item.form == Form::Constant(Value::Null));
        if items.iter().any(|item| item.kind == Type::Text) {
            let texts = items.iter().filter_map(|item| match &item.form {
                Form::Constant(Value::Text(text)) => Some(text.clone()),
                _ => None,
            });
            return Ok(Self::Texts(texts.collect(), null));
        }
        let mut numbers = HashSet::new();
        for item in items {
            let key = column(item, &Relation::unit())?.keys(1, &mut std::collections::HashMap::new())?;
            numbers.extend(key.into_iter().flatten());
        }
        Ok(Self::Numbers(numbers, null))
    }
}

/// Some rows of a relation, with those of its columns that expressions name, and the last.
fn rows_for(relation: &Relation, nodes: &[&Node], rows: &[usize]) -> Result<Relation> {
    let rows = indices(rows.iter().copied())?;
    let last = relation.columns.len().saturating_sub(1);
    let columns = relation.columns.iter().enumerate().map(|(place, column)| {
        let named = |form: &Form| matches!(form, Form::Column(own) if *own == place);
        let needed = place == last || nodes.iter().any(|node| node.has(&named));
        if needed { column.take(&rows) } else { Ok(Column::absent(Type::Flag, 0)) }
    });
    Ok(Relation { fields: Vec::new(), columns: columns.collect::<Result<_>>()?, rows: rows.len() })
}
