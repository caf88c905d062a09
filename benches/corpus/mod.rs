//! Synthetic archives for measuring: CloudTrail's layout, record shapes, sizes and compressibility, from a seed.
//!
//! What a scan must find is known beforehand, so that every measurement is also a check: the planted device lifecycle
//! events, and nothing of twice as many decoys. An object's records depend on the seed and its number alone, so objects
//! are written in parallel and come out the same.

#![allow(dead_code, reason = "each bench uses its own part of this module")]

mod calls;
mod random;
mod records;
mod specials;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    io::Write,
    path::Path,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use flate2::{Compression, write::GzEncoder};
use rayon::prelude::*;
use serde::Serialize;

use random::Random;
use records::{Kind, Place, Special, Writer};
use world::{GLOBAL_REGION, ORGANIZATION, World};

/// Device lifecycle events in an archive, unless said otherwise. There are twice as many decoys.
pub const PLANTED: usize = 20;

/// The archive covers October 2026: `2026-10-01T00:00:00Z` as Unix time.
const START: i64 = 1_790_812_800;
const SPAN: i64 = 31 * 86_400;

/// How the records are spread over objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// 1 to several thousand records an object, median 73: a busy organization.
    Medium,
    /// About 5 records an object, as most real archives are.
    Tiny,
    /// About 12 MB of JSON an object.
    Large,
}

impl Shape {
    /// Records of the preset.
    pub fn default_records(self) -> usize {
        match self {
            Self::Medium | Self::Large => 1_000_000,
            Self::Tiny => 100_000,
        }
    }

    fn object(self, random: &mut Random) -> usize {
        match self {
            // Log-normal: the median is 73, the mean 182.
            Self::Medium => ((73.0 * (1.353 * random.normal()).exp()) as usize).clamp(1, 6000),
            Self::Tiny => 1 + random.below(3) + random.below(3) + random.below(5),
            Self::Large => 7_100 + random.below(200),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "medium" => Ok(Self::Medium),
            "tiny" => Ok(Self::Tiny),
            "large" => Ok(Self::Large),
            _ => Err(format!("no preset `{text}` (hint: medium, tiny or large)")),
        }
    }
}

/// An archive that is not written yet.
pub struct Corpus {
    shape: Shape,
    seed: u64,
    world: World,
    objects: Vec<Object>,
}

struct Object {
    records: usize,
    account: usize,
    region: &'static str,
    delivered_at: DateTime<Utc>,
    key: String,
    /// By their place in the object.
    specials: BTreeMap<usize, Special>,
}

/// What an archive holds: `expected.json`.
#[derive(Debug, PartialEq, Serialize)]
pub struct Written {
    pub preset: Shape,
    pub seed: u64,
    pub objects: u64,
    pub records: u64,
    /// JSON.
    pub bytes_raw: u64,
    /// As stored.
    pub bytes_compressed: u64,
    /// `eventID`s of the device lifecycle events, in order of time.
    pub planted: Vec<String>,
    /// `eventID`s of records that bear the events' names elsewhere.
    pub decoys: BTreeSet<String>,
    /// Those among them that are calls of another service by the same `eventName`.
    pub decoys_of_another_source: BTreeSet<String>,
}

impl Written {
    /// One line for people.
    pub fn summary(&self) -> String {
        format!(
            "{} objects, {} records, {} bytes gzip, {} bytes JSON ({:.0} a record, {:.1} : 1), {} planted, {} decoys",
            self.objects,
            self.records,
            self.bytes_compressed,
            self.bytes_raw,
            self.bytes_raw as f64 / self.records as f64,
            self.bytes_raw as f64 / self.bytes_compressed as f64,
            self.planted.len(),
            self.decoys.len()
        )
    }
}

