//! From what was written to expressions with resolved names and known types. What is not on this list is refused by name.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function as Call, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, ObjectNamePart,
    OrderByExpr, OrderByOptions, Query, TrimWhereField, UnaryOperator, Value as Literal, WindowSpec, WindowType,
};

use super::column::{Column, Type, Value};
use super::error::{Result, unsupported, wrong};
use super::function::Function;
use super::functions::{self, alike, cast};
use super::node::{Aggregate, Comparison, Form, Node, Order, Ranking, Set, Shared, Sum, Window};
use super::relation::{Field, Relation};
use super::time;

/// Columns that an expression may name, and the number of the first of them.
#[derive(Clone, Copy)]
pub(super) struct Layer<'s> {
    pub(super) relation: &'s Relation,
    pub(super) offset: usize,
}

/// Whoever answers the queries within an expression: a query has expressions, and an expression queries.
pub(super) trait Subqueries {
    /// The columns of the queries around the one that is worked on.
    fn outer(&mut self) -> &mut Vec<Vec<Field>>;

    /// The answer of a query.
    fn answer(&mut self, query: &Query) -> Result<Relation>;

    /// EXISTS as a join, where the query is a plain one whose WHERE may name the columns around it.
    fn joined_exists(&mut self, query: &Query, layers: &[Layer<'_>]) -> Result<Option<Node>>;

    /// A hint at the columns that there are.
    fn nearest(&self, name: &str, tables: &[&str]) -> String;
}

/// Where names are looked up.
pub(super) struct Binder<'s> {
    pub(super) queries: &'s mut dyn Subqueries,
    /// The inmost first: it hides the others.
    pub(super) layers: Vec<Layer<'s>>,
    /// What SELECT calls its expressions.
    pub(super) aliases: &'s [(String, Node)],
    /// Whether a name that is a column, too, is refused: readers disagree about which it means.
    pub(super) strict: bool,
}

/// A key of ORDER BY; NULL is last unless it is asked for first.
pub(super) fn order(key: &OrderByExpr, node: Node) -> Result<Order> {
    let OrderByExpr { expr: _, options: OrderByOptions { asc, nulls_first }, with_fill } = key;
    if with_fill.is_some() {
        return unsupported("WITH FILL", "there are the rows that there are");
    }
    Ok(Order { node, descending: *asc == Some(false), nulls_first: *nulls_first == Some(true) })
}

/// A name in lower case.
pub(super) fn single(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Ok(name.value.clone()),
        _ => unsupported(format!("the name `{name}`"), "tables and functions have one name, without a schema"),
    }
}

/// Whether an expression is a comparison that is not in parentheses.
fn is_bare_predicate(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => comparison(op).is_some() || matches!(op, BinaryOperator::And | BinaryOperator::Or),
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
        Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. } => true,
        _ => false,
    }
}

const fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

