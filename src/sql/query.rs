//! Queries, from the inside out: each part of a statement is computed whole, in the order that SQL gives it: FROM, WHERE, GROUP BY,
//! HAVING, windows, SELECT, DISTINCT, ORDER BY, LIMIT.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use sqlparser::ast::{
    Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause,
    ObjectName, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor, TableWithJoins,
    Value as Literal, WildcardAdditionalOptions,
};

use super::Tables;
use super::bind::{Binder, Layer, Subqueries, order, single};
use super::column::{Column, Type, Value};
use super::error::{Result, SqlError, unsupported, wrong};
use super::eval;
use super::functions::alike;
use super::group::{self, Groups};
use super::join::{self, Outer};
use super::node::{Aggregate, Comparison, Form, Node, Order, Shared, Window};
use super::relation::{Field, Relation, indices};

/// How many values what a statement makes of its tables may hold, or four times what the tables hold.
const MOST_CELLS: usize = 8_000_000;

/// What a statement may ask, and what it has read so far.
pub(super) struct Queries<'q> {
    tables: &'q dyn Tables,
    /// Every word of the statement: no other column is read, unless a `*` asks for all.
    words: HashSet<String>,
    loaded: BTreeMap<(String, bool), Rc<Relation>>,
    cells: usize,
    named: Vec<(String, Rc<Relation>)>,
    /// The columns of the queries around the one that is worked on.
    outer: Vec<Vec<Field>>,
}

/// The place that a number after ORDER BY or GROUP BY means.
fn position(expr: &Expr, places: usize) -> Result<Option<usize>> {
    let Expr::Value(value) = expr else { return Ok(None) };
    match &value.value {
        Literal::Number(digits, _) => match digits.parse::<usize>() {
            Ok(place @ 1..) if place <= places => Ok(Some(place - 1)),
            _ => wrong(format!("{digits} is not a column: SELECT has {places}")),
        },
        other => unsupported(
            format!("ordering or grouping by the constant {other}"),
            "name a column; a name in single quotes is a text",
        ),
    }
}

/// The number after LIMIT or OFFSET.
fn number(expr: &Expr) -> Result<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, _) => {
                digits.parse().or_else(|_| wrong(format!("LIMIT and OFFSET need a number of rows, not {digits}")))
            }
            other => wrong(format!("LIMIT and OFFSET need a number of rows, not {other}")),
        },
        other => unsupported(format!("`{other}` after LIMIT or OFFSET"), "write a number"),
    }
}

fn limits(clause: Option<&LimitClause>) -> Result<(usize, usize)> {
    match clause {
        None => Ok((0, usize::MAX)),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            let skip = offset.as_ref().map(|offset| number(&offset.value)).transpose()?;
            let take = limit.as_ref().map(number).transpose()?;
            Ok((skip.unwrap_or(0), take.unwrap_or(usize::MAX)))
        }
        Some(other) => unsupported(format!("`{}`", other.to_string().trim()), "write LIMIT 10 OFFSET 20"),
    }
}

fn cut(relation: Relation, (skip, take): (usize, usize)) -> Result<Relation> {
    if skip == 0 && take >= relation.rows {
        return Ok(relation);
    }
    let rows: Vec<usize> = (0..relation.rows).skip(skip).take(take).collect();
    relation.rows_at(&rows)
}

/// A value after SELECT.
struct Item {
    node: Node,
    name: String,
    table: Option<String>,
    /// Whether AS gave the name.
    given: bool,
}

impl<'q> Queries<'q> {
    pub(super) const fn new(tables: &'q dyn Tables, words: HashSet<String>) -> Self {
        Self { tables, words, loaded: BTreeMap::new(), cells: 0, named: Vec::new(), outer: Vec::new() }
    }

    /// How many rows of so many columns may be made.
    fn most(&self, columns: usize) -> usize {
        MOST_CELLS.max(self.cells.saturating_mul(4)) / columns.max(1)
    }

