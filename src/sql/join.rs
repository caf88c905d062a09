//! Pairs of rows of two relations: by equal keys where there are any, and by whatever else must hold.

use std::collections::HashMap;
use std::convert::Infallible;

use super::column::{Column, numbers};
use super::error::{Result, SqlError};
use super::node::{Comparison, Form, Node};
use super::relation::{Relation, indices};

/// How many pairs are looked at in all.
const MOST_PAIRS: usize = 200_000_000;
/// How many pairs are looked at in one piece.
const PIECE: usize = 1 << 20;

/// Computes an expression for every row of a relation: an expression can hold a join, so joins are handed that.
pub(super) type Compute<'c> = &'c dyn Fn(&Node, &Relation) -> Result<Column>;

/// The condition of a join, taken apart.
struct Condition {
    /// Expressions over the left columns, and those over the right ones that they must equal.
    keys: Vec<(Node, Node)>,
    /// Over the columns of both.
    rest: Option<Node>,
}

/// On which side of a join an expression's columns are.
fn sides(node: &Node, left: usize) -> (bool, bool) {
    let on = |right: bool| node.has(&|form| matches!(form, Form::Column(place) if (*place >= left) == right));
    (on(false), on(true))
}

/// An expression over the right columns alone.
fn moved(node: &Node, left: usize) -> Node {
    match &node.form {
        Form::Column(place) => Node::column(place.saturating_sub(left), node.kind),
        _ => {
            let Ok(moved) = node.with_parts(&mut |part| Ok::<_, Infallible>(moved(part, left)));
            moved
        }
    }
}

impl Condition {
    fn of(on: &Node, left: usize) -> Self {
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        for part in on.clone().conjuncts() {
            match &part.form {
                // Its columns are numbered in a way of their own.
                _ if part.has(&|form| matches!(form, Form::Exists(..))) => rest.push(part),
                Form::Compare(Comparison::Equal, a, b) => match (sides(a, left), sides(b, left)) {
                    ((true, false), (false, true)) => keys.push(((**a).clone(), moved(b, left))),
                    ((false, true), (true, false)) => keys.push(((**b).clone(), moved(a, left))),
                    _ => rest.push(part),
                },
                _ => rest.push(part),
            }
        }
        let rest = (!rest.is_empty()).then(|| Node::flag(Form::And(rest)));
        Self { keys, rest }
    }
}

/// The rows of the right relation by the values of the keys; rows with a NULL among them equal none.
struct Lookup {
    rows: HashMap<Vec<u64>, Vec<usize>>,
    left: Vec<Option<Vec<u64>>>,
    all: Vec<usize>,
}

impl Lookup {
    fn new(keys: &[(Node, Node)], left: &Relation, right: &Relation, compute: Compute<'_>) -> Result<Self> {
        let (mut ours, mut theirs) = (vec![Some(Vec::new()); left.rows], vec![Some(Vec::new()); right.rows]);
        for (a, b) in keys {
            let mut texts = HashMap::new();
            add(&mut theirs, compute(b, right)?.keys(right.rows, &mut texts)?);
            add(&mut ours, compute(a, left)?.keys(left.rows, &mut texts)?);
        }
        let mut rows: HashMap<Vec<u64>, Vec<usize>> = HashMap::new();
        if !keys.is_empty() {
            for (row, key) in theirs.into_iter().enumerate() {
                if let Some(key) = key {
                    rows.entry(key).or_default().push(row);
                }
            }
        }
        let all = if keys.is_empty() { (0..right.rows).collect() } else { Vec::new() };
        Ok(Self { rows, left: ours, all })
    }

