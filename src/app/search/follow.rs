//! Following what calls handed out: one pass finds whom to follow, and another what they did.

use std::sync::Arc;

use crate::app::Error;
use crate::lineage::{Bounds, Family, Link, Seed};
use crate::pipeline::{Scanned, Visitor as _};
use crate::search::filter::Filter;
use crate::search::pass::Pass;

/// Credentials that are followed at most: whoever needs more does not follow, but reads all.
const MOST: usize = 100_000;

/// What following came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Followed {
    /// Sessions, keys, passwords, users and roles whose calls were looked for.
    pub credentials: usize,
    /// Passes over the sources beside the first.
    pub passes: usize,
    /// Whether there are more credentials than are followed.
    pub is_cut: bool,
}

/// Passes over the sources until nothing is left that was not followed. The first pass knows all calls of the names that hand out
/// credentials; a further one is for what others handed out.
pub(super) fn follow(
    first: (Pass, Scanned),
    mut pass: impl FnMut(Filter) -> Result<(Pass, Scanned), Error>,
) -> Result<((Pass, Scanned), Followed), Error> {
    let (mut all, mut scanned) = first;
    let mut followed = Followed::default();
    loop {
        let family = products(&all.links);
        followed.is_cut = family.is_cut();
        if family.len() <= followed.credentials {
            return Ok(((all, scanned), followed));
        }
        followed.credentials = family.len();
        let (more, again) = pass(Filter::family(Arc::new(family)))?;
        all.merge(more);
        followed.passes += 1;
        add_failures(&mut scanned, again);
    }
}

/// What only a further pass could not read is missing as well.
pub(crate) fn add_failures(scanned: &mut Scanned, again: Scanned) {
    for failure in again.coverage.failures {
        if !scanned.coverage.failures.contains(&failure) {
            scanned.coverage.failures.push(failure);
        }
    }
}

/// All that came of the calls that are followed.
fn products(links: &[(Link, bool)]) -> Family {
    let mut seeds: Vec<Seed> =
        links.iter().filter(|(_, own)| *own).filter_map(|(link, _)| Seed::product(link)).collect();
    seeds.sort();
    seeds.dedup();
    let mut links: Vec<Link> = links.iter().map(|(link, _)| link.clone()).collect();
    links.sort();
    links.dedup();
    Family::grow(&seeds, &links, Bounds { is_traced_back: false, since: None, most: MOST })
}