    /// The answer to a query.
    pub(super) fn query(&mut self, query: &Query) -> Result<Relation> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if fetch.is_some() {
            return unsupported("FETCH", "write LIMIT");
        }
        if !locks.is_empty()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty()
        {
            return unsupported("a clause after the query", "a query ends with ORDER BY, LIMIT and OFFSET");
        }
        let known = self.named.len();
        if let Some(with) = with {
            if with.recursive {
                return unsupported("WITH RECURSIVE", "join the table with itself");
            }
            for cte in &with.cte_tables {
                self.name(cte)?;
            }
        }
        let answer = self.body(body, order_by.as_ref(), limits(limit_clause.as_ref())?);
        self.named.truncate(known);
        answer
    }

    fn name(&mut self, cte: &Cte) -> Result<()> {
        let Cte { alias, query, from: None, materialized: _, closing_paren_token: _ } = cte else {
            return unsupported(format!("`{}`", cte.alias), "write WITH name AS (SELECT …)");
        };
        let relation = self.query(query)?;
        let name = alias.name.value.clone();
        let relation = aliased(relation, alias)?;
        self.named.push((name, Rc::new(relation)));
        Ok(())
    }

    fn body(&mut self, body: &SetExpr, order_by: Option<&OrderBy>, limits: (usize, usize)) -> Result<Relation> {
        let keys = match order_by {
            None => &[][..],
            Some(OrderBy { kind: OrderByKind::Expressions(keys), interpolate: None }) => keys,
            Some(_) => return unsupported("ORDER BY ALL", "name the columns, or their numbers"),
        };
        if let SetExpr::Select(select) = body {
            return cut(self.select(select, keys)?, limits);
        }
        let relation = self.set(body)?;
        let mut order = Vec::new();
        for key in keys {
            let node = match position(&key.expr, relation.fields.len())? {
                Some(place) => Node::column(place, relation.fields.get(place).map_or(Type::Null, |field| field.kind)),
                None => self.bind(&relation, &[]).node(&key.expr)?,
            };
            order.push(self::order(key, node)?);
        }
        let rows = group::sorted(&order, &relation, (0..relation.rows).collect())?;
        let relation = if order.is_empty() { relation } else { relation.rows_at(&rows)? };
        cut(relation, limits)
    }

    fn set(&mut self, body: &SetExpr) -> Result<Relation> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let all = match set_quantifier {
                    SetQuantifier::None | SetQuantifier::Distinct => false,
                    SetQuantifier::All if *op == SetOperator::Union => true,
                    other => {
                        return unsupported(
                            format!("{op} {other}"),
                            "there are UNION, UNION ALL, INTERSECT and EXCEPT",
                        );
                    }
                };
                let left = self.set(left)?;
                let right = self.set(right)?;
                self.combined(left, right, *op, all)
            }
            SetExpr::Values(_) => {
                unsupported("VALUES", "write IN ('a', 'b'), or SELECT 'a' AS name UNION ALL SELECT 'b'")
            }
            SetExpr::Table(table) => unsupported(format!("`{table}`"), "write SELECT * FROM it"),
            _ => unsupported("a statement that changes something", "write SELECT"),
        }
    }

    fn combined(&self, left: Relation, right: Relation, op: SetOperator, all: bool) -> Result<Relation> {
        let (ours, theirs) = (left.columns.len(), right.columns.len());
        if ours != theirs {
            return wrong(format!("{op} needs as many columns on both sides, and has {ours} and {theirs}"));
        }
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        if left.rows + right.rows > self.most(ours) {
            return Err(SqlError::Large(format!("{op} makes {} rows, which is too many", left.rows + right.rows)));
        }
        for (place, field) in left.fields.iter().enumerate() {
            let kind = right.fields.get(place).map_or(Type::Null, |field| field.kind);
            let (nodes, kind) =
                alike(vec![Node::column(place, field.kind), Node::column(place, kind)], &op.to_string())?;
            let [one, other] = nodes.as_slice() else { return wrong("a column is missing") };
            let one = eval::column(one, &left)?.stretched(left.rows)?;
            columns.push(one.followed_by(&eval::column(other, &right)?.stretched(right.rows)?)?);
            fields.push(Field { table: None, name: field.name.clone(), kind, covered: false });
        }
        let both = Relation { fields, columns, rows: left.rows + right.rows };
        if all {
            return Ok(both);
        }
        let groups = Groups::by(&both.columns, both.rows)?;
        let right: HashSet<usize> = groups.of.iter().skip(left.rows).copied().collect();
        let stays = |(group, row): &(usize, &usize)| match op {
            SetOperator::Union => true,
            SetOperator::Intersect => **row < left.rows && right.contains(group),
            _ => **row < left.rows && !right.contains(group),
        };
        let rows: Vec<usize> = groups.first.iter().enumerate().filter(stays).map(|(_, row)| *row).collect();
        both.rows_at(&rows)
    }

    fn bind<'s>(&'s mut self, relation: &'s Relation, aliases: &'s [(String, Node)]) -> Binder<'s> {
        Binder { queries: self, layers: vec![Layer { relation, offset: 0 }], aliases, strict: false }
    }

    fn select(&mut self, select: &Select, keys: &[OrderByExpr]) -> Result<Relation> {
        check_select(select)?;
        let all = select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let mut relation = self.from(select, all)?;
        let items = self.items(&select.projection, &relation)?;
        let aliases: Vec<(String, Node)> =
            items.iter().filter(|item| item.given).map(|item| (item.name.clone(), item.node.clone())).collect();
        if let Some(condition) = &select.selection {
            let condition = self.bind(&relation, &aliases).condition(condition, "WHERE")?;
            relation = eval::filtered(relation, &condition)?;
        }
        let group_by = self.keys(&select.group_by, &relation, &items, &aliases)?;
        let having = match &select.having {
            Some(having) => {
                let mut binder = self.bind(&relation, &aliases);
                binder.strict = true;
                Some(binder.condition(having, "HAVING")?)
            }
            None => None,
        };
        let order = self.order_keys(keys, &relation, &items, &aliases)?;
        let plan = Plan { items, having, order, distinct: select.distinct.is_some() };
        plan.answer(relation, group_by)
    }

    fn keys(
        &mut self,
        group_by: &GroupByExpr,
        relation: &Relation,
        items: &[Item],
        aliases: &[(String, Node)],
    ) -> Result<Option<Vec<Node>>> {
        let exprs = match group_by {
            GroupByExpr::Expressions(exprs, more) if more.is_empty() => exprs,
            GroupByExpr::All(more) if more.is_empty() => {
                let plain = items.iter().map(|item| &item.node).filter(|node| !node.has(&is_aggregate));
                return Ok(Some(plain.cloned().collect()));
            }
            other => {
                return unsupported(format!("`{other}`"), "write a query for each grouping, with UNION ALL between");
            }
        };
        if exprs.is_empty() {
            return Ok(None);
        }
        let mut keys = Vec::new();
        for expr in exprs {
            keys.push(match position(expr, items.len())?.and_then(|place| items.get(place)) {
                Some(item) => item.node.clone(),
                None => {
                    let mut binder = self.bind(relation, aliases);
                    binder.strict = true;
                    binder.node(expr)?
                }
            });
        }
        Ok(Some(keys))
    }

    fn order_keys(
        &mut self,
        keys: &[OrderByExpr],
        relation: &Relation,
        items: &[Item],
        aliases: &[(String, Node)],
    ) -> Result<Vec<Order>> {
        let mut order = Vec::new();
        for key in keys {
            let alias =
                |name: &Ident| items.iter().find(|item| item.given && item.name.eq_ignore_ascii_case(&name.value));
            let item = match &key.expr {
                Expr::Identifier(name) => alias(name),
                expr => position(expr, items.len())?.and_then(|place| items.get(place)),
            };
            let node = match item {
                Some(item) => item.node.clone(),
                None => {
                    let mut binder = self.bind(relation, aliases);
                    binder.strict = true;
                    binder.node(&key.expr)?
                }
            };
            order.push(self::order(key, node)?);
        }
        Ok(order)
    }

    fn items(&mut self, projection: &[SelectItem], relation: &Relation) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let node = self.bind(relation, &[]).node(expr)?;
                    let field = match &node.form {
                        Form::Column(place) => relation.fields.get(*place),
                        _ => None,
                    };
                    let name = field.map_or_else(|| expr.to_string(), |field| field.name.clone());
                    let table = field.and_then(|field| field.table.clone());
                    items.push(Item { node, name, table, given: false });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let node = self.bind(relation, &[]).node(expr)?;
                    items.push(Item { node, name: alias.value.clone(), table: None, given: true });
                }
                SelectItem::Wildcard(options) => items.extend(wildcard(relation, None, options)?),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), options) => {
                    items.extend(wildcard(relation, Some(&single(table)?), options)?);
                }
                other => return unsupported(format!("`{other}`"), "after SELECT stand values, each with one name"),
            }
        }
        Ok(items)
    }

    /// The rows that FROM names.
    fn from(&mut self, select: &Select, all: bool) -> Result<Relation> {
        let mut sum: Option<Relation> = None;
        for table in &select.from {
            let right = self.joins(table, all)?;
            sum = Some(match sum {
                None => right,
                Some(left) => {
                    // `FROM a, b WHERE a.x = b.x`: what WHERE says of both need not be looked for among all pairs.
                    let on = select.selection.as_ref().and_then(|condition| self.linking(condition, &left, &right));
                    self.joined(left, right, on.as_ref(), Outer { left: false, right: false })?
                }
            });
        }
        Ok(sum.unwrap_or_else(Relation::unit))
    }

    /// Those of the conditions that say that columns of two tables are equal.
    fn linking(&mut self, condition: &Expr, left: &Relation, right: &Relation) -> Option<Node> {
        match condition {
            Expr::Nested(inner) => self.linking(inner, left, right),
            Expr::BinaryOp { left: a, op: sqlparser::ast::BinaryOperator::And, right: b } => {
                let parts: Vec<Node> = [a, b].into_iter().filter_map(|part| self.linking(part, left, right)).collect();
                (!parts.is_empty()).then(|| Node::flag(Form::And(parts)))
            }
            Expr::BinaryOp { left: a, op: sqlparser::ast::BinaryOperator::Eq, right: b }
                if [a, b].iter().all(|side| matches!(***side, Expr::Identifier(_) | Expr::CompoundIdentifier(_))) =>
            {
                let both = side_by_side(left, right);
                self.bind(&both, &[]).condition(condition, "WHERE").ok()
            }
            _ => None,
        }
    }

    fn joins(&mut self, table: &TableWithJoins, all: bool) -> Result<Relation> {
        let mut left = self.factor(&table.relation, all)?;
        for Join { relation, global, join_operator } in &table.joins {
            let right = self.factor(relation, all)?;
            let (constraint, outer) = match join_operator {
                _ if *global => return unsupported("GLOBAL JOIN", "write JOIN"),
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, [false, false]),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, [true, false]),
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, [false, true]),
                JoinOperator::FullOuter(constraint) => (constraint, [true, true]),
                JoinOperator::CrossJoin(JoinConstraint::None) => {
                    left = self.joined(left, right, None, Outer { left: false, right: false })?;
                    continue;
                }
                _ => {
                    return unsupported(
                        format!("the join of `{relation}`"),
                        "there are JOIN, LEFT, RIGHT, FULL and CROSS JOIN; write EXISTS for SEMI and NOT EXISTS for ANTI",
                    );
                }
            };
            let outer = Outer { left: outer[0], right: outer[1] };
            left = match constraint {
                JoinConstraint::On(on) => {
                    let both = side_by_side(&left, &right);
                    let on = self.bind(&both, &[]).condition(on, "ON")?;
                    self.joined(left, right, Some(&on), outer)?
                }
                JoinConstraint::Using(names) => self.using(left, right, names, outer)?,
                JoinConstraint::Natural => return unsupported("NATURAL JOIN", "name the columns: USING (object_id)"),
                JoinConstraint::None => {
                    return unsupported("JOIN without ON or USING", "write CROSS JOIN if every pair is meant");
                }
            };
        }
        Ok(left)
    }

    fn joined(&self, left: Relation, right: Relation, on: Option<&Node>, outer: Outer) -> Result<Relation> {
        for field in &right.fields {
            if let Some(table) = field.table.as_deref()
                && left.fields.iter().any(|own| own.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(table)))
            {
                return wrong(format!("FROM has two tables `{table}`: give one another name, `{table} AS other`"));
            }
        }
        join::joined(&left, &right, on, outer, self.most(left.columns.len() + right.columns.len()), &eval::column)
    }

    fn using(&self, left: Relation, right: Relation, names: &[ObjectName], outer: Outer) -> Result<Relation> {
        let mut on = Vec::new();
        let mut places = Vec::new();
        let width = left.columns.len();
        for name in names {
            let name = single(name)?;
            let (Some(a), Some(b)) = (left.place(None, &name)?, right.place(None, &name)?) else {
                return wrong(format!("USING: both sides need a column `{name}`"));
            };
            let kind =
                |relation: &Relation, place: usize| relation.fields.get(place).map_or(Type::Null, |field| field.kind);
            let (nodes, _) =
                alike(vec![Node::column(a, kind(&left, a)), Node::column(width + b, kind(&right, b))], "USING")?;
            let [one, other] = <[Node; 2]>::try_from(nodes).or_else(|_| wrong("USING needs two columns"))?;
            places.push((name, one.clone(), other.clone(), a));
            on.push(one.compared(Comparison::Equal, other));
        }
        let mut both = self.joined(left, right, Some(&Node::flag(Form::And(on))), outer)?;
        let mut merged = Relation { fields: Vec::new(), columns: Vec::new(), rows: both.rows };
        for (name, one, other, place) in places {
            let value = match (outer.left, outer.right) {
                (_, false) => one.clone(),
                (false, true) => other.clone(),
                (true, true) => one.clone().once(|one| {
                    let known = Node::flag(Form::Is(Box::new(one.clone()), None)).negated(true);
                    Node { kind: one.kind, form: Form::Case(vec![(known, one)], Box::new(other.clone())) }
                }),
            };
            let column = eval::column(&value, &both)?.stretched(both.rows)?;
            for place in [place, width + right_place(&other, width)] {
                if let Some(field) = both.fields.get_mut(place) {
                    field.covered = true;
                }
            }
            merged.push(Field { table: None, name, kind: value.kind, covered: false }, column);
        }
        merged.fields.extend(both.fields);
        merged.columns.extend(both.columns);
        Ok(merged)
    }

    fn factor(&mut self, factor: &TableFactor, all: bool) -> Result<Relation> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() {
                    return unsupported(
                        format!("the table function `{name}`"),
                        format!("the tables are {}", self.names()),
                    );
                }
                let odd = !with_hints.is_empty() || version.is_some() || *with_ordinality || !partitions.is_empty();
                if odd || json_path.is_some() || sample.is_some() || !index_hints.is_empty() {
                    return unsupported(format!("`{factor}`"), "write the table's name, and AS its alias");
                }
                let relation = self.table(&single(name)?, all)?;
                alias.as_ref().map_or_else(|| Ok(relation.clone()), |alias| aliased(relation.clone(), alias))
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let relation = self.query(subquery)?;
                match alias {
                    Some(alias) => aliased(relation, alias),
                    None => Ok(relation.unnamed()),
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joins(table_with_joins, all),
            other => unsupported(
                format!("`{other}` in FROM"),
                format!("there are the tables {}, and (SELECT …) AS name", self.names()),
            ),
        }
    }

    fn names(&self) -> String {
        self.tables.names().join(", ")
    }

    fn table(&mut self, name: &str, all: bool) -> Result<Relation> {
        if let Some((known, relation)) = self.named.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Ok((**relation).clone().named(known));
        }
        let Some(table) = self.tables.names().into_iter().find(|table| table.eq_ignore_ascii_case(name)) else {
            return wrong(format!("there is no table `{name}`"));
        };
        let key = (table.to_owned(), all);
        if let Some(relation) = self.loaded.get(&key) {
            return Ok((**relation).clone());
        }
        let mut columns = self.tables.columns(table);
        let first = columns.first().copied();
        columns.retain(|column| all || self.words.contains(*column));
        // How many rows there are is asked by no column; the first is as good as any.
        columns.extend(first.filter(|_| columns.is_empty()));
        let frame = self.tables.load(table, &columns).map_err(SqlError::Table)?;
        let relation = Relation::of(&frame, table)?;
        self.cells += relation.cells();
        self.loaded.insert(key, Rc::new(relation.clone()));
        Ok(relation)
    }
}

