//! Rows that have the same values: groups, their sums, distinct rows, windows.

use std::collections::{HashMap, HashSet};

use super::column::{Column, Type};
use super::error::{Result, SqlError, wrong};
use super::eval;
use super::functions::{long, most_text};
use super::node::{Aggregate, Node, Order, Ranking, Sum, Window};
use super::relation::{Relation, indices};

/// Which group every row is in, by number; groups are numbered in the order in which they first appear. NULL equals NULL.
pub(super) struct Groups {
    pub(super) of: Vec<usize>,
    /// The first row of each.
    pub(super) first: Vec<usize>,
}

impl Groups {
    pub(super) fn by(columns: &[Column], rows: usize) -> Result<Self> {
        let mut of = vec![0; rows];
        let mut first = if rows == 0 { Vec::new() } else { vec![0] };
        for column in columns {
            let keys = column.keys(rows, &mut HashMap::new())?;
            let mut numbers: HashMap<(usize, Option<u64>), usize> = HashMap::new();
            first.clear();
            for ((row, group), key) in of.iter_mut().enumerate().zip(keys) {
                *group = *numbers.entry((*group, key)).or_insert_with(|| {
                    first.push(row);
                    first.len() - 1
                });
            }
        }
        Ok(Self { of, first })
    }

    /// The rows of each, in order.
    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.first.len()];
        for (row, group) in self.of.iter().enumerate() {
            if let Some(group) = members.get_mut(*group) {
                group.push(row);
            }
        }
        members
    }
}

/// The first of every set of equal rows.
pub(super) fn distinct(relation: &Relation) -> Result<Relation> {
    relation.rows_at(&Groups::by(&relation.columns, relation.rows)?.first)
}

