//! What the watch counts, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// Bounds of the histogram of lags, in seconds.
const BOUNDS: [i64; 9] = [1, 5, 15, 60, 180, 300, 600, 1800, 3600];

/// Counts of one process, from its start.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
    /// What time it was when somebody last told, and how long that is ago.
    clock: Mutex<Option<(DateTime<Utc>, Instant)>>,
}

#[derive(Debug, Default)]
struct Counts {
    events: u64,
    objects: u64,
    records: u64,
    failures: u64,
    /// By channel and outcome.
    deliveries: BTreeMap<(String, &'static str), u64>,
    /// From the event to its delivery.
    lags: Histogram,
    /// By queue and outcome.
    messages: BTreeMap<(String, &'static str), u64>,
    /// By queue.
    queue_failures: BTreeMap<String, u64>,
    /// From the sending of a message to when all that follows from it is durable.
    message_lags: Histogram,
    /// When inputs were last read to their end.
    last_pass: Option<DateTime<Utc>>,
}

/// How many took at most so long, their number and their sum, in seconds.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn add(&mut self, lag: f64) {
        self.count += 1;
        self.sum += lag;
        for (bound, count) in BOUNDS.iter().zip(&mut self.buckets) {
            #[expect(clippy::cast_precision_loss, reason = "an hour")]
            if lag <= *bound as f64 {
                *count += 1;
            }
        }
    }

    fn rows(&self) -> Vec<(String, String)> {
        let bucket = |(bound, count): (&i64, &u64)| (format!("_bucket{{le=\"{bound}\"}}"), count.to_string());
        let mut rows: Vec<(String, String)> = BOUNDS.iter().zip(&self.buckets).map(bucket).collect();
        rows.push(("_bucket{le=\"+Inf\"}".to_owned(), self.count.to_string()));
        rows.push(("_sum".to_owned(), self.sum.to_string()));
        rows.push(("_count".to_owned(), self.count.to_string()));
        rows
    }
}