impl<'s> Binder<'s> {
    /// Resolves an expression.
    pub(super) fn node(&mut self, expr: &Expr) -> Result<Node> {
        match expr {
            Expr::Nested(inner) => self.node(inner),
            Expr::Identifier(name) => self.column(None, name),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, name] => self.column(Some(table), name),
                _ => unsupported(format!("`{expr}`"), "a column is `name` or `table.name`"),
            },
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(typed) => {
                let text = literal(&typed.value.value)?;
                cast(text, kind_of(&typed.data_type)?, false)
            }
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::IsNull(part) | Expr::IsNotNull(part) => {
                let part = self.operand(part)?;
                Ok(is(part, None).negated(matches!(expr, Expr::IsNotNull(_))))
            }
            Expr::IsTrue(part) | Expr::IsNotTrue(part) => {
                Ok(is(self.flag_operand(part)?, Some(true)).negated(matches!(expr, Expr::IsNotTrue(_))))
            }
            Expr::IsFalse(part) | Expr::IsNotFalse(part) => {
                Ok(is(self.flag_operand(part)?, Some(false)).negated(matches!(expr, Expr::IsNotFalse(_))))
            }
            Expr::IsUnknown(part) | Expr::IsNotUnknown(part) => {
                Ok(is(self.flag_operand(part)?, None).negated(matches!(expr, Expr::IsNotUnknown(_))))
            }
            Expr::IsDistinctFrom(a, b) | Expr::IsNotDistinctFrom(a, b) => {
                let [a, b] = self.pair(a, b, "IS DISTINCT FROM")?;
                let same = Node::flag(Form::Same(Box::new(a), Box::new(b)));
                Ok(same.negated(matches!(expr, Expr::IsDistinctFrom(..))))
            }
            Expr::Between { expr, negated, low, high } => {
                let nodes = vec![self.operand(expr)?, self.operand(low)?, self.operand(high)?];
                between(nodes, *negated)
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery { expr, subquery, negated } => self.in_query(expr, subquery, *negated),
            Expr::Exists { subquery, negated } => Ok(self.exists(subquery)?.negated(*negated)),
            Expr::Subquery(query) => self.scalar(query),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let escape = escape_char.as_ref().map(|value| &value.value);
                self.like(expr, pattern, escape, false, *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let escape = escape_char.as_ref().map(|value| &value.value);
                self.like(expr, pattern, escape, true, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let operand = operand.as_deref().map(|operand| self.node(operand)).transpose()?;
                let bound = operand.as_ref().map(|operand| Node { kind: operand.kind, form: Form::Bound });
                let mut branches = Vec::new();
                for branch in conditions {
                    let when = self.node(&branch.condition)?;
                    let when = match &bound {
                        Some(bound) => compared(bound.clone(), Comparison::Equal, when)?,
                        None => flag(when, "WHEN")?,
                    };
                    branches.push((when, self.node(&branch.result)?));
                }
                let other = else_result.as_deref().map(|other| self.node(other)).transpose()?;
                let case = case(branches, other)?;
                Ok(match operand {
                    Some(operand) => operand.once(|_| case),
                    None => case,
                })
            }
            Expr::Cast { kind, expr, data_type, array: false, format: None } => {
                let lenient = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
                let node = self.node(expr)?;
                cast(node, kind_of(data_type)?, lenient)
            }
            Expr::Extract { field, expr, .. } => {
                let part = time::Part::named(&field.to_string())?;
                let node = self.node(expr)?;
                Function::Part(part).of("extract", vec![node])
            }
            Expr::Ceil { expr, .. } => self.named("ceil", &[expr]),
            Expr::Floor { expr, .. } => self.named("floor", &[expr]),
            Expr::Position { expr, r#in } => self.named("position", &[r#in, expr]),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let Some(from) = substring_from else {
                    return unsupported("SUBSTRING without a place", "write substring(text, from, length)");
                };
                let parts: Vec<&Expr> = [Some(expr), Some(from), substring_for.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|part| &**part)
                    .collect();
                self.named("substring", &parts)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let more = trim_what.iter().map(|what| &**what).chain(trim_characters.iter().flatten());
                let parts: Vec<&Expr> = std::iter::once(&**expr).chain(more).collect();
                self.named(name, &parts)
            }
            Expr::Function(call) => self.call(call),
            Expr::Interval(_) => unsupported("INTERVAL alone", "add it to a time: event_time + INTERVAL '1 day'"),
            Expr::Tuple(_) => unsupported(
                format!("the row `{expr}`"),
                "rows stand only in count(DISTINCT (a, b)); compare their values one by one, with AND",
            ),
            Expr::RLike { .. } | Expr::SimilarTo { .. } => {
                unsupported("a regular expression", "write LIKE or ILIKE, or `mfatrail search` with a pattern")
            }
            other => unsupported(format!("`{other}`"), "docs/evidence-schema.md lists what is"),
        }
    }

    /// An operand of a comparison, which is no comparison without parentheses.
    fn operand(&mut self, expr: &Expr) -> Result<Node> {
        if is_bare_predicate(expr) {
            return unsupported(format!("`{expr}` as a part of another comparison"), "put it in parentheses");
        }
        self.node(expr)
    }

    fn flag_operand(&mut self, expr: &Expr) -> Result<Node> {
        flag(self.operand(expr)?, "IS TRUE")
    }

    /// A condition.
    pub(super) fn condition(&mut self, expr: &Expr, place: &str) -> Result<Node> {
        flag(self.node(expr)?, place)
    }

    fn pair(&mut self, a: &Expr, b: &Expr, context: &str) -> Result<[Node; 2]> {
        let nodes = vec![self.operand(a)?, self.operand(b)?];
        pair(nodes, context)
    }

    fn named(&mut self, name: &str, parts: &[&Expr]) -> Result<Node> {
        let arguments = parts.iter().map(|part| self.node(part)).collect::<Result<_>>()?;
        functions::call(name, arguments)
    }

    fn column(&mut self, table: Option<&Ident>, name: &Ident) -> Result<Node> {
        let table = table.map(|table| table.value.as_str());
        let mut found = None;
        for layer in &self.layers {
            if let Some(place) = layer.relation.place(table, &name.value)? {
                let kind = layer.relation.fields.get(place).map_or(Type::Null, |field| field.kind);
                found = Some(Node::column(layer.offset + place, kind));
                break;
            }
        }
        let alias = self.aliases.iter().find(|(alias, _)| table.is_none() && alias.eq_ignore_ascii_case(&name.value));
        match (found, alias) {
            (Some(node), Some((_, other))) if self.strict && node != *other => wrong(format!(
                "`{name}` is a column, and the name of another value after SELECT: give that another name"
            )),
            (Some(node), _) => Ok(node),
            (None, Some((_, node))) => Ok(node.clone()),
            (None, None) => self.absent(table, name),
        }
    }

    /// Says that there is no such column.
    fn absent(&mut self, table: Option<&str>, name: &Ident) -> Result<Node> {
        let written = table.map_or_else(|| name.value.clone(), |table| format!("{table}.{}", name.value));
        let is_outer = |fields: &Vec<Field>| {
            fields.iter().any(|field| {
                field.name.eq_ignore_ascii_case(&name.value)
                    && table
                        .is_none_or(|table| field.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(table)))
            })
        };
        if self.queries.outer().iter().any(is_outer) {
            return unsupported(
                format!("`{written}` of the query around this one"),
                "only the WHERE of EXISTS (SELECT … FROM … WHERE …) may name it; write that, or a JOIN",
            );
        }
        let tables: Vec<&str> = self
            .layers
            .iter()
            .flat_map(|layer| &layer.relation.fields)
            .filter_map(|field| field.table.as_deref())
            .collect();
        if let Some(table) = table.filter(|table| !tables.iter().any(|own| own.eq_ignore_ascii_case(table))) {
            return wrong(format!("`{written}`: FROM names no table `{table}`"));
        }
        let text = if name.quote_style == Some('"') { ": a text is written in single quotes, 'so'" } else { "" };
        wrong(format!("there is no column `{written}`{}{text}", self.queries.nearest(&name.value, &tables)))
    }

    fn unary(&mut self, op: UnaryOperator, expr: &Expr) -> Result<Node> {
        match op {
            UnaryOperator::Not => Ok(flag(self.node(expr)?, "NOT")?.negated(true)),
            UnaryOperator::Plus => {
                let node = self.node(expr)?;
                Function::Plus.of("+", vec![Node::constant(Value::Integer(0), Type::Integer), node])
            }
            UnaryOperator::Minus => match self.node(expr)? {
                Node { form: Form::Constant(Value::Integer(number)), kind: Type::Integer } => {
                    Ok(Node::constant(Value::Integer(number.wrapping_neg()), Type::Integer))
                }
                Node { form: Form::Constant(Value::Float(number)), .. } => {
                    Ok(Node::constant(Value::Float(-number), Type::Float))
                }
                node => Function::Negate.of("-", vec![node]),
            },
            other => unsupported(format!("the operator `{other}`"), "docs/evidence-schema.md lists the operators"),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Node> {
        if let Some(how) = comparison(op) {
            let nodes = vec![self.operand(left)?, self.operand(right)?];
            let [a, b] = pair(nodes, &format!("`{op}`"))?;
            return Ok(a.compared(how, b));
        }
        let function = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.connected(left, op, right),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                if let Some(node) = self.shifted(left, op, right)? {
                    return Ok(node);
                }
                if *op == BinaryOperator::Plus { Function::Plus } else { Function::Minus }
            }
            BinaryOperator::Multiply => Function::Times,
            BinaryOperator::Divide => Function::Divide,
            BinaryOperator::DuckIntegerDivide => Function::DivideWhole,
            BinaryOperator::Modulo => Function::Modulo,
            BinaryOperator::StringConcat => Function::Join,
            other => {
                return unsupported(format!("the operator `{other}`"), "docs/evidence-schema.md lists the operators");
            }
        };
        let nodes = vec![self.operand(left)?, self.operand(right)?];
        function.of(&op.to_string(), nodes)
    }

    /// Chains of AND and OR, which may be long, without a level for each.
    fn connected(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Node> {
        let mut parts = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op: own, right } = rest
            && own == op
        {
            parts.push(right);
            rest = left;
        }
        parts.push(rest);
        let nodes = parts.into_iter().rev().map(|part| self.condition(part, &op.to_string()));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        Ok(Node::flag(if *op == BinaryOperator::And { Form::And(nodes) } else { Form::Or(nodes) }))
    }

    /// A time and an interval.
    fn shifted(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Option<Node>> {
        let (time, interval) = match (left, right) {
            (time, Expr::Interval(interval)) => (time, interval),
            (Expr::Interval(interval), time) if *op == BinaryOperator::Plus => (time, interval),
            _ => return Ok(None),
        };
        let (months, micros) = length(interval)?;
        let sign = if *op == BinaryOperator::Minus { -1 } else { 1 };
        let node = self.operand(time)?;
        Function::Shift(months * sign, micros * sign).of(&op.to_string(), vec![node]).map(Some)
    }

    fn like(
        &mut self,
        text: &Expr,
        pattern: &Expr,
        escape: Option<&Literal>,
        insensitive: bool,
        negated: bool,
    ) -> Result<Node> {
        let escape = match escape {
            None => None,
            Some(Literal::SingleQuotedString(letter)) if letter.chars().count() == 1 => letter.chars().next(),
            Some(other) => return unsupported(format!("ESCAPE {other}"), "it is one letter in quotes"),
        };
        let nodes = vec![self.operand(text)?, self.operand(pattern)?];
        Ok(Function::Like { insensitive, escape }.of("LIKE", nodes)?.negated(negated))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Node> {
        let mut nodes = vec![self.operand(expr)?];
        for item in list {
            nodes.push(self.node(item)?);
        }
        let (nodes, kind) = alike(nodes, "IN")?;
        let Some((needle, items)) = nodes.split_first() else { return wrong("IN needs values") };
        let constant = items.iter().all(|item| matches!(item.form, Form::Constant(_)));
        let found = if constant && kind != Type::Null {
            Node::flag(Form::Among(Box::new(needle.clone()), Shared(std::rc::Rc::new(Set::listed(items)?))))
        } else {
            needle.clone().once(|needle| {
                let equal = |item: &Node| needle.clone().compared(Comparison::Equal, item.clone());
                Node::flag(Form::Or(items.iter().map(equal).collect()))
            })
        };
        Ok(found.negated(negated))
    }

    /// Runs a query within this one.
    fn inner(&mut self, query: &Query) -> Result<Relation> {
        let fields = self.layers.iter().flat_map(|layer| layer.relation.fields.clone()).collect();
        self.queries.outer().push(fields);
        let answer = self.queries.answer(query);
        self.queries.outer().pop();
        answer
    }

    fn in_query(&mut self, expr: &Expr, query: &Query, negated: bool) -> Result<Node> {
        let needle = self.operand(expr)?;
        let answer = self.inner(query)?;
        let ([column], [field]) = (answer.columns.as_slice(), answer.fields.as_slice()) else {
            return wrong(format!("IN (SELECT …) needs one column, and has {}", answer.columns.len()));
        };
        let both = alike(vec![needle, Node::column(0, field.kind)], "IN (SELECT …)")?;
        let [needle, item] = <[Node; 2]>::try_from(both.0).or_else(|_| wrong("IN needs values"))?;
        let column = super::eval::column(
            &item,
            &Relation { fields: Vec::new(), columns: vec![column.clone()], rows: answer.rows },
        )?;
        let set = Set::of(&column, answer.rows)?;
        Ok(Node::flag(Form::Among(Box::new(needle), Shared(std::rc::Rc::new(set)))).negated(negated))
    }

    fn scalar(&mut self, query: &Query) -> Result<Node> {
        let answer = self.inner(query)?;
        let ([column], [field]) = (answer.columns.as_slice(), answer.fields.as_slice()) else {
            return wrong(format!("a query in an expression needs one column, and has {}", answer.columns.len()));
        };
        match answer.rows {
            0 => Ok(Node::constant(Value::Null, field.kind)),
            1 => Ok(Node::constant(value(column)?, field.kind)),
            rows => wrong(format!(
                "a query in an expression needs one row, and has {rows}: write min(…), max(…) or LIMIT 1 with ORDER BY"
            )),
        }
    }

    fn exists(&mut self, query: &Query) -> Result<Node> {
        if let Some(node) = self.queries.joined_exists(query, &self.layers)? {
            return Ok(node);
        }
        let rows = self.inner(query)?.rows;
        Ok(Node::constant(Value::Flag(rows > 0), Type::Flag))
    }

    /// The keys of an ORDER BY within a call.
    fn order(&mut self, keys: &[OrderByExpr]) -> Result<Vec<Order>> {
        keys.iter()
            .map(|key| {
                let node = self.node(&key.expr)?;
                order(key, node)
            })
            .collect()
    }

    fn call(&mut self, call: &Call) -> Result<Node> {
        let Call { name, uses_odbc_syntax: _, parameters, args, filter, null_treatment, over, within_group } = call;
        let name = single(name)?.to_ascii_lowercase();
        if !matches!(parameters, FunctionArguments::None) || null_treatment.is_some() || !within_group.is_empty() {
            return unsupported(
                format!("`{call}`"),
                "the function takes its arguments in parentheses, and nothing beside them",
            );
        }
        let none = FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() };
        let list = match args {
            FunctionArguments::List(list) => list,
            FunctionArguments::None => &none,
            FunctionArguments::Subquery(_) => {
                return unsupported(format!("`{call}`"), "put the query in parentheses of its own");
            }
        };
        if let Some(over) = over {
            let plain = filter.is_none() && list.duplicate_treatment.is_none() && list.clauses.is_empty();
            return if plain {
                self.window(&name, list, over)
            } else {
                unsupported(
                    "DISTINCT, FILTER or ORDER BY in a window function",
                    "compute it in a subquery with GROUP BY, and join that",
                )
            };
        }
        if let Some(node) = self.aggregate(&name, list, filter.as_deref())? {
            return Ok(node);
        }
        if filter.is_some() || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return unsupported(format!("`{call}`"), "DISTINCT, FILTER and ORDER BY stand in aggregate functions only");
        }
        let arguments = self.arguments(&name, list)?;
        match name.as_str() {
            "coalesce" | "ifnull" => coalesce(arguments),
            "nullif" => nullif(arguments),
            "row_number" | "rank" | "dense_rank" | "lag" | "lead" | "first_value" => unsupported(
                format!("`{name}` without OVER"),
                format!("write {name}(…) OVER (PARTITION BY … ORDER BY …)"),
            ),
            name => functions::call(name, arguments),
        }
    }

    fn arguments(&mut self, name: &str, list: &FunctionArgumentList) -> Result<Vec<Node>> {
        list.args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.node(expr),
                other => unsupported(format!("`{name}({other})`"), "arguments are values"),
            })
            .collect()
    }

    /// The call of an aggregate function, if it is one.
    fn aggregate(&mut self, name: &str, list: &FunctionArgumentList, filter: Option<&Expr>) -> Result<Option<Node>> {
        let mut sum = match name {
            "count" => Sum::Count,
            "sum" => Sum::Total,
            "avg" | "mean" => Sum::Mean,
            "min" => Sum::Least,
            "max" => Sum::Greatest,
            "bool_and" | "every" => Sum::All,
            "bool_or" => Sum::Any,
            "string_agg" => Sum::Texts(String::new()),
            _ => return Ok(None),
        };
        let order = match list.clauses.as_slice() {
            [] => Vec::new(),
            [FunctionArgumentClause::OrderBy(keys)] if name == "string_agg" => self.order(keys)?,
            [other, ..] => return unsupported(format!("`{other}` in `{name}`"), "only string_agg has an ORDER BY"),
        };
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let mut arguments = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if sum == Sum::Count && !distinct => Vec::new(),
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Tuple(parts)))] if sum == Sum::Count && distinct => {
                parts.iter().map(|part| self.node(part)).collect::<Result<Vec<_>>>()?
            }
            _ => self.arguments(name, list)?,
        };
        if let Sum::Texts(between) = &mut sum {
            *between = match arguments.pop() {
                Some(Node { form: Form::Constant(Value::Text(text)), .. }) if arguments.len() == 1 => text,
                _ => {
                    return wrong(
                        "`string_agg` takes a value and, in quotes, what stands between: string_agg(event_name, ', ')",
                    );
                }
            };
            if distinct && !order.iter().all(|key| arguments.contains(&key.node)) {
                return unsupported(
                    "string_agg(DISTINCT …) in the order of another value",
                    "order it by the value itself",
                );
            }
        }
        let several = matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Tuple(_)))]);
        if arguments.len() > 1 && !several {
            return unsupported(format!("`{name}` of several values"), format!("write {name}(DISTINCT (a, b))"));
        }
        if arguments.is_empty() && (sum != Sum::Count || list.args.is_empty()) {
            return wrong(format!(
                "`{name}` needs a value{}",
                if sum == Sum::Count { ": count(*) counts rows" } else { "" }
            ));
        }
        let filter = filter.map(|filter| self.condition(filter, "FILTER")).transpose()?;
        let kind = Aggregate::kind(&sum, arguments.first().map(|node| node.kind))?;
        let call = Aggregate { sum, arguments, distinct, filter, order };
        Ok(Some(Node { kind, form: Form::Aggregate(Box::new(call)) }))
    }

    fn window(&mut self, name: &str, list: &FunctionArgumentList, over: &WindowType) -> Result<Node> {
        let WindowType::WindowSpec(WindowSpec { window_name: None, partition_by, order_by, window_frame }) = over
        else {
            return unsupported("a named window", "write the window itself: OVER (PARTITION BY … ORDER BY …)");
        };
        if window_frame.is_some() {
            return unsupported(
                "ROWS, RANGE and GROUPS in a window",
                "join the table with itself, and sum by GROUP BY",
            );
        }
        let partition = partition_by.iter().map(|expr| self.node(expr)).collect::<Result<Vec<_>>>()?;
        let order = self.order(order_by)?;
        if let Some(Node { kind, form: Form::Aggregate(call) }) = self.aggregate(name, list, None)? {
            if !order.is_empty() {
                return unsupported(
                    "ORDER BY in the window of an aggregate function",
                    "join the table with itself, and sum by GROUP BY",
                );
            }
            let Aggregate { sum, arguments, .. } = *call;
            let window = Window { ranking: Ranking::Sum(sum), arguments, partition, order };
            return Ok(Node { kind, form: Form::Window(Box::new(window)) });
        }
        if order.is_empty() {
            return unsupported(
                format!("`{name}` OVER a window without ORDER BY"),
                "rows have no order of their own: add ORDER BY",
            );
        }
        let mut arguments = self.arguments(name, list)?;
        let ranking = match name {
            "row_number" => Ranking::RowNumber,
            "rank" => Ranking::Rank,
            "dense_rank" => Ranking::DenseRank,
            "first_value" => Ranking::First,
            "lag" | "lead" => Ranking::Lag(distance(name, &mut arguments)?),
            _ => {
                return unsupported(
                    format!("the window function `{name}`"),
                    "there are row_number, rank, dense_rank, lag, lead, first_value, and count, sum, avg, min, max",
                );
            }
        };
        let kind = match (&ranking, arguments.as_slice()) {
            (Ranking::Lag(_) | Ranking::First, [node]) => node.kind,
            (Ranking::RowNumber | Ranking::Rank | Ranking::DenseRank, []) => Type::Integer,
            _ => return wrong(format!("`{name}` has the wrong number of arguments")),
        };
        Ok(Node { kind, form: Form::Window(Box::new(Window { ranking, arguments, partition, order })) })
    }
}