impl Subqueries for Queries<'_> {
    fn outer(&mut self) -> &mut Vec<Vec<Field>> {
        &mut self.outer
    }

    fn answer(&mut self, query: &Query) -> Result<Relation> {
        self.query(query)
    }

    fn nearest(&self, name: &str, tables: &[&str]) -> String {
        let mut near: Vec<(usize, String)> = Vec::new();
        let mut known = self.tables.names();
        let is_asked = |known: &&str| tables.iter().any(|asked| asked.eq_ignore_ascii_case(known));
        // An alias names no table: then it may be a column of any.
        if known.iter().any(is_asked) {
            known.retain(is_asked);
        }
        for table in &known {
            let own = |column: &&str| crate::names::distance(column, &name.to_ascii_lowercase());
            let written =
                |column: &&str| if known.len() == 1 { (*column).to_owned() } else { format!("{table}.{column}") };
            near.extend(self.tables.columns(table).iter().map(|column| (own(column), written(column))));
        }
        near.retain(|(far, _)| *far <= 3);
        near.sort();
        let near: Vec<String> = near.into_iter().take(3).map(|(_, name)| name).collect();
        match (near.is_empty(), tables.is_empty()) {
            (false, _) => format!("; there is {}", near.join(", ")),
            (true, true) => "; there is no FROM".to_owned(),
            (true, false) => String::new(),
        }
    }

    fn joined_exists(&mut self, query: &Query, layers: &[Layer<'_>]) -> Result<Option<Node>> {
        let Query { with: None, body, order_by: None, limit_clause: None, fetch: None, .. } = query else {
            return Ok(None);
        };
        let SetExpr::Select(select) = &**body else { return Ok(None) };
        check_select(select)?;
        let plain =
            matches!(&select.group_by, GroupByExpr::Expressions(exprs, more) if exprs.is_empty() && more.is_empty());
        if !plain || select.having.is_some() {
            return Ok(None);
        }
        let inner = Rc::new(self.from(select, false)?);
        let around: usize = layers.iter().map(|layer| layer.relation.fields.len()).sum();
        let mut all = vec![Layer { relation: &inner, offset: around }];
        all.extend(layers);
        let mut binder = Binder { queries: self, layers: all, aliases: &[], strict: false };
        for item in &select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                && binder.node(expr)?.has(&is_aggregate)
            {
                return Ok(None);
            }
        }
        let on = match &select.selection {
            Some(condition) => binder.condition(condition, "WHERE")?,
            None => Node::constant(Value::Flag(true), Type::Flag),
        };
        if on.has(&|form| matches!(form, Form::Column(place) if *place < around)) {
            return Ok(Some(Node::flag(Form::Exists(Shared(inner), Box::new(on), around))));
        }
        Ok(None)
    }
}

