//! Who is in the organization and what it owns. The same seed gives the same organization.

use super::random::Random;

/// The organization trail's folder.
pub const ORGANIZATION: &str = "o-exampleorg";

/// Where IAM's own events are recorded.
pub const GLOBAL_REGION: &str = "us-east-1";

const ACCOUNTS: [&str; 8] = [
    "111122223333",
    "444455556666",
    "123456789012",
    "000123456789",
    "222233334444",
    "555566667777",
    "210987654321",
    "777788889999",
];

/// With their shares, in per cent.
const REGIONS: [(&str, usize); 4] =
    [(GLOBAL_REGION, 46), ("eu-central-1", 26), ("us-west-2", 18), ("ap-southeast-2", 10)];

pub const SERVICES: [&str; 16] = [
    "checkout",
    "billing",
    "search",
    "catalogue",
    "identity",
    "ledger",
    "mailer",
    "warehouse",
    "pricing",
    "fraud",
    "reports",
    "ingest",
    "orders",
    "sessions",
    "media",
    "edge",
];

const FIRST_NAMES: [&str; 12] =
    ["ana", "bela", "carlos", "dana", "emil", "farah", "goran", "hana", "ivo", "jana", "kofi", "lena"];
const LAST_NAMES: [&str; 9] = ["adler", "brandt", "costa", "dunn", "ekberg", "fischer", "gruber", "horvat", "ito"];

pub struct World {
    pub accounts: Vec<Account>,
}

pub struct Account {
    pub id: &'static str,
    pub users: Vec<Named>,
    pub roles: Vec<Named>,
    pub buckets: Vec<String>,
    pub functions: Vec<String>,
    pub tables: Vec<String>,
    pub keys: Vec<String>,
    pub instances: Vec<String>,
    pub interfaces: Vec<String>,
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
    pub networks: Vec<String>,
    pub images: Vec<String>,
    /// Public addresses of people's and offices' networks.
    pub addresses: Vec<String>,
}

/// A user or a role with its unique id.
pub struct Named {
    pub name: String,
    pub id: String,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let accounts = ACCOUNTS.iter().zip(1..);
        Self { accounts: accounts.map(|(id, stream)| Account::new(id, &mut Random::new(seed, stream))).collect() }
    }

    /// Large accounts first, as the shares of accounts in an organization are.
    pub fn account(&self, random: &mut Random) -> usize {
        let at = random.unit();
        (at * at * self.accounts.len() as f64) as usize
    }

    pub fn region(random: &mut Random) -> &'static str {
        let mut at = random.below(100);
        for (region, share) in REGIONS {
            if at < share {
                return region;
            }
            at -= share;
        }
        GLOBAL_REGION
    }
}

impl Account {
    fn new(id: &'static str, random: &mut Random) -> Self {
        let mut ids = |prefix: &str, count: usize, length: usize| -> Vec<String> {
            (0..count)
                .map(|_| {
                    let mut id = prefix.to_owned();
                    random.hex(&mut id, length);
                    id
                })
                .collect()
        };
        let instances = ids("i-0", 60, 16);
        let interfaces = ids("eni-0", 60, 16);
        let subnets = ids("subnet-0", 12, 16);
        let groups = ids("sg-0", 24, 16);
        let networks = ids("vpc-0", 3, 16);
        let images = ids("ami-0", 6, 16);
        let named = |random: &mut Random, name: String, prefix: &str| {
            let mut id = prefix.to_owned();
            random.base32(&mut id, 17);
            Named { name, id }
        };
        let users = (0..40)
            .map(|index| {
                let name = format!("{}.{}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
                let name = if index % 5 == 4 { format!("svc-{}-{index}", random.pick(&SERVICES)) } else { name };
                named(random, name, "AIDA")
            })
            .collect();
        let roles = SERVICES
            .iter()
            .flat_map(|service| [format!("{service}-task"), format!("{service}-deploy")])
            .map(|name| named(random, name, "AROA"))
            .collect();
        let keys = (0..12)
            .map(|_| {
                let mut key = String::new();
                random.uuid(&mut key);
                key
            })
            .collect();
        let addresses = (0..20)
            .map(|index| {
                let network = ["192.0.2", "198.51.100", "203.0.113"][index % 3];
                format!("{network}.{}", 1 + random.below(250))
            })
            .collect();
        let last = &id[8..];
        Self {
            id,
            users,
            roles,
            buckets: SERVICES.iter().map(|service| format!("example-{service}-{last}")).collect(),
            functions: SERVICES.iter().flat_map(|one| [format!("{one}-worker"), format!("{one}-api")]).collect(),
            tables: SERVICES.iter().map(|service| format!("{service}-state")).collect(),
            keys,
            instances,
            interfaces,
            subnets,
            groups,
            networks,
            images,
            addresses,
        }
    }
}