/// The rows in order; those that are equal keep theirs.
pub(super) fn sorted(order: &[Order], relation: &Relation, rows: Vec<usize>) -> Result<Vec<usize>> {
    let columns = order.iter().map(|key| eval::column(&key.node, relation)?.stretched(relation.rows));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let keys: Vec<_> =
        columns.iter().zip(order).map(|(column, key)| column.comparison(key.descending, key.nulls_first)).collect();
    let mut rows = rows;
    rows.sort_by(|a, b| {
        keys.iter().map(|key| key(*a, *b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(rows)
}

impl Aggregate {
    pub(super) fn kind(sum: &Sum, argument: Option<Type>) -> Result<Type> {
        let argument = argument.unwrap_or(Type::Integer);
        match (sum, argument) {
            (Sum::Count, _) => Ok(Type::Integer),
            (Sum::Mean, Type::Integer | Type::Float | Type::Null) => Ok(Type::Float),
            (Sum::Total, Type::Integer | Type::Float) | (Sum::Least | Sum::Greatest, _) => Ok(argument),
            (Sum::Total, Type::Null) => Ok(Type::Integer),
            (Sum::All | Sum::Any, Type::Flag | Type::Null) => Ok(Type::Flag),
            (Sum::Texts(_), Type::Text | Type::Null) => Ok(Type::Text),
            (Sum::Total, Type::Flag) => wrong("`sum` of booleans: write count(*) FILTER (WHERE …)"),
            (Sum::Total | Sum::Mean, other) => {
                wrong(format!("`sum` and `avg` need numbers, and have {}", other.name()))
            }
            (Sum::All | Sum::Any, other) => {
                wrong(format!("`bool_and` and `bool_or` need booleans, and have {}", other.name()))
            }
            (Sum::Texts(_), other) => {
                wrong(format!("`string_agg` needs text, and has {}: write CAST(… AS TEXT)", other.name()))
            }
        }
    }

    /// One value for each group.
    pub(super) fn values(&self, kind: Type, relation: &Relation, members: &[Vec<usize>]) -> Result<Column> {
        let rows = relation.rows;
        let columns = self.arguments.iter().map(|node| eval::column(node, relation)?.stretched(rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let allowed: Option<HashSet<usize>> = match &self.filter {
            Some(filter) => Some(eval::true_rows(filter, relation)?.into_iter().collect()),
            None => None,
        };
        // A row of several values is no NULL, whatever its values are.
        let nulls: Option<Vec<bool>> = match columns.as_slice() {
            [column] => Some(column.nulls(rows)?),
            _ => None,
        };
        let same = if self.distinct { Some(Groups::by(&columns, rows)?) } else { None };
        let ordered = if self.order.is_empty() { None } else { Some(self.places(relation)?) };
        let chosen = members.iter().map(|group| {
            let mut seen = HashSet::new();
            let wanted = |row: &&usize| {
                allowed.as_ref().is_none_or(|rows| rows.contains(*row))
                    && nulls.as_ref().is_none_or(|nulls| nulls.get(**row) == Some(&false))
            };
            let mut group: Vec<usize> = group.iter().filter(wanted).copied().collect();
            if let Some(places) = &ordered {
                group.sort_by_key(|row| places.get(*row));
            }
            if let Some(same) = &same {
                group.retain(|row| same.of.get(*row).is_some_and(|value| seen.insert(*value)));
            }
            group
        });
        self.sum.of(columns.first(), kind, &chosen.collect::<Vec<_>>())
    }

    /// The place of every row in the order that the call itself has.
    fn places(&self, relation: &Relation) -> Result<Vec<usize>> {
        let mut places = vec![0; relation.rows];
        for (place, row) in sorted(&self.order, relation, (0..relation.rows).collect())?.into_iter().enumerate() {
            if let Some(slot) = places.get_mut(row) {
                *slot = place;
            }
        }
        Ok(places)
    }
}

impl Sum {
    /// Of the chosen rows of each group. Of none it is NULL, but for a count.
    fn of(&self, column: Option<&Column>, kind: Type, groups: &[Vec<usize>]) -> Result<Column> {
        if *self == Self::Count {
            return Ok(Column::integers(groups.iter().map(|rows| i64::try_from(rows.len()).ok())));
        }
        let Some(column) = column else { return wrong("an aggregate function needs a value") };
        match self {
            Self::Total | Self::Mean => self.number(column, kind, groups),
            Self::Least | Self::Greatest => {
                let order = column.comparison(*self == Self::Greatest, false);
                let best = |rows: &Vec<usize>| rows.iter().copied().min_by(|a, b| order(*a, *b));
                let rows = groups.iter().map(|rows| best(rows).and_then(|row| u32::try_from(row).ok()));
                column.take(&super::column::numbers(rows))
            }
            Self::All | Self::Any => {
                let flags: Vec<Option<bool>> = column.as_flags(column.len())?.collect();
                let any = *self == Self::Any;
                let one = |rows: &Vec<usize>| {
                    let mut known = rows.iter().filter_map(|row| flags.get(*row).copied().flatten());
                    (!rows.is_empty()).then(|| if any { known.any(|flag| flag) } else { known.all(|flag| flag) })
                };
                Ok(Column::flags(groups.iter().map(one)))
            }
            Self::Texts(between) => texts(column, between, groups),
            Self::Count => Ok(Column::absent(kind, groups.len())),
        }
    }

    fn number(&self, column: &Column, kind: Type, groups: &[Vec<usize>]) -> Result<Column> {
        if let (Column::Integer(_), Self::Total, Type::Integer) = (column, self, kind) {
            let numbers: Vec<Option<i64>> = column.as_integers(column.len())?.collect();
            let total = |rows: &Vec<usize>| {
                let known = rows.iter().filter_map(|row| numbers.get(*row).copied().flatten());
                let sum: i128 = known.map(i128::from).sum();
                if rows.is_empty() {
                    Ok(None)
                } else {
                    i64::try_from(sum).map(Some).map_err(|_| SqlError::Wrong("a sum is out of range".to_owned()))
                }
            };
            return Ok(Column::integers(groups.iter().map(total).collect::<Result<Vec<_>>>()?.into_iter()));
        }
        let numbers: Vec<Option<f64>> = match column {
            Column::Text(_) => vec![None; column.len()],
            _ => column.as_floats(column.len())?.collect(),
        };
        let one = |rows: &Vec<usize>| {
            let known = rows.iter().filter_map(|row| numbers.get(*row).copied().flatten());
            let sum: f64 = known.sum();
            #[expect(clippy::cast_precision_loss, reason = "far fewer rows than a double can number")]
            let mean = sum / rows.len() as f64;
            (!rows.is_empty()).then_some(if *self == Self::Mean { mean } else { sum })
        };
        Ok(Column::floats(groups.iter().map(one)))
    }
}

fn texts(column: &Column, between: &str, groups: &[Vec<usize>]) -> Result<Column> {
    let texts: Vec<Option<&str>> = column.as_texts(column.len())?.collect();
    let (mut bytes, most) = (0, most_text(column.len()));
    let mut one = |rows: &Vec<usize>| {
        let parts: Vec<&str> = rows.iter().filter_map(|row| texts.get(*row).copied().flatten()).collect();
        bytes += parts.iter().map(|part| part.len() + between.len()).sum::<usize>();
        if bytes > most {
            return long("`string_agg`", most);
        }
        Ok((!rows.is_empty()).then(|| parts.join(between)))
    };
    Ok(Column::texts(groups.iter().map(&mut one).collect::<Result<Vec<_>>>()?.into_iter()))
}

/// A relation of one row for each group: the keys first, then the sums.
pub(super) fn grouped(keys: &[Node], sums: &[(Aggregate, Type)], relation: &Relation) -> Result<Relation> {
    let columns = keys.iter().map(|key| eval::column(key, relation)?.stretched(relation.rows));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    // Without keys all rows are one group, and it is there even where no row is.
    let (members, first) = if keys.is_empty() {
        (vec![(0..relation.rows).collect()], Vec::new())
    } else {
        let groups = Groups::by(&columns, relation.rows)?;
        (groups.members(), groups.first)
    };
    let first = indices(first.into_iter())?;
    let mut columns = columns.iter().map(|column| column.take(&first)).collect::<Result<Vec<_>>>()?;
    for (sum, kind) in sums {
        columns.push(sum.values(*kind, relation, &members)?);
    }
    Ok(Relation { fields: Vec::new(), rows: members.len(), columns })
}

impl Window {
    /// One value for each row.
    pub(super) fn values(&self, kind: Type, relation: &Relation) -> Result<Column> {
        let rows = relation.rows;
        let partition = self.partition.iter().map(|node| eval::column(node, relation)?.stretched(rows));
        let groups = Groups::by(&partition.collect::<Result<Vec<_>>>()?, rows)?;
        if let Ranking::Sum(sum) = &self.ranking {
            return self.sums(sum, kind, relation, &groups);
        }
        let order: Vec<usize> = sorted(&self.order, relation, (0..rows).collect())?;
        let mut members = vec![Vec::new(); groups.first.len()];
        for row in order {
            if let Some(group) = groups.of.get(row).and_then(|group| members.get_mut(*group)) {
                group.push(row);
            }
        }
        match &self.ranking {
            Ranking::Lag(_) | Ranking::First => self.elsewhere(relation, &members),
            _ => self.ranks(relation, &members),
        }
    }

    fn sums(&self, sum: &Sum, kind: Type, relation: &Relation, groups: &Groups) -> Result<Column> {
        let call = Aggregate {
            sum: sum.clone(),
            arguments: self.arguments.clone(),
            distinct: false,
            filter: None,
            order: Vec::new(),
        };
        call.values(kind, relation, &groups.members())?.take(&indices(groups.of.iter().copied())?)
    }

    fn ranks(&self, relation: &Relation, members: &[Vec<usize>]) -> Result<Column> {
        let keys = self.order.iter().map(|key| eval::column(&key.node, relation)?.stretched(relation.rows));
        let same = Groups::by(&keys.collect::<Result<Vec<_>>>()?, relation.rows)?;
        let mut ranks = vec![None; relation.rows];
        for group in members {
            let (mut rank, mut dense, mut last) = (0, 0, None);
            for (place, row) in (1_i64..).zip(group) {
                let peers = same.of.get(*row);
                if last != peers {
                    (rank, dense, last) = (place, dense + 1, peers);
                }
                if let Some(slot) = ranks.get_mut(*row) {
                    *slot = Some(match self.ranking {
                        Ranking::RowNumber => place,
                        Ranking::Rank => rank,
                        _ => dense,
                    });
                }
            }
        }
        Ok(Column::integers(ranks.into_iter()))
    }

    fn elsewhere(&self, relation: &Relation, members: &[Vec<usize>]) -> Result<Column> {
        let Some(argument) = self.arguments.first() else { return wrong("a window function needs a value") };
        let column = eval::column(argument, relation)?.stretched(relation.rows)?;
        let mut source = vec![None; relation.rows];
        for group in members {
            for (place, row) in group.iter().enumerate() {
                let at = match self.ranking {
                    Ranking::Lag(by) => i64::try_from(place).ok().and_then(|place| place.checked_sub(by)),
                    _ => Some(0),
                };
                let other = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| group.get(at));
                if let Some(slot) = source.get_mut(*row) {
                    *slot = other.and_then(|row| u32::try_from(*row).ok());
                }
            }
        }
        column.take(&super::column::numbers(source.into_iter()))
    }
}