/// The place among the right columns of the column that an expression, perhaps a cast, is of.
fn right_place(node: &Node, width: usize) -> usize {
    match &node.form {
        Form::Column(place) => place.saturating_sub(width),
        _ => node.parts().first().map_or(0, |part| right_place(part, width)),
    }
}

/// The fields of both, for names alone.
fn side_by_side(left: &Relation, right: &Relation) -> Relation {
    Relation { fields: [left.fields.clone(), right.fields.clone()].concat(), columns: Vec::new(), rows: 0 }
}

const fn is_aggregate(form: &Form) -> bool {
    matches!(form, Form::Aggregate(_))
}

const fn is_window(form: &Form) -> bool {
    matches!(form, Form::Window(_))
}

/// Refuses the clauses that other dialects have.
fn check_select(select: &Select) -> Result<()> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    if into.is_some() {
        return unsupported(
            "SELECT INTO",
            "a statement can change nothing; send the answer to a file by > and --format",
        );
    }
    if top.is_some() {
        return unsupported("TOP", "write LIMIT");
    }
    if qualify.is_some() {
        return unsupported("QUALIFY", "write SELECT … FROM (SELECT …) AS x WHERE …");
    }
    if !named_window.is_empty() {
        return unsupported("WINDOW", "write the window itself: OVER (PARTITION BY … ORDER BY …)");
    }
    if matches!(distinct, Some(Distinct::On(_) | Distinct::All)) {
        return unsupported(
            "DISTINCT ON",
            "number the rows in a subquery, row_number() OVER (PARTITION BY … ORDER BY …), and take the first",
        );
    }
    if *flavor != SelectFlavor::Standard || projection.is_empty() {
        return unsupported("a query that does not begin with SELECT", "write SELECT * FROM …");
    }
    let odd =
        !optimizer_hints.is_empty() || select_modifiers.is_some() || exclude.is_some() || !lateral_views.is_empty();
    let odd =
        odd || prewhere.is_some() || !connect_by.is_empty() || !cluster_by.is_empty() || !distribute_by.is_empty();
    if odd || !sort_by.is_empty() || value_table_mode.is_some() {
        return unsupported(
            "a clause of another dialect",
            "there are FROM, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT and OFFSET",
        );
    }
    Ok(())
}