/// How far `lag` looks back; `lead` looks as far ahead.
fn distance(name: &str, arguments: &mut Vec<Node>) -> Result<i64> {
    let by = match arguments.get(1).map(|node| &node.form) {
        None => 1,
        Some(Form::Constant(Value::Integer(by))) if arguments.len() == 2 => *by,
        _ => return unsupported(format!("a default of `{name}`"), format!("write coalesce({name}(…) OVER (…), …)")),
    };
    arguments.truncate(1);
    Ok(if name == "lag" { by } else { by.saturating_neg() })
}

/// A value of one row.
fn value(column: &Column) -> Result<Value> {
    let value = match column {
        Column::Flag(_) => column.as_flags(1)?.next().flatten().map(Value::Flag),
        Column::Integer(_) => column.as_integers(1)?.next().flatten().map(Value::Integer),
        Column::Float(_) => column.as_floats(1)?.next().flatten().map(Value::Float),
        Column::Text(_) => column.as_texts(1)?.next().flatten().map(|text| Value::Text(text.to_owned())),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// A value as it is written.
fn literal(value: &Literal) -> Result<Node> {
    Ok(match value {
        Literal::Number(digits, false) => match digits.parse() {
            Ok(number) => Node::constant(Value::Integer(number), Type::Integer),
            Err(_) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return wrong(format!("{digits} is out of range"));
            }
            Err(_) => match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Node::constant(Value::Float(number), Type::Float),
                _ => return wrong(format!("{digits} is not a valid number")),
            },
        },
        Literal::SingleQuotedString(text) => Node::constant(Value::Text(text.clone()), Type::Text),
        Literal::Boolean(flag) => Node::constant(Value::Flag(*flag), Type::Flag),
        Literal::Null => Node::constant(Value::Null, Type::Null),
        other => {
            return unsupported(
                format!("the value {other}"),
                "write numbers, 'texts', TRUE, FALSE, NULL, TIMESTAMP '…' and DATE '…'",
            );
        }
    })
}

