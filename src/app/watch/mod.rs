//! The watch: reads what comes into the store, compares what follows from it with what was told, and tells.
//!
//! ```text
//! archives, queues --reading--> store --principals--> windows --incident--> transitions --ledger--> outbox --deliver--> channels
//! ```
//!
//! A transition is in the ledger, with what is to be sent of it, before anything is sent. A process that ends at any moment is
//! followed by one that looks at the whole store once, and sends what is in the outbox.

pub mod announce;
mod approvals;
pub mod check;
pub mod config;
mod deliver;
mod iam;
mod lease;
mod messages;
pub mod metrics;
mod reading;
mod refusal;
pub mod replay;
mod rotation;
pub mod test;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::principals::{EventKey, Examined, Question, examine};
use super::{Error, Run, coverage, store_error};
use crate::alert::channel::{Channel, Opening};
use crate::alert::secret::SecretRef;
use crate::alert::vault::AwsVault;
use crate::alert::{route, text};
use crate::aws::Connection;
use crate::causes::with_causes;
use crate::http::server::{self, Page};
use crate::incident::derive::{Facts, Tags, derive, pending};
use crate::incident::diff::{Scope, diff};
use crate::incident::ledger::change::Recipient;
use crate::incident::ledger::{Ledger, LedgerError};
use crate::pipeline::{Options, Stop};
use crate::source::{Selection, Source};
use crate::store::{Place, Spans, Store};
use approvals::Approvals;
use config::{Config, Entry, Input};
use deliver::Sender;
use iam::Iam;
use lease::Published;
use messages::{Batch, Queues};
use metrics::{Metrics, Standing};
use reading::{Outcome, Polled, Reading};
use rotation::Rotation;

/// How often it is looked whether something is to be done.
const TICK: Duration = Duration::from_millis(100);
/// How often the ledger is told that the watch still runs.
const ALIVE: Duration = Duration::from_secs(10);

/// What a watch is asked.
#[derive(Debug)]
pub struct Request {
    /// The configuration.
    pub config: Config,
    /// The evidence store; made where there is none.
    pub store: Place,
    /// The folder of the ledger: of a store in a folder that one, of one in a bucket a folder of this machine, made where there is none.
    pub state: PathBuf,
    /// From when on people are told; `None` for the first start of a watch of this store.
    pub from: Option<DateTime<Utc>>,
    /// Whether it ends when everything was read and what is due was sent.
    pub once: bool,
    /// Where its figures are served.
    pub listen: Option<SocketAddr>,
    /// How archives are read.
    pub options: Options<'static>,
}

/// What a watch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects read.
    pub objects: u64,
    /// Transitions that were put into the outbox, or would have been were there a channel.
    pub transitions: u64,
    /// Deliveries that no channel has taken.
    pub undelivered: u64,
    /// Inputs that could not be read, objects that failed.
    pub failures: u64,
    /// Events that several records, or two versions of an object, contradict each other about.
    pub conflicts: u64,
}

/// Opens channels of a configuration, which reach AWS as the watch does; a role for reading archives is none for them.
///
/// # Errors
/// When a secret is not there, or an address cannot be used: everything that is wrong, each with its place.
pub fn open_channels(entries: &[Entry], aws: &Connection) -> Result<Vec<Box<dyn Channel>>, Error> {
    Ok(opened(entries, aws)?.into_iter().map(|(channel, _secrets)| channel).collect())
}

/// A channel, and what it takes to open it again when its secrets are others.
type Opened<'e> = (Box<dyn Channel>, Rotation<'e>);

fn opened<'e>(entries: &'e [Entry], aws: &Connection) -> Result<Vec<Opened<'e>>, Error> {
    let aws = Connection { role_arn: None, external_id: None, ..aws.clone() };
    let vault = AwsVault::new(aws.clone());
    let (mut channels, mut problems) = (Vec::new(), Vec::new());
    for entry in entries {
        for caution in entry.settings.secrets().into_iter().filter_map(SecretRef::caution) {
            tracing::warn!(channel = entry.name, "{caution}");
        }
        if let Some(caution) = entry.settings.caution() {
            tracing::warn!(channel = entry.name, "{caution}");
        }
        let channel = open(entry, &vault, &aws);
        match channel.and_then(|channel| Ok((channel, Rotation::new(entry, &aws, &vault)?))) {
            Ok(channel) => channels.push(channel),
            Err(problem) => problems.push(format!("{}: channel `{}`: {problem}", entry.place, entry.name)),
        }
    }
    if problems.is_empty() { Ok(channels) } else { Err(Error::Input(problems.join("\n"))) }
}