/// A relation under the name, and perhaps with the columns' names, that AS gives.
fn aliased(relation: Relation, alias: &TableAlias) -> Result<Relation> {
    let TableAlias { explicit: _, name, columns, at: None } = alias else {
        return unsupported(format!("`{alias}`"), "write AS name");
    };
    let mut relation = relation.named(&name.value);
    if columns.len() > relation.fields.len() {
        return wrong(format!("`{alias}` names {} columns, and there are {}", columns.len(), relation.fields.len()));
    }
    for (field, column) in relation.fields.iter_mut().zip(columns) {
        field.name.clone_from(&column.name.value);
    }
    Ok(relation)
}

/// The columns that `*` stands for.
fn wildcard(relation: &Relation, table: Option<&str>, options: &WildcardAdditionalOptions) -> Result<Vec<Item>> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    if opt_ilike.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some()
    {
        return unsupported(format!("`*{options}`"), "write * EXCLUDE (record), or name the columns");
    }
    let excluded: Vec<String> = match opt_exclude {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![single(name)?],
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().map(single).collect::<Result<_>>()?,
    };
    let is_of = |field: &&Field| match table {
        Some(table) => field.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(table)),
        None => !field.covered,
    };
    if let Some(table) = table
        && !relation.fields.iter().any(|field| is_of(&field))
    {
        return wrong(format!("`{table}.*`: FROM names no table `{table}`"));
    }
    for name in &excluded {
        if !relation.fields.iter().any(|field| is_of(&field) && field.name.eq_ignore_ascii_case(name)) {
            return wrong(format!("EXCLUDE: there is no column `{name}`"));
        }
    }
    let wanted = |(_, field): &(usize, &Field)| {
        is_of(field) && !excluded.iter().any(|name| name.eq_ignore_ascii_case(&field.name))
    };
    let item = |(place, field): (usize, &Field)| Item {
        node: Node::column(place, field.kind),
        name: field.name.clone(),
        table: field.table.clone(),
        given: false,
    };
    Ok(relation.fields.iter().enumerate().filter(wanted).map(item).collect())
}