fn kind_of(written: &DataType) -> Result<Type> {
    match written {
        DataType::Text | DataType::Varchar(None) | DataType::String(None) => Ok(Type::Text),
        DataType::BigInt(None)
        | DataType::Int64
        | DataType::Int8(None)
        | DataType::Int(None)
        | DataType::Integer(None) => Ok(Type::Integer),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => Ok(Type::Float),
        DataType::Bool | DataType::Boolean => Ok(Type::Flag),
        DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None) | DataType::Datetime(None) => Ok(Type::Time),
        DataType::Date => Ok(Type::Day),
        other => {
            unsupported(format!("the type {other}"), "the types are TEXT, BIGINT, DOUBLE, BOOLEAN, TIMESTAMP and DATE")
        }
    }
}

fn is(part: Node, what: Option<bool>) -> Node {
    Node::flag(Form::Is(Box::new(part), what))
}

fn flag(node: Node, place: &str) -> Result<Node> {
    match node.kind {
        Type::Flag => Ok(node),
        Type::Null => cast(node, Type::Flag, false),
        other => wrong(format!("{place} needs a condition, and has {}", other.name())),
    }
}

fn pair(nodes: Vec<Node>, context: &str) -> Result<[Node; 2]> {
    let (nodes, _) = alike(nodes, context)?;
    <[Node; 2]>::try_from(nodes).or_else(|_| wrong(format!("{context} needs two values")))
}