fn open(entry: &Entry, vault: &AwsVault, aws: &Connection) -> Result<Box<dyn Channel>, String> {
    entry.settings.open(&Opening { deadline: entry.timeout, vault, aws })
}

/// Watches until `stop` is asked, or, with [`Request::once`], until everything was read and what was due was sent.
///
/// # Errors
/// When the request is wrong, or the store or the ledger cannot be written. What cannot be read or sent is no error: it is counted,
/// and tried again.
pub fn run(request: &Request, run: Run<'_>, stop: &Stop) -> Result<Summary, Error> {
    let sources = sources(&request.config)?;
    let channels = opened(&request.config.channels, &request.options.s3.connection)?;
    let approvals = Approvals::open(&request.config.approvals, &request.store)?;
    let iam = iam::read(&request.config, None, None)?;
    let names: Vec<String> = sources.iter().map(Source::root).collect();
    let metrics = Arc::new(Metrics::default());
    // Before anything is written: a queue that cannot be used is a slip in the configuration.
    let connection = &request.options.s3.connection;
    let queues = Queues::open(&request.config.queues, connection, request.once, &metrics)?;
    let lease = lease::ask(&request.store, &request.state, run.now)?;
    let reading = Reading::open(&request.store, &names, request.options.clone(), run)?;
    lease.map_or(Ok(()), |lease| lease.take(&request.store))?;
    let ledger = Ledger::open(&request.state).map_err(Error::failed)?;
    metrics.tick(run.now);
    let listener = request.listen.map(server::bind).transpose();
    let listener =
        listener.map_err(|error| Error::Input(format!("`--listen`: {error}\n  hint: choose another port")))?;
    if let Some((listener, address)) = listener {
        let ledger = Ledger::connect(&request.state).map_err(Error::failed)?;
        serve(listener, ledger, &request.config, &metrics)?;
        run.observer.note(&format!("metrics are at http://{address}/metrics"));
    }
    let connect = |_entry: &Entry| Ledger::connect(&request.state).map_err(Error::failed);
    let ledgers = request.config.channels.iter().map(connect).collect::<Result<Vec<_>, Error>>()?;
    let now = || run.observer.now().unwrap_or(run.now);
    let (draining, failed, idle) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let stopped = || stop.asked() || failed.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        for ((entry, (channel, rotation)), ledger) in request.config.channels.iter().zip(channels).zip(ledgers) {
            let (name, metrics) = (entry.name.as_str(), &*metrics);
            let (now, draining, stopped) = (&now, &draining, &stopped);
            let (idle, all) = (&idle, request.config.channels.len());
            let sender = Sender {
                name,
                channel,
                rotation,
                request,
                ledger,
                metrics,
                now,
                draining,
                idle,
                senders: all,
                stopped,
            };
            let failed = &failed;
            senders.push(scope.spawn(move || {
                let result = sender.run();
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            }));
        }
        let mut watch = Watch {
            request,
            sources,
            queues,
            reading,
            approvals,
            ledger,
            metrics: &metrics,
            now: &now,
            known: Known { iam, ..Known::default() },
            published: Published::default(),
        };
        let result = watch.run(&stopped);
        watch.queues.close();
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        draining.store(true, Ordering::Release);
        for sender in senders {
            match sender.join() {
                Ok(sent) => sent?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let mut summary = result?;
        // What was delivered last counts as well.
        watch.published.renew(&watch.ledger, &request.store)?;
        let waiting =
            |count: &&crate::incident::ledger::view::Count| count.what == "deliveries" && count.state != "done";
        let counts = watch.ledger.counts().map_err(Error::failed)?;
        summary.undelivered = counts.iter().filter(waiting).map(|count| count.n).sum();
        Ok(summary)
    })
}