/// What is made of the rows that FROM and WHERE leave.
struct Plan {
    items: Vec<Item>,
    having: Option<Node>,
    order: Vec<Order>,
    distinct: bool,
}

impl Plan {
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.items.iter().map(|item| &item.node).chain(&self.having).chain(self.order.iter().map(|key| &key.node))
    }

    fn change(&mut self, change: &mut dyn FnMut(&Node) -> Result<Node>) -> Result<()> {
        for item in &mut self.items {
            item.node = change(&item.node)?;
        }
        for key in &mut self.order {
            key.node = change(&key.node)?;
        }
        if let Some(having) = &mut self.having {
            *having = change(having)?;
        }
        Ok(())
    }

    fn answer(mut self, mut relation: Relation, group_by: Option<Vec<Node>>) -> Result<Relation> {
        if group_by.is_some() || self.nodes().any(|node| node.has(&is_aggregate)) {
            relation = self.group(&group_by.unwrap_or_default(), &relation)?;
        } else if self.having.is_some() {
            return wrong("HAVING needs groups: write WHERE");
        }
        if let Some(having) = self.having.take() {
            relation = eval::filtered(relation, &having)?;
        }
        self.windows(&mut relation)?;
        let mut answer = Relation { fields: Vec::new(), columns: Vec::new(), rows: relation.rows };
        for item in &self.items {
            let column = eval::column(&item.node, &relation)?.stretched(relation.rows)?;
            let field =
                Field { table: item.table.clone(), name: item.name.clone(), kind: item.node.kind, covered: false };
            answer.push(field, column);
        }
        if self.distinct {
            let order = self.order.iter().map(|key| self.shown(key)).collect::<Result<Vec<_>>>()?;
            let answer = group::distinct(&answer)?;
            return in_order(&order, &answer, &answer);
        }
        in_order(&self.order, &relation, &answer)
    }

    /// A key of ORDER BY as a column of the answer.
    fn shown(&self, key: &Order) -> Result<Order> {
        match self.items.iter().position(|item| item.node == key.node) {
            Some(place) => Ok(Order { node: Node::column(place, key.node.kind), ..key.clone() }),
            None => unsupported("ORDER BY a value that SELECT DISTINCT does not show", "show it, or group by it"),
        }
    }

    /// Makes one row of each group, and every expression one over the groups.
    fn group(&mut self, keys: &[Node], relation: &Relation) -> Result<Relation> {
        if let Some(key) = keys.iter().find(|key| key.has(&is_aggregate) || key.has(&is_window)) {
            let what = if key.has(&is_aggregate) { "an aggregate" } else { "a window" };
            return wrong(format!("GROUP BY {what} function: group by its values in a query around it"));
        }
        let mut sums: Vec<(Aggregate, Type)> = Vec::new();
        self.change(&mut |node| lifted(node, keys, &mut sums, relation))?;
        group::grouped(keys, &sums, relation)
    }

    /// Computes the window functions, each as a column more.
    fn windows(&mut self, relation: &mut Relation) -> Result<()> {
        let mut calls: Vec<(Window, Type)> = Vec::new();
        let width = relation.columns.len();
        self.change(&mut |node| unwindowed(node, width, &mut calls))?;
        let columns = calls.iter().map(|(call, kind)| call.values(*kind, relation)).collect::<Result<Vec<Column>>>()?;
        relation.columns.extend(columns);
        Ok(())
    }
}