fn compared(a: Node, how: Comparison, b: Node) -> Result<Node> {
    let [a, b] = pair(vec![a, b], "a comparison")?;
    Ok(a.compared(how, b))
}

fn between(nodes: Vec<Node>, negated: bool) -> Result<Node> {
    let (nodes, _) = alike(nodes, "BETWEEN")?;
    let [value, low, high] = <[Node; 3]>::try_from(nodes).or_else(|_| wrong("BETWEEN needs three values"))?;
    let inside = value.once(|value| {
        let above = value.clone().compared(Comparison::GreaterOrEqual, low);
        Node::flag(Form::And(vec![above, value.compared(Comparison::LessOrEqual, high)]))
    });
    Ok(inside.negated(negated))
}

fn case(branches: Vec<(Node, Node)>, other: Option<Node>) -> Result<Node> {
    let (conditions, mut values): (Vec<Node>, Vec<Node>) = branches.into_iter().unzip();
    values.push(other.unwrap_or_else(|| Node::constant(Value::Null, Type::Null)));
    let (mut values, kind) = alike(values, "CASE")?;
    let Some(other) = values.pop() else { return wrong("CASE has no branch") };
    let branches = conditions.into_iter().zip(values).collect();
    Ok(Node { kind, form: Form::Case(branches, Box::new(other)) })
}