/// Records in the ledger of `state` who looks after an incident of `store`, and puts what is to be told of it into the outbox of whoever was told before.
///
/// # Errors
/// When there is no such incident, it is over, or the ledger cannot be written.
pub fn acknowledge(state: &Path, store: &str, key: &str, by: &str, now: DateTime<Utc>) -> Result<(), Error> {
    let mut ledger = Ledger::connect(state).map_err(Error::failed)?;
    let change = ledger.change(now).map_err(Error::failed)?;
    let step = change.acknowledge(key, by).map_err(|error| match error {
        LedgerError::Unknown(_) | LedgerError::Ended(..) => Error::input(error),
        _ => Error::failed(error),
    })?;
    if let Some(step) = step {
        let members = change.members(&step.entry.incident).map_err(Error::failed)?;
        let alert = text::alert(&step, text::Setting { now, store, members: &members });
        let told = change.recipients(key).map_err(Error::failed)?;
        change.tell(&step, &serde_json::to_string(&alert).map_err(Error::failed)?, &told).map_err(Error::failed)?;
    }
    change.commit().map_err(Error::failed)
}

/// What incidents follow from, at a moment.
fn facts<'f>(config: &'f Config, tags: &'f Tags, examined: &'f Examined, as_of: DateTime<Utc>) -> Facts<'f> {
    let Examined { windows, lifecycle, events, .. } = examined;
    let replacement_grace = TimeDelta::seconds(config.settings.replacement_grace_s);
    Facts { windows, lifecycle, events, tags, rules: &config.rules, replacement_grace, as_of }
}

fn sources(config: &Config) -> Result<Vec<Source>, Error> {
    let parse = |input: &Input| {
        let wrong = |why: &str| Error::Input(format!("{}: {why}", input.line));
        let source = Source::parse(input.source.as_ref()).map_err(|error| wrong(&with_causes(&error)))?;
        if source == Source::Stdin {
            return Err(wrong("standard input cannot be an input (hint: name a bucket or a folder)"));
        }
        Ok(source)
    };
    config.inputs.iter().map(parse).collect()
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Known {
    spans: Spans,
    /// The last commit that was looked at; `None` before the first look.
    commit: Option<u64>,
    iam: Option<Iam>,
    /// When something becomes different by itself.
    pending: Vec<(DateTime<Utc>, EventKey)>,
    /// The store's last commit when the watch began.
    began: u64,
    /// Events whose conflicts were named.
    contested: BTreeSet<EventKey>,
}

struct Watch<'w> {
    request: &'w Request,
    sources: Vec<Source>,
    queues: Queues,
    reading: Reading,
    approvals: Approvals<'w>,
    ledger: Ledger,
    metrics: &'w Metrics,
    now: &'w (dyn Fn() -> DateTime<Utc> + Sync),
    known: Known,
    published: Published,
}