fn in_order(order: &[Order], relation: &Relation, answer: &Relation) -> Result<Relation> {
    if order.is_empty() {
        return Ok(answer.clone());
    }
    let rows = group::sorted(order, relation, (0..relation.rows).collect())?;
    answer.take(&indices(rows.into_iter())?)
}

/// An expression over the groups: their keys, then their sums.
fn lifted(node: &Node, keys: &[Node], sums: &mut Vec<(Aggregate, Type)>, relation: &Relation) -> Result<Node> {
    if let Some(place) = keys.iter().position(|key| key == node) {
        return Ok(Node::column(place, node.kind));
    }
    match &node.form {
        Form::Aggregate(call) => {
            let place = sums.iter().position(|(known, _)| *known == **call).unwrap_or(sums.len());
            if place == sums.len() {
                sums.push(((**call).clone(), node.kind));
            }
            Ok(Node::column(keys.len() + place, node.kind))
        }
        Form::Column(place) => {
            let name = relation.fields.get(*place).map_or("?", |field| field.name.as_str());
            wrong(format!(
                "`{name}` has more than one value in a group: put it in GROUP BY, or in min(…), max(…), count(…)"
            ))
        }
        Form::Exists(..) => unsupported("EXISTS about a group", "group in a subquery, and ask EXISTS about its rows"),
        _ => node.with_parts(&mut |part| lifted(part, keys, sums, relation)),
    }
}

/// An expression with columns in place of its window functions.
fn unwindowed(node: &Node, width: usize, calls: &mut Vec<(Window, Type)>) -> Result<Node> {
    let Form::Window(call) = &node.form else {
        return node.with_parts(&mut |part| unwindowed(part, width, calls));
    };
    let place = calls.iter().position(|(known, _)| *known == **call).unwrap_or(calls.len());
    if place == calls.len() {
        calls.push(((**call).clone(), node.kind));
    }
    Ok(Node::column(width + place, node.kind))
}