fn coalesce(nodes: Vec<Node>) -> Result<Node> {
    let (mut nodes, kind) = alike(nodes, "COALESCE")?;
    let Some(last) = nodes.pop() else { return wrong("COALESCE needs values") };
    let or = |rest: Node, node: Node| {
        node.once(|node| {
            let known = is(node.clone(), None).negated(true);
            Node { kind, form: Form::Case(vec![(known, node)], Box::new(rest)) }
        })
    };
    Ok(nodes.into_iter().rev().fold(last, or))
}

fn nullif(nodes: Vec<Node>) -> Result<Node> {
    let [value, other] = pair(nodes, "NULLIF")?;
    let kind = value.kind;
    Ok(value.once(|value| {
        let same = value.clone().compared(Comparison::Equal, other);
        let null = Node::constant(Value::Null, kind);
        Node { kind, form: Form::Case(vec![(same, null)], Box::new(value)) }
    }))
}

/// The months and microseconds of an interval.
fn length(interval: &Interval) -> Result<(i64, i64)> {
    let refused =
        || unsupported(format!("`{interval}`"), "write INTERVAL '7 days', INTERVAL '90 minutes', INTERVAL '1 month'");
    let number = match &*interval.value {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) | Literal::Number(text, false) => text.clone(),
            _ => return refused(),
        },
        _ => return refused(),
    };
    if interval.leading_precision.is_some()
        || interval.last_field.is_some()
        || interval.fractional_seconds_precision.is_some()
    {
        return refused();
    }
    let text = match &interval.leading_field {
        Some(field) => format!("{number} {field}"),
        None => number,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let [count, unit] = words.as_slice() else { return refused() };
    let Ok(count) = count.parse::<i64>() else { return refused() };
    let unit = unit.to_ascii_lowercase();
    let (months, micros) = match unit.strip_suffix('s').unwrap_or(&unit) {
        "second" => (0, 1_000_000),
        "minute" => (0, 60_000_000),
        "hour" => (0, 3_600_000_000),
        "day" => (0, time::DAY),
        "week" => (0, 7 * time::DAY),
        "month" => (1, 0),
        "year" => (12, 0),
        _ => return refused(),
    };
    let times = |one: i64| count.checked_mul(one).filter(|all| *all != i64::MIN);
    times(months).zip(times(micros)).map_or_else(|| wrong(format!("`{interval}` is out of range")), Ok)
}
