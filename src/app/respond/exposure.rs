//! What a store knows of the user who is responded for: the windows that are open, as a report over the store would have them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::app::Error;
use crate::app::principals::{self, EventKey, Question};
use crate::app::{approved, store_error};
use crate::contract::{PrincipalKind, Window};
use crate::inputs::Settings;
use crate::inventory::{self, IamState};
use crate::names::Pattern;
use crate::store::{EventQuery, Place, Spans, Store};

/// The exposure of one user, by a store.
#[derive(Debug)]
pub struct Exposure {
    /// The windows that are open, in order of time.
    pub open: Vec<Window>,
    /// The last record that the store has of the account; `None` where it has none, and nothing is known.
    pub known_to: Option<DateTime<Utc>>,
}

/// Looks it up.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub(super) fn of(store: &Place, account: &str, user: &str, now: DateTime<Utc>) -> Result<Exposure, Error> {
    let recorded = approved::of_store(store)?;
    let store = Store::open(store).map_err(store_error)?;
    let mut spans = Spans::default();
    let accounts = store.spans(&mut spans).map_err(store_error)?.accounts;
    let known_to = accounts.get(account).and_then(|span| span.last);
    let (users, accounts) = ([Pattern::new(user)], [Pattern::new(account)]);
    let query = EventQuery { accounts: &accounts, users: &users, ..EventQuery::default() };
    let events = store.gather(&query).map_err(store_error)?.events;
    let touched: BTreeSet<EventKey> =
        events.iter().map(|event| (event.account.to_string(), event.id.clone())).collect();
    if touched.is_empty() {
        return Ok(Exposure { open: Vec::new(), known_to });
    }
    let iam = state(&store)?;
    let question = Question {
        touched: Some(&touched),
        period: None,
        as_of: None,
        now,
        iam: iam.as_ref(),
        approvals: recorded.as_ref().map_or(&[], |recorded| recorded.rows.as_slice()),
        detections: &[],
        settings: &Settings::default(),
    };
    let windows = principals::examine(&store, &mut spans, &question)?.windows;
    let own = |window: &Window| {
        let principal = &window.principal;
        principal.kind == PrincipalKind::IamUser
            && window.account == account
            && principal.name.eq_ignore_ascii_case(user)
            && window.is_open()
    };
    let mut open: Vec<Window> = windows.into_iter().filter(own).collect();
    open.sort_by_key(|window| window.opened_at);
    Ok(Exposure { open, known_to })
}

fn state(store: &Store) -> Result<Option<IamState>, Error> {
    let Some((place, text)) = store.iam(None).map_err(store_error)? else { return Ok(None) };
    inventory::snapshot::from_text(&place.display().to_string(), &text).map(Some).map_err(Error::input)
}