    fn of(&self, row: usize) -> &[usize] {
        match self.left.get(row) {
            Some(Some(key)) if key.is_empty() => &self.all,
            Some(Some(key)) => self.rows.get(key).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

fn add(sum: &mut [Option<Vec<u64>>], keys: Vec<Option<u64>>) {
    for (sum, key) in sum.iter_mut().zip(keys) {
        match key {
            Some(key) => {
                if let Some(sum) = sum {
                    sum.push(key);
                }
            }
            None => *sum = None,
        }
    }
}

/// Is given pairs of rows, those of a left row in order.
type Visitor<'v> = dyn FnMut(&[(usize, usize)]) -> Result<()> + 'v;

/// Gives every pair of rows for which a condition is true, in order, in pieces; `most` is how many may be looked at where they
/// need no further look. Without a condition every pair is one.
fn visit(
    [left, right]: [&Relation; 2],
    on: Option<&Node>,
    most: usize,
    compute: Compute<'_>,
    each: &mut Visitor<'_>,
) -> Result<()> {
    let condition = on.map_or(Condition { keys: Vec::new(), rest: None }, |on| Condition::of(on, left.columns.len()));
    let lookup = Lookup::new(&condition.keys, left, right, compute)?;
    let looked: usize = (0..left.rows).map(|row| lookup.of(row).len()).fold(0, usize::saturating_add);
    if looked > MOST_PAIRS || (condition.rest.is_none() && looked > most) {
        return large(looked);
    }
    let mut piece = Vec::new();
    for row in 0..left.rows {
        piece.extend(lookup.of(row).iter().map(|other| (row, *other)));
        if piece.len() >= PIECE || row + 1 == left.rows {
            each(&holding(left, right, condition.rest.as_ref(), std::mem::take(&mut piece), compute)?)?;
        }
    }
    Ok(())
}

fn large<T>(pairs: usize) -> Result<T> {
    Err(SqlError::Large(format!(
        "a join makes {pairs} rows or more, which is too many: join by equal columns (JOIN … ON a.object_id = b.object_id), or narrow \
         both sides by subqueries first"
    )))
}

/// Those of the pairs for which the rest of the condition is true.
fn holding(
    left: &Relation,
    right: &Relation,
    rest: Option<&Node>,
    pairs: Vec<(usize, usize)>,
    compute: Compute<'_>,
) -> Result<Vec<(usize, usize)>> {
    let Some(rest) = rest else { return Ok(pairs) };
    let needed = |place: usize| rest.has(&|form| matches!(form, Form::Column(own) if *own == place));
    let ours = indices(pairs.iter().map(|(row, _)| *row))?;
    let theirs = indices(pairs.iter().map(|(_, row)| *row))?;
    let mut both = Relation { fields: Vec::new(), columns: Vec::new(), rows: pairs.len() };
    for (place, column) in left.columns.iter().chain(&right.columns).enumerate() {
        let rows = if place < left.columns.len() { &ours } else { &theirs };
        both.columns.push(if needed(place) {
            column.take(rows)?
        } else {
            Column::absent(super::column::Type::Flag, 0)
        });
    }
    let hits = compute(rest, &both)?.true_rows(both.rows)?;
    Ok(hits.into_iter().filter_map(|hit| pairs.get(hit).copied()).collect())
}

/// Which rows stay that have no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) left: bool,
    pub(super) right: bool,
}

/// Both relations' columns, for every pair, and for the rows without a partner that stay.
pub(super) fn joined(
    left: &Relation,
    right: &Relation,
    on: Option<&Node>,
    outer: Outer,
    most: usize,
    compute: Compute<'_>,
) -> Result<Relation> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    visit([left, right], on, most, compute, &mut |piece| {
        pairs.extend(piece);
        if pairs.len() > most { large(pairs.len()) } else { Ok(()) }
    })?;
    let (mut ours, mut theirs) = (vec![false; left.rows], vec![false; right.rows]);
    for (a, b) in &pairs {
        if let (Some(a), Some(b)) = (ours.get_mut(*a), theirs.get_mut(*b)) {
            (*a, *b) = (true, true);
        }
    }
    let lonely = |seen: &[bool], stays: bool| -> Vec<usize> {
        seen.iter().enumerate().filter(|(_, seen)| stays && !**seen).map(|(row, _)| row).collect()
    };
    let (mut rows, mut others): (Vec<Option<usize>>, Vec<Option<usize>>) =
        pairs.into_iter().map(|(a, b)| (Some(a), Some(b))).unzip();
    for row in lonely(&ours, outer.left) {
        rows.push(Some(row));
        others.push(None);
    }
    // A left row without a partner stands where the row stands.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|place| rows.get(*place).copied().flatten());
    let place = |rows: &[Option<usize>]| -> Vec<Option<usize>> {
        order.iter().map(|place| rows.get(*place).copied().flatten()).collect()
    };
    let (mut rows, mut others) = (place(&rows), place(&others));
    for row in lonely(&theirs, outer.right) {
        rows.push(None);
        others.push(Some(row));
    }
    let number = |row: &Option<usize>| row.and_then(|row| u32::try_from(row).ok());
    let left = left.take(&numbers(rows.iter().map(number)))?;
    let right = right.take(&numbers(others.iter().map(number)))?;
    Ok(Relation {
        rows: left.rows,
        fields: [left.fields, right.fields].concat(),
        columns: [left.columns, right.columns].concat(),
    })
}

/// Whether each row of a relation has a partner.
pub(super) fn exists(relation: &Relation, inner: &Relation, on: &Node, compute: Compute<'_>) -> Result<Column> {
    let mut found = vec![false; relation.rows];
    visit([relation, inner], Some(on), MOST_PAIRS, compute, &mut |piece| {
        for (row, _) in piece {
            if let Some(slot) = found.get_mut(*row) {
                *slot = true;
            }
        }
        Ok(())
    })?;
    Ok(Column::flags(found.into_iter().map(Some)))
}