impl Watch<'_> {
    fn run(&mut self, stopped: &dyn Fn() -> bool) -> Result<Summary, Error> {
        let started = (self.now)();
        let runs = self.ledger.runs().map_err(Error::failed)?;
        let told_from = self.request.from.or(runs.first().map(|first| first.from)).unwrap_or(started);
        let read_to = runs.last().map(|last| last.to);
        self.ledger.run(started, started, false).map_err(Error::failed)?;
        let mut summary = Summary::default();
        self.known.began = self.reading.store()?.commit();
        let mut due: Vec<Option<Instant>> = vec![None; self.sources.len()];
        let mut alive = Instant::now();
        while !stopped() {
            let now = (self.now)();
            self.metrics.tick(now);
            let first = self.known.commit.is_none();
            let archives = self.due(&mut due, told_from, read_to, now);
            let batch = Batch::new(self.queues.take(), &self.queues, &self.request.state, now)?;
            let worked = !batch.is_empty();
            let read = self.read(&archives, &batch, now, &mut summary)?;
            let is_pending = self.known.pending.first().is_some_and(|(at, _)| *at <= now);
            if first || worked || is_pending || !archives.is_empty() {
                self.look(told_from, now, &mut summary)?;
            }
            if !self.request.config.queues.is_empty() && self.queues.unreachable() == 0 {
                self.metrics.passed(now);
            }
            let left = self.queues.settle(batch, &read, &self.request.state, (self.now)())?;
            if self.request.once {
                summary.failures += read.failures.len() as u64 + left;
                if self.queues.are_empty() {
                    summary.failures += self.queues.unreachable();
                    break;
                }
            }
            if alive.elapsed() >= ALIVE {
                alive = Instant::now();
                self.ledger.run(started, now, false).map_err(Error::failed)?;
                self.published.renew_at(now, &self.ledger, &self.request.store);
            }
            if !worked {
                std::thread::sleep(TICK);
            }
        }
        self.ledger.run(started, (self.now)(), true).map_err(Error::failed)?;
        Ok(summary)
    }

    /// The archives that are to be looked through now.
    fn due(
        &self,
        due: &mut [Option<Instant>],
        told_from: DateTime<Utc>,
        read_to: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Vec<Polled> {
        let first = self.known.commit.is_none();
        let mut archives = Vec::new();
        for ((input, source), due) in self.request.config.inputs.iter().zip(&self.sources).zip(due) {
            if due.is_some_and(|due| Instant::now() < due) {
                continue;
            }
            *due = Instant::now().checked_add(input.every);
            // What was before matters to what is now, so a new store begins with the look-back; later, what a watch that was down
            // did not see is made up for.
            let lookback = TimeDelta::seconds(self.request.config.settings.lookback_s);
            let slack = TimeDelta::days(i64::from(input.days));
            let from = match read_to {
                None if first => told_from - lookback,
                Some(read_to) if first => read_to.min(told_from) - slack,
                _ => now - slack,
            };
            archives.push((source.clone(), Selection { from: Some(from), ..Selection::default() }));
        }
        archives
    }

    fn read(
        &mut self,
        archives: &[Polled],
        batch: &Batch,
        now: DateTime<Utc>,
        summary: &mut Summary,
    ) -> Result<Outcome, Error> {
        if archives.is_empty() && batch.named.is_empty() {
            return Ok(Outcome::default());
        }
        let read = self.reading.read(archives, &batch.named, now)?;
        for failure in &read.failures {
            tracing::warn!(object = failure.object, reason = failure.error, "could not be read");
        }
        self.metrics.read(read.objects, read.records, read.ingested.events, read.failures.len() as u64, now);
        summary.objects += read.objects;
        if read.ingested.replaced > 0 {
            tracing::warn!(objects = read.ingested.replaced, "overwritten in the archive, which CloudTrail never does");
        }
        Ok(read)
    }

    /// Looks at what is new, and puts what is to be told into the outbox.
    fn look(&mut self, told_from: DateTime<Utc>, now: DateTime<Utc>, summary: &mut Summary) -> Result<(), Error> {
        let store = self.reading.store()?;
        let is_new = iam::renew(&mut self.known.iam, &self.request.config, &store)? | self.approvals.renew();
        let arrivals = match self.known.commit.filter(|_| !is_new) {
            Some(commit) => Some(store.arrivals(commit).map_err(store_error)?),
            None => None,
        };
        let touched = match arrivals {
            None => None,
            Some(arrivals) => {
                let mut touched = arrivals.events;
                // Let go at once: channels write to the ledger while the store is read.
                let change = self.ledger.change(now).map_err(Error::failed)?;
                touched.extend(change.touched_by(&arrivals.people).map_err(Error::failed)?);
                let due = self.known.pending.iter().take_while(|(at, _)| *at <= now);
                touched.extend(due.map(|(_, event)| event.clone()));
                Some(touched)
            }
        };
        if touched.as_ref().is_some_and(BTreeSet::is_empty) {
            self.known.commit = Some(store.commit());
            return Ok(());
        }
        let config = &self.request.config;
        let question = Question {
            touched: touched.as_ref(),
            period: None,
            as_of: None,
            now,
            iam: self.known.iam.as_ref().map(|iam| &iam.state),
            approvals: self.approvals.rows(),
            detections: &[],
            settings: &config.settings,
        };
        let examined = examine(&store, &mut self.known.spans, &question)?;
        summary.conflicts += self.name_conflicts(&store, &examined)?;
        let nobody = Tags::new();
        let tags = self.known.iam.as_ref().map_or(&nobody, |iam| &iam.tags);
        let facts = facts(config, tags, &examined, examined.as_of.max(now));
        let derived = derive(facts);
        let scope = if touched.is_some() { Scope::Events(examined.scope.clone()) } else { Scope::All };
        let change = self.ledger.change(now).map_err(Error::failed)?;
        let known = change.entries(&scope).map_err(Error::failed)?;
        let changes = diff(&known, &derived, &scope, Some(told_from), now);
        for entry in &changes.entries {
            change.store(entry).map_err(Error::failed)?;
        }
        let names: Vec<&str> = config.channels.iter().map(|entry| entry.name.as_str()).collect();
        let place = self.request.store.to_string();
        for step in &changes.steps {
            let members = change.members(&step.entry.incident).map_err(Error::failed)?;
            let alert = text::alert(step, text::Setting { now, store: &place, members: &members });
            let mut told: BTreeSet<Recipient> =
                change.recipients(&step.entry.key).map_err(Error::failed)?.into_iter().collect();
            told.retain(|recipient| names.contains(&recipient.channel.as_str()));
            for name in route::channels(&config.routes, &names, &alert) {
                let detects = config.channels.iter().any(|entry| entry.name == name && entry.detects);
                told.replace(Recipient { channel: name.to_owned(), detects });
            }
            let json = serde_json::to_string(&alert).map_err(Error::failed)?;
            change.tell(step, &json, &told.into_iter().collect::<Vec<_>>()).map_err(Error::failed)?;
        }
        change.commit().map_err(Error::failed)?;
        let mut waiting = pending(facts, &derived);
        if touched.is_some() {
            let again = |event: &EventKey| examined.scope.contains(event);
            waiting.extend(self.known.pending.drain(..).filter(|(at, event)| *at > now && !again(event)));
            waiting.sort();
        }
        self.known.pending = waiting;
        self.known.commit = Some(store.commit());
        summary.transitions += changes.steps.len() as u64;
        Ok(())
    }

    /// Names events whose records contradict each other, if one of these came since the watch began; each once. Gives their number.
    fn name_conflicts(&mut self, store: &Store, examined: &Examined) -> Result<u64, Error> {
        if examined.conflicts.is_empty() {
            return Ok(0);
        }
        let came = store.arrivals(self.known.began).map_err(store_error)?.events;
        let mut named = 0;
        for conflict in coverage::by_event(examined.conflicts.clone()) {
            let key = (conflict.account.clone(), conflict.event_id.clone());
            if came.contains(&key) && self.known.contested.insert(key) {
                tracing::warn!("{}", coverage::contested(&conflict).text);
                named += 1;
            }
        }
        Ok(named)
    }
}

