//! An answer in pages: each says whether another follows, and where.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// How many pages a list has at most: thousands of times as many as the largest account or bucket needs.
pub(crate) const MOST_PAGES: u32 = 1_000_000;

/// The pages of one list.
#[derive(Debug)]
pub(crate) struct Pages {
    most: u32,
    count: u32,
    /// Hashes of the tokens: a token may be long.
    tokens: HashSet<u64>,
    state: RandomState,
}

impl Pages {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, count: 0, tokens: HashSet::new(), state: RandomState::new() }
    }

    /// Where the next page is, by what a page says: whether more follows, and its token. A page that leaves this open, or leads
    /// back to one that was there, would lose the rest unseen or never end.
    ///
    /// # Errors
    /// In words, when the list does not come to an end.
    pub(crate) fn next(&mut self, more: bool, token: Option<&str>) -> Result<Option<String>, String> {
        self.count += 1;
        match token.filter(|token| !token.is_empty()) {
            None if more => Err("a page says there are more results, but has no marker for them".to_owned()),
            None => Ok(None),
            Some(_) if self.count >= self.most => Err(format!("it does not end: more than {} pages", self.most)),
            Some(token) if !self.tokens.insert(self.state.hash_one(token)) => {
                Err("the marker of a page leads back to an earlier page".to_owned())
            }
            Some(token) => Ok(Some(token.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_until_it_ends() {
        let mut pages = Pages::new(4);
        assert_eq!(pages.next(true, Some("a")), Ok(Some("a".to_owned())));
        assert_eq!(pages.next(true, Some("b")), Ok(Some("b".to_owned())));
        assert!(pages.next(true, Some("a")).is_err_and(|why| why.contains("an earlier page")));
        assert!(pages.next(true, Some("c")).is_err_and(|why| why.contains("more than 4 pages")));
        assert!(Pages::new(4).next(true, None).is_err_and(|why| why.contains("no marker for them")));
        assert!(Pages::new(4).next(true, Some("")).is_err());
        assert_eq!(Pages::new(4).next(false, None), Ok(None));
        assert_eq!(Pages::new(4).next(false, Some("")), Ok(None));
    }
}