impl Corpus {
    /// Plans an archive of exactly `records` records, with `planted` device lifecycle events among them.
    ///
    /// # Errors
    /// When there are not enough records to hide the events and the decoys among.
    pub fn new(shape: Shape, records: usize, planted: usize, seed: u64) -> Result<Self, String> {
        let world = World::new(seed);
        let mut random = Random::new(seed, u64::MAX);
        let mut sizes = Vec::new();
        let mut left = records;
        while left > 0 {
            let size = shape.object(&mut random).min(left);
            sizes.push(size);
            left -= size;
        }
        let count = sizes.len();
        let mut objects: Vec<Object> = sizes
            .into_iter()
            .enumerate()
            .map(|(index, records)| {
                let (mut account, mut region) = (world.account(&mut random), World::region(&mut random));
                if index == count / 2 {
                    // However small an archive is, there is a place for the planted events.
                    (account, region) = (0, GLOBAL_REGION);
                }
                // The first minutes are left free, so that every event is of the month.
                let share = (index as f64 + random.unit()) / count as f64;
                let minute = 15 + (share * (SPAN / 60 - 15) as f64) as i64;
                let delivered_at = DateTime::from_timestamp(START + minute * 60, 0).unwrap_or_default();
                let mut suffix = String::new();
                random.base32(&mut suffix, 16);
                let id = world.accounts[account].id;
                let key = format!(
                    "AWSLogs/{ORGANIZATION}/{id}/CloudTrail/{region}/{}/{id}_CloudTrail_{region}_{}_{suffix}.json.gz",
                    delivered_at.format("%Y/%m/%d"),
                    delivered_at.format("%Y%m%dT%H%MZ")
                );
                Object { records, account, region, delivered_at, key, specials: BTreeMap::new() }
            })
            .collect();
        plant(&mut objects, &world, planted, &mut random)?;
        Ok(Self { shape, seed, world, objects })
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// The JSON of an object.
    pub fn json(&self, index: usize) -> String {
        let object = &self.objects[index];
        let place = Place {
            account: &self.world.accounts[object.account],
            region: object.region,
            delivered_at: object.delivered_at,
        };
        let mut writer = Writer::new(place, Random::new(self.seed, 1000 + index as u64), object.records);
        let mut json = String::with_capacity(object.records * 1800);
        json.push_str("{\"Records\":[");
        for at in 0..object.records {
            if at > 0 {
                json.push(',');
            }
            match object.specials.get(&at) {
                Some(special) => writer.special(&mut json, special),
                None => writer.ordinary(&mut json),
            }
        }
        json.push_str("]}");
        json
    }

    /// Writes `directory/archive` and `directory/expected.json`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<Written, Box<dyn Error>> {
        let archive = directory.join("archive");
        let (raw, compressed) = (AtomicU64::new(0), AtomicU64::new(0));
        (0..self.len()).into_par_iter().try_for_each(|index| -> std::io::Result<()> {
            let json = self.json(index);
            let stored = gzip(&json)?;
            let path = archive.join(&self.objects[index].key);
            fs::create_dir_all(path.parent().unwrap_or(&archive))?;
            fs::write(path, &stored)?;
            raw.fetch_add(json.len() as u64, Ordering::Relaxed);
            compressed.fetch_add(stored.len() as u64, Ordering::Relaxed);
            Ok(())
        })?;
        let written = self.expected(raw.into_inner(), compressed.into_inner());
        fs::write(directory.join("expected.json"), serde_json::to_vec_pretty(&written)?)?;
        Ok(written)
    }

    fn expected(&self, bytes_raw: u64, bytes_compressed: u64) -> Written {
        let specials = || self.objects.iter().flat_map(|object| object.specials.values());
        let ids = |wanted: fn(Kind) -> bool| specials().filter(move |one| wanted(one.kind)).map(|one| one.id.clone());
        let mut planted: Vec<&Special> = specials().filter(|special| special.kind == Kind::Planted).collect();
        planted.sort_by_key(|special| special.time);
        Written {
            preset: self.shape,
            seed: self.seed,
            objects: self.objects.len() as u64,
            records: self.objects.iter().map(|object| object.records as u64).sum(),
            bytes_raw,
            bytes_compressed,
            planted: planted.into_iter().map(|special| special.id.clone()).collect(),
            decoys: ids(|kind| kind != Kind::Planted).collect(),
            decoys_of_another_source: ids(|kind| kind == Kind::DecoyOfAnotherSource).collect(),
        }
    }
}

/// Spreads events over the month, in objects of the first account and of IAM's region, and decoys over all.
fn plant(objects: &mut [Object], world: &World, planted: usize, random: &mut Random) -> Result<(), String> {
    let all: Vec<usize> = (0..objects.len()).collect();
    let is_iams =
        |index: &usize| objects.get(*index).is_some_and(|one| one.region == GLOBAL_REGION && one.account == 0);
    let iams: Vec<usize> = all.iter().copied().filter(is_iams).collect();
    for number in 0..planted {
        let (index, place) = free_place(objects, &iams, (number, planted), random)?;
        let object = &mut objects[index];
        // In the same object, later ones are later.
        let time = object.delivered_at - TimeDelta::seconds(600 - (object.specials.len() as i64).min(599));
        let special = specials::planted(number, world.accounts[object.account].id, time, random);
        object.specials.insert(place, special);
    }
    for number in 0..2 * planted {
        let (index, place) = free_place(objects, &all, (number, 2 * planted), random)?;
        let object = &mut objects[index];
        let time = Writer::time(random, object.delivered_at);
        let special = specials::decoy(number, world.accounts[object.account].id, time, random);
        object.specials.insert(place, special);
    }
    Ok(())
}

/// A record's place in the `number`th part of `among`, or in the next object that has one left.
fn free_place(
    objects: &[Object],
    among: &[usize],
    (number, parts): (usize, usize),
    random: &mut Random,
) -> Result<(usize, usize), String> {
    let first = (number * among.len() + random.below(among.len())) / parts;
    for index in among[first..].iter().chain(&among[..first]) {
        let object = &objects[*index];
        if object.specials.len() < object.records {
            let mut place = random.below(object.records);
            while object.specials.contains_key(&place) {
                place = (place + 1) % object.records;
            }
            return Ok((*index, place));
        }
    }
    Err(format!("too few records for {parts} events or decoys (hint: --records, --planted)"))
}

/// Gzip of level 6, as CloudTrail's objects are.
pub fn gzip(json: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(json.len() / 6), Compression::new(6));
    encoder.write_all(json.as_bytes())?;
    encoder.finish()
}

/// The arguments of a bench: Cargo adds its own `--bench`, and `--test` asks for the bench's check of itself.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench" && argument != "--test").collect()
}
