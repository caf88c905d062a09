//! A statement's expressions, with every name resolved and every type known.

use std::collections::HashSet;
use std::rc::Rc;

use super::column::{Type, Value};
use super::function::Function;
use super::relation::Relation;

/// An expression and its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Type,
    pub(super) form: Form,
}

/// What an expression does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// A column of the relation, by its place.
    Column(usize),
    Constant(Value),
    Not(Box<Node>),
    /// All of them, by three-valued logic.
    And(Vec<Node>),
    /// Any of them, by three-valued logic.
    Or(Vec<Node>),
    /// Whether the truth value is this one; `None` asks of any value whether it is NULL. Never NULL itself.
    Is(Box<Node>, Option<bool>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// Equal, or both NULL. Never NULL itself.
    Same(Box<Node>, Box<Node>),
    /// Whether a value is among those of a list or a subquery.
    Among(Box<Node>, Shared<Set>),
    /// The first branch whose condition is true, else the last value.
    Case(Vec<(Node, Node)>, Box<Node>),
    Call(Function, Vec<Node>),
    /// A value that is computed once, and what is made of it: there it is [`Form::Bound`].
    Let(Box<Node>, Box<Node>),
    /// The value of the [`Form::Let`] that is next around it.
    Bound,
    /// Whether the inner relation has a row for which the condition holds, which sees first the outer columns, of this number.
    Exists(Shared<Relation>, Box<Node>, usize),
    Aggregate(Box<Aggregate>),
    Window(Box<Window>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The values of a list or of a subquery.
#[derive(Debug)]
pub(super) enum Set {
    Numbers(HashSet<u64>, bool),
    Texts(HashSet<String>, bool),
}

/// What an aggregate function computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sum {
    /// Rows, or values that are not NULL.
    Count,
    Total,
    Mean,
    Least,
    Greatest,
    All,
    Any,
    /// Texts with this between them.
    Texts(String),
}

/// A call of an aggregate function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aggregate {
    pub(super) sum: Sum,
    /// None for `count(*)`, several for `count(DISTINCT (a, b))`.
    pub(super) arguments: Vec<Node>,
    pub(super) distinct: bool,
    pub(super) filter: Option<Node>,
    pub(super) order: Vec<Order>,
}

/// One key of an ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) node: Node,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// What a window function computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ranking {
    RowNumber,
    Rank,
    DenseRank,
    /// The value so many rows before (negative: after).
    Lag(i64),
    First,
    Sum(Sum),
}

/// A call of a window function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) ranking: Ranking,
    pub(super) arguments: Vec<Node>,
    pub(super) partition: Vec<Node>,
    pub(super) order: Vec<Order>,
}

/// What several expressions may hold; the same only as itself.
#[derive(Debug)]
pub(super) struct Shared<T>(pub(super) Rc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Node {
    pub(super) const fn column(place: usize, kind: Type) -> Self {
        Self { kind, form: Form::Column(place) }
    }

    pub(super) const fn constant(value: Value, kind: Type) -> Self {
        Self { kind, form: Form::Constant(value) }
    }

    pub(super) const fn flag(form: Form) -> Self {
        Self { kind: Type::Flag, form }
    }

    pub(super) fn negated(self, negated: bool) -> Self {
        if negated { Self::flag(Form::Not(Box::new(self))) } else { self }
    }

    /// Makes something of a value that is named more than once.
    pub(super) fn once(self, make: impl FnOnce(Self) -> Self) -> Self {
        let body = make(Self { kind: self.kind, form: Form::Bound });
        Self { kind: body.kind, form: Form::Let(Box::new(self), Box::new(body)) }
    }

    pub(super) fn compared(self, how: Comparison, other: Self) -> Self {
        Self::flag(Form::Compare(how, Box::new(self), Box::new(other)))
    }

    /// Its parts, and those of an aggregate or window that it is.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.form {
            Form::Column(_) | Form::Constant(_) | Form::Bound => Vec::new(),
            Form::Not(part) | Form::Is(part, _) | Form::Among(part, _) | Form::Exists(_, part, _) => vec![part],
            Form::And(parts) | Form::Or(parts) | Form::Call(_, parts) => parts.iter().collect(),
            Form::Compare(_, one, other) | Form::Same(one, other) | Form::Let(one, other) => vec![one, other],
            Form::Case(branches, other) => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain([&**other]).collect()
            }
            Form::Aggregate(call) => {
                let order = call.order.iter().map(|key| &key.node);
                call.arguments.iter().chain(&call.filter).chain(order).collect()
            }
            Form::Window(call) => {
                let order = call.order.iter().map(|key| &key.node);
                call.arguments.iter().chain(&call.partition).chain(order).collect()
            }
        }
    }

    /// The same with every part changed.
    pub(super) fn with_parts<E>(&self, change: &mut dyn FnMut(&Self) -> Result<Self, E>) -> Result<Self, E> {
        let mut one = |part: &Self| change(part).map(Box::new);
        let form = match &self.form {
            Form::Column(_) | Form::Constant(_) | Form::Bound => self.form.clone(),
            Form::Not(part) => Form::Not(one(part)?),
            Form::Is(part, what) => Form::Is(one(part)?, *what),
            Form::Among(part, set) => Form::Among(one(part)?, set.clone()),
            Form::Exists(inner, on, width) => Form::Exists(inner.clone(), one(on)?, *width),
            Form::And(parts) => Form::And(all(parts, change)?),
            Form::Or(parts) => Form::Or(all(parts, change)?),
            Form::Call(function, parts) => Form::Call(function.clone(), all(parts, change)?),
            Form::Compare(how, a, b) => Form::Compare(*how, one(a)?, one(b)?),
            Form::Same(a, b) => Form::Same(one(a)?, one(b)?),
            Form::Let(a, b) => Form::Let(one(a)?, one(b)?),
            Form::Case(branches, other) => {
                let other = one(other)?;
                let branch = |(when, then): &(Self, Self)| Ok((change(when)?, change(then)?));
                Form::Case(branches.iter().map(branch).collect::<Result<_, E>>()?, other)
            }
            Form::Aggregate(call) => Form::Aggregate(Box::new(Aggregate {
                sum: call.sum.clone(),
                arguments: all(&call.arguments, change)?,
                distinct: call.distinct,
                filter: call.filter.as_ref().map(&mut *change).transpose()?,
                order: keys(&call.order, change)?,
            })),
            Form::Window(call) => Form::Window(Box::new(Window {
                ranking: call.ranking.clone(),
                arguments: all(&call.arguments, change)?,
                partition: all(&call.partition, change)?,
                order: keys(&call.order, change)?,
            })),
        };
        Ok(Self { kind: self.kind, form })
    }

    /// Whether it, or a part of it, is such.
    pub(super) fn has(&self, what: &dyn Fn(&Form) -> bool) -> bool {
        what(&self.form) || self.parts().into_iter().any(|part| part.has(what))
    }

    /// The conditions that must all hold for it to hold.
    pub(super) fn conjuncts(self) -> Vec<Self> {
        match self.form {
            Form::And(parts) => parts.into_iter().flat_map(Self::conjuncts).collect(),
            _ => vec![self],
        }
    }
}

type Change<'c, E> = dyn FnMut(&Node) -> Result<Node, E> + 'c;

fn all<E>(parts: &[Node], change: &mut Change<'_, E>) -> Result<Vec<Node>, E> {
    parts.iter().map(change).collect()
}

fn keys<E>(order: &[Order], change: &mut Change<'_, E>) -> Result<Vec<Order>, E> {
    order.iter().map(|key| Ok(Order { node: change(&key.node)?, ..key.clone() })).collect()
}
