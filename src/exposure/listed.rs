//! What IAM lists, found by whose it is and by what it is called: of an account's many users and devices each principal is
//! compared with those alone that may be its own.

use std::collections::{BTreeSet, HashMap};

use crate::contract::PrincipalKind;
use crate::inventory::{AccountState, Device, DeviceOwner, IamState, UserState, VirtualDevice};

/// IAM's lists of all accounts.
#[derive(Debug, Default)]
pub(super) struct Listed<'a> {
    accounts: HashMap<&'a str, Lists<'a>>,
}

/// Those of one account. Places are of the list of virtual devices, names in lower case.
#[derive(Debug, Default)]
struct Lists<'a> {
    virtual_devices: &'a [VirtualDevice],
    of_root: Vec<usize>,
    of_id: HashMap<&'a str, Vec<usize>>,
    of_name: HashMap<String, Vec<usize>>,
    called: HashMap<&'a str, Vec<usize>>,
    /// Who has a device by its own list, by serial number.
    holders: HashMap<&'a str, Vec<(&'a UserState, &'a Device)>>,
    users: HashMap<String, Vec<&'a UserState>>,
}

impl<'a> Lists<'a> {
    fn new(state: &'a AccountState) -> Self {
        let mut lists =
            Self { virtual_devices: state.virtual_devices.as_deref().unwrap_or_default(), ..Self::default() };
        for (place, listed) in lists.virtual_devices.iter().enumerate() {
            lists.called.entry(&listed.device.serial).or_default().push(place);
            match &listed.owner {
                Some(DeviceOwner::Root) => lists.of_root.push(place),
                Some(DeviceOwner::User { name, id }) => {
                    lists.of_name.entry(name.to_ascii_lowercase()).or_default().push(place);
                    if let Some(id) = id {
                        lists.of_id.entry(id).or_default().push(place);
                    }
                }
                None => {}
            }
        }
        for user in &state.users {
            lists.users.entry(user.name.to_ascii_lowercase()).or_default().push(user);
            for device in user.devices.iter().flatten() {
                lists.holders.entry(&device.serial).or_default().push((user, device));
            }
        }
        lists
    }
}

impl<'a> Listed<'a> {
    pub(super) fn new(iam: Option<&'a IamState>) -> Self {
        let accounts = iam.into_iter().flat_map(|iam| &iam.accounts);
        Self { accounts: accounts.map(|(account, state)| (account.as_str(), Lists::new(state))).collect() }
    }

    /// The assigned virtual devices that may be a principal's, by its kind, its id or a name that it ever bore, in the list's
    /// order.
    pub(super) fn perhaps_of<'n>(
        &self,
        account: &str,
        kind: PrincipalKind,
        id: Option<&str>,
        names: impl Iterator<Item = &'n str>,
    ) -> impl Iterator<Item = &'a VirtualDevice> {
        let lists = self.accounts.get(account);
        let places: BTreeSet<usize> = lists.map_or_else(BTreeSet::new, |lists| match kind {
            PrincipalKind::Root => lists.of_root.iter().copied().collect(),
            PrincipalKind::IamUser => {
                let by_id = id.into_iter().filter_map(|id| lists.of_id.get(id));
                let by_name = names.filter_map(|name| lists.of_name.get(&name.to_ascii_lowercase()));
                by_id.chain(by_name).flatten().copied().collect()
            }
            PrincipalKind::IdentityCenter => BTreeSet::new(),
        });
        let virtual_devices = lists.map_or(&[][..], |lists| lists.virtual_devices);
        places.into_iter().filter_map(|place| virtual_devices.get(place))
    }

    /// The virtual devices of this serial number, in the list's order.
    pub(super) fn virtual_devices(&self, account: &str, serial: &str) -> impl Iterator<Item = &'a VirtualDevice> {
        let lists = self.accounts.get(account);
        let places = lists.and_then(|lists| lists.called.get(serial)).map_or(&[][..], Vec::as_slice);
        let virtual_devices = lists.map_or(&[][..], |lists| lists.virtual_devices);
        places.iter().filter_map(|place| virtual_devices.get(*place))
    }

    /// The users whose own lists have a device of this serial number.
    pub(super) fn holders(&self, account: &str, serial: &str) -> &[(&'a UserState, &'a Device)] {
        self.accounts.get(account).and_then(|lists| lists.holders.get(serial)).map_or(&[], Vec::as_slice)
    }

    /// The users of this name, whatever the letters' case.
    pub(super) fn users(&self, account: &str, name: &str) -> &[&'a UserState] {
        let users = self.accounts.get(account).and_then(|lists| lists.users.get(&name.to_ascii_lowercase()));
        users.map_or(&[], Vec::as_slice)
    }
}