/// Serves `/metrics` and `/healthz`.
fn serve(
    listener: std::net::TcpListener,
    ledger: Ledger,
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<(), Error> {
    let (ledger, metrics) = (Mutex::new(ledger), Arc::clone(metrics));
    let channels: Vec<String> = config.channels.iter().map(|entry| entry.name.clone()).collect();
    let pages = move |path: &str| match path {
        "/metrics" => Some(match standing(&ledger.lock().unwrap_or_else(PoisonError::into_inner), &channels) {
            Ok(standing) => {
                Page { status: 200, content_type: "text/plain; version=0.0.4", text: metrics.text(&standing) }
            }
            Err(error) => Page { status: 500, content_type: "text/plain", text: format!("{}\n", error.message()) },
        }),
        "/healthz" => Some(Page { status: 200, content_type: "text/plain", text: "ok\n".to_owned() }),
        _ => None,
    };
    server::serve(listener, Arc::new(pages)).map_err(|error| Error::Failed(format!("could not serve metrics: {error}")))
}

fn standing(ledger: &Ledger, channels: &[String]) -> Result<Standing, Error> {
    let mut standing = Standing::default();
    for count in ledger.counts().map_err(Error::failed)? {
        match (count.what.as_str(), count.state.as_str()) {
            ("incidents", _) => {
                standing.incidents.insert(count.state, count.n);
            }
            ("deliveries", "pending") => {
                standing.undelivered.insert(count.channel, count.n);
            }
            _ => {}
        }
    }
    for channel in channels {
        let oldest = ledger.oldest(channel).map_err(Error::failed)?;
        standing.oldest = [standing.oldest, oldest].into_iter().flatten().min();
    }
    Ok(standing)
}