/// What the ledger has at the moment, which is not counted here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Incidents by state.
    pub incidents: BTreeMap<String, u64>,
    /// Alerts that no channel has taken yet, by channel.
    pub undelivered: BTreeMap<String, u64>,
    /// Since when the oldest of them waits.
    pub oldest: Option<DateTime<Utc>>,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what a pass read.
    pub fn read(&self, objects: u64, records: u64, events: u64, failures: u64, now: DateTime<Utc>) {
        let mut counts = self.counts();
        counts.objects += objects;
        counts.records += records;
        counts.events += events;
        counts.failures += failures;
        counts.last_pass = Some(now);
    }

    /// Notes that there was nothing to read, or that it was read.
    pub fn passed(&self, now: DateTime<Utc>) {
        self.counts().last_pass = Some(now);
    }

    /// Counts an attempt of a channel; `lag` is from the event to the delivery, in seconds.
    pub fn delivery(&self, channel: &str, outcome: &'static str, lag: Option<f64>) {
        let mut counts = self.counts();
        *counts.deliveries.entry((channel.to_owned(), outcome)).or_default() += 1;
        if let Some(lag) = lag {
            counts.lags.add(lag);
        }
    }

    /// Counts messages of a queue by what became of them.
    pub fn messages(&self, queue: &str, outcome: &'static str, count: u64) {
        if count > 0 {
            *self.counts().messages.entry((queue.to_owned(), outcome)).or_default() += count;
        }
    }

    /// Counts a receiving in vain.
    pub fn queue_failure(&self, queue: &str) {
        *self.counts().queue_failures.entry(queue.to_owned()).or_default() += 1;
    }

    /// Counts how many milliseconds it took from the sending of a message to the end of its work.
    pub fn message_lag(&self, milliseconds: Option<i64>) {
        if let Some(milliseconds) = milliseconds {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of days")]
            self.counts().message_lags.add(milliseconds.max(0) as f64 / 1000.0);
        }
    }

    /// Takes over what time it is.
    pub fn tick(&self, now: DateTime<Utc>) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    /// What time it is: a pass may take minutes, and who asks meanwhile is not told the time of its beginning.
    fn now(&self) -> Option<DateTime<Utc>> {
        let (at, since) = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(at + TimeDelta::from_std(since.elapsed()).unwrap_or_default())
    }

    /// All of it in Prometheus' text format.
    #[must_use]
    pub fn text(&self, standing: &Standing) -> String {
        let now = self.now();
        let counts = self.counts();
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
            let _ = write!(text, "# HELP mfatrail_{name} {help}\n# TYPE mfatrail_{name} {kind}\n");
            for (suffix, value) in rows {
                let _ = writeln!(text, "mfatrail_{name}{suffix} {value}");
            }
        };
        let one = |value: u64| vec![(String::new(), value.to_string())];
        let by = |names: [&str; 2], rows: &BTreeMap<(String, &'static str), u64>| {
            let row = |((first, second), count): (&(String, &str), &u64)| {
                let labels = format!("{{{}=\"{}\",{}=\"{second}\"}}", names[0], label(first), names[1]);
                (labels, count.to_string())
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        family("objects_total", "counter", "Objects read into the store.", one(counts.objects));
        family("records_total", "counter", "CloudTrail records in them.", one(counts.records));
        family("events_total", "counter", "New extracted events.", one(counts.events));
        family("read_failures_total", "counter", "Objects that could not be read completely.", one(counts.failures));
        let states =
            standing.incidents.iter().map(|(state, count)| (format!("{{state=\"{state}\"}}"), count.to_string()));
        family("incidents", "gauge", "Incidents, by state.", states.collect());
        family(
            "deliveries_total",
            "counter",
            "Attempts to deliver an alert, by channel and outcome.",
            by(["channel", "outcome"], &counts.deliveries),
        );
        let waiting = standing.undelivered.iter();
        let waiting =
            waiting.map(|(channel, count)| (format!("{{channel=\"{}\"}}", label(channel)), count.to_string()));
        family("undelivered", "gauge", "Alerts waiting for a channel.", waiting.collect());
        let waited =
            now.zip(standing.oldest).map_or(0, |(now, since)| (now - since).num_seconds().max(0)).unsigned_abs();
        family(
            "oldest_undelivered_seconds",
            "gauge",
            "How long the oldest pending alert has waited; 0 if there is none.",
            one(waited),
        );
        family("lag_seconds", "histogram", "Time from an event to the delivery of its alert.", counts.lags.rows());
        family(
            "messages_total",
            "counter",
            "Messages of queues, by queue and by what became of them.",
            by(["queue", "outcome"], &counts.messages),
        );
        let failures = counts.queue_failures.iter();
        let failures = failures.map(|(queue, count)| (format!("{{queue=\"{}\"}}", label(queue)), count.to_string()));
        family("queue_failures_total", "counter", "Receivings that a queue did not answer.", failures.collect());
        family(
            "message_lag_seconds",
            "histogram",
            "From the sending of a message to when all that follows from it is durable.",
            counts.message_lags.rows(),
        );
        let last = counts.last_pass.map_or(0, |at| at.timestamp().max(0)).unsigned_abs();
        family(
            "last_pass_timestamp_seconds",
            "gauge",
            "When all inputs were last read to the end; 0 for never.",
            one(last),
        );
        text
    }
}

/// A label's value.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        metrics.read(3, 40, 5, 1, at("2026-10-01T08:00:00Z"));
        metrics.delivery("soc", "delivered", Some(42.5));
        metrics.delivery("soc", "retried", None);
        metrics.messages("trail", "done", 2);
        metrics.queue_failure("trail");
        metrics.message_lag(Some(1500));
        let standing = Standing {
            incidents: BTreeMap::from([("open".to_owned(), 2), ("resolved".to_owned(), 7)]),
            undelivered: BTreeMap::from([("page".to_owned(), 1)]),
            oldest: Some(at("2026-10-01T08:00:00Z")),
        };
        metrics.tick(at("2026-10-01T08:01:00Z"));
        let text = metrics.text(&standing);
        for line in [
            "mfatrail_events_total 5",
            r#"mfatrail_incidents{state="resolved"} 7"#,
            r#"mfatrail_deliveries_total{channel="soc",outcome="retried"} 1"#,
            r#"mfatrail_lag_seconds_bucket{le="15"} 0"#,
            r#"mfatrail_lag_seconds_bucket{le="60"} 1"#,
            "mfatrail_lag_seconds_sum 42.5",
            "mfatrail_oldest_undelivered_seconds 60",
            r#"mfatrail_messages_total{queue="trail",outcome="done"} 2"#,
            r#"mfatrail_queue_failures_total{queue="trail"} 1"#,
            r#"mfatrail_message_lag_seconds_bucket{le="5"} 1"#,
            "mfatrail_last_pass_timestamp_seconds 1790841600",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
        // A family's lines stand together, below its type.
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE")).count(), 13);
    }
}
