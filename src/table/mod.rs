//! Tables in every form: fields of records as text ([`mod@print`]), and columns of one type each ([`typed`]).

pub mod print;
pub mod typed;
