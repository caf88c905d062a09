//! Mail by SMTP: to people who look after incidents, and to the owner of the user, who is asked "was this you?".
//!
//! Nothing is said before the connection is encrypted and its certificate trusted, but to a relay on this machine; nobody signs in before.
//! The outcome is each recipient's own: one who is refused costs nobody else the mail, and who has it does not get it again. Where the
//! answer to the whole mail is lost, nobody knows, and it is sent again with the same `Message-ID`, marked.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use serde::Deserialize;

use super::line::complaint;
use super::recipients::Round;
use super::redaction::Redaction;
use super::{Channel, Opening, answer};
use crate::alert::mail::{Audience, Mail, Sender, message_id};
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Alert, Delivery, Outcome};
use crate::disk;

/// The most bytes of a file of certificates.
const CERTIFICATES: u64 = 1 << 20;
/// The most recipients: servers take a hundred at least in one mail (RFC 5321, 4.5.3.1.8).
const RECIPIENTS: usize = 100;

/// A mail address with a name or without, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Recipient(pub(super) Mailbox);

impl TryFrom<String> for Recipient {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mailbox: Mailbox = text.parse().map_err(|_bad| {
            format!("`{text}` is not a mail address (hint: \"soc@example.com\" or \"SOC <soc@example.com>\")")
        })?;
        if !is_plain(&mailbox.email) {
            return Err(format!(
                "`{text}` has characters that not every mail server takes (hint: ASCII alone; a domain as \"xn--…\")"
            ));
        }
        Ok(Self(mailbox))
    }
}

/// Whether every server takes an address, and no command can be hidden in it.
fn is_plain(address: &Address) -> bool {
    let text = address.to_string();
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\' | b','))
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By STARTTLS, before anything is said: port 587.
    Starttls,
    /// From the first byte on: port 465.
    Implicit,
    /// Not at all: a relay on this machine alone.
    None,
}

/// What a `[[channel]]` of the kind `email` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Settings {
    keys: Keys,
    tls: Tls,
    port: u16,
}

/// The keys as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    host: String,
    port: Option<u16>,
    tls: Option<Tls>,
    user: Option<String>,
    password: Option<SecretRef>,
    /// Certificates that are trusted beside the system's.
    certificates: Option<PathBuf>,
    from: Recipient,
    reply_to: Option<Recipient>,
    #[serde(default)]
    to: Vec<Recipient>,
    /// Whether the owner of the user is asked.
    #[serde(default)]
    owner: bool,
    /// The domains to which owners are written: whoever may tag a user can name anybody as its owner.
    owner_domains: Option<Vec<String>>,
}

impl TryFrom<Keys> for Settings {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let tls = keys.tls.unwrap_or(if keys.port == Some(465) { Tls::Implicit } else { Tls::Starttls });
        let port = keys.port.unwrap_or(match tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        });
        let is_host = !keys.host.is_empty()
            && keys.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        let wrong = match () {
            () if !is_host => "`host` is not the name or the address of a mail server (hint: \"smtp.example.com\")",
            () if tls == Tls::None && !is_local(&keys.host) => {
                "mail would be sent in the clear (hint: `tls = \"starttls\"` or \"implicit\"; \"none\" is for a relay on this machine alone)"
            }
            () if tls == Tls::None && keys.password.is_some() => {
                "the password would be sent in the clear (hint: `tls = \"starttls\"` or \"implicit\")"
            }
            () if keys.user.is_some() != keys.password.is_some() => {
                "`user` and `password` go together (hint: set both, or neither)"
            }
            () if keys.to.is_empty() && !keys.owner => "nobody gets the mail (hint: set `to`, or `owner = true`)",
            () if keys.to.len() > RECIPIENTS => "`to` has more than 100 recipients (hint: use a mailing list)",
            () if keys.owner_domains.is_some() && !keys.owner => "`owner_domains` is of no use without `owner = true`",
            () => return Ok(Self { keys, tls, port }),
        };
        Err(wrong.to_owned())
    }
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Email, String> {
        let keys = &self.keys;
        let password = keys.password.as_ref().map(|password| password.resolve(opening.vault)).transpose()?;
        let signed = keys.user.clone().zip(password);
        let redaction =
            Redaction::new(&signed.iter().flat_map(|(user, password)| forms(user, password)).collect::<Vec<_>>());
        let credentials = signed.map(|(user, password)| Credentials::new(user, password.expose().to_owned()));
        let tls = match self.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Implicit => Some(parameters(&keys.host, keys.certificates.as_deref())?),
        };
        Ok(Email {
            settings: self.clone(),
            tls,
            credentials,
            redaction,
            owner_domains: domains_of(keys.owner_domains.as_ref(), keys.to.iter().chain([&keys.from])),
            deadline: opening.deadline,
        })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        self.keys.password.iter().collect()
    }
}

/// The owner of a user, if it is the address of somebody of ours.
pub(super) fn owner_of(owner: &str, domains: &BTreeSet<String>, secrets: &Redaction) -> Result<Mailbox, String> {
    let shown = answer::quote(owner, secrets);
    let address: Address =
        owner.trim().parse().map_err(|_bad| format!("the owner `{shown}` is not a mail address and was not asked"))?;
    if !is_plain(&address) || !domains.contains(&address.domain().to_lowercase()) {
        return Err(format!(
            "the owner `{shown}` was not asked: the domain is none of `owner_domains` (hint: add it, if it is yours; whoever may tag \
             a user can name anybody as its owner)"
        ));
    }
    Ok(Mailbox::new(None, address))
}

/// The domains to which owners are written: those that are named, or else those of our own addresses.
pub(super) fn domains_of<'a>(
    named: Option<&Vec<String>>,
    own: impl Iterator<Item = &'a Recipient>,
) -> BTreeSet<String> {
    match named {
        Some(named) => named.iter().map(|one| one.to_lowercase()).collect(),
        None => own.map(|one| one.0.email.domain().to_lowercase()).collect(),
    }
}

/// The password, and what `AUTH PLAIN` makes of it.
fn forms(user: &str, password: &Secret) -> Vec<Secret> {
    let plain = Secret::new(&STANDARD.encode(format!("\0{user}\0{}", password.expose())));
    plain.into_iter().chain([password.clone()]).collect()
}

fn parameters(host: &str, certificates: Option<&std::path::Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = certificates {
        let shown = path.display();
        let wrong = |what: &str| format!("cannot read the certificates in `{shown}`: {what}");
        let bytes = disk::read(path, CERTIFICATES).map_err(|error| wrong(&error.to_string()))?;
        let certificate = Certificate::from_pem(&bytes).map_err(|error| wrong(&error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| format!("could not set up TLS: {error}"))
}

fn later(reason: String) -> Outcome {
    Outcome::RepeatAfter { wait: None, reason }
}

fn unknown(reason: String) -> Outcome {
    Outcome::Unknown { wait: None, reason }
}

/// What became of a mail, of some of its recipients.
type Fate = (Vec<String>, Outcome);

/// A mail server.
pub(super) struct Email {
    settings: Settings,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    redaction: Redaction,
    owner_domains: BTreeSet<String>,
    deadline: Duration,
}

/// One mail and those who get it.
struct Letter {
    audience: Audience,
    to: Vec<Mailbox>,
}

impl Email {
    /// The mails of an alert.
    fn letters(&self, alert: &Alert) -> (Vec<Letter>, Option<String>) {
        let team: Vec<Mailbox> = self.settings.keys.to.iter().map(|one| one.0.clone()).collect();
        let owner = alert.owner.as_deref().filter(|_| self.settings.keys.owner);
        let (owner, note) = match owner.map(|owner| owner_of(owner, &self.owner_domains, &self.redaction)) {
            Some(Ok(owner)) if team.iter().any(|one| one.email == owner.email) => (None, None),
            Some(Ok(owner)) => (Some(owner), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let owner = owner.map(|owner| Letter { audience: Audience::Owner, to: vec![owner] });
        let team = (!team.is_empty()).then_some(Letter { audience: Audience::Team, to: team });
        (team.into_iter().chain(owner).collect(), note)
    }

    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let mut round = Round::new(delivery);
        let (letters, note) = self.letters(delivery.alert);
        // An owner whom nobody may write to is no fault of the channel's.
        if letters.is_empty() {
            let nobody = || "nobody was told: the alert names no owner, and `to` is empty".to_owned();
            return Ok(Outcome::Delivered { reference: None, note: Some(note.unwrap_or_else(nobody)) });
        }
        let mut connection: Option<SmtpConnection> = None;
        for letter in &letters {
            let rest: Vec<&Address> =
                letter.to.iter().map(|one| &one.email).filter(|one| !round.is_done(one.as_ref())).collect();
            if rest.is_empty() {
                continue;
            }
            let fates = match connection.take().map_or_else(|| self.connect(), Ok) {
                Ok(mut open) => {
                    let fates = self.send(&mut open, &rest, letter, delivery)?;
                    connection = Some(open).filter(|open| !open.has_broken());
                    fates
                }
                Err(outcome) => vec![(rest.iter().map(ToString::to_string).collect(), outcome)],
            };
            fates.into_iter().for_each(|(recipients, outcome)| round.all(&recipients, outcome));
        }
        if let Some(mut open) = connection {
            let _ended = open.quit();
        }
        Ok(round.outcome(note))
    }

    /// Connects, encrypts and signs in.
    fn connect(&self) -> Result<SmtpConnection, Outcome> {
        let Settings { keys, tls, port } = &self.settings;
        let address = (keys.host.as_str(), *port);
        let name = ClientId::default();
        let own = self.tls.as_ref();
        let first = own.filter(|_| *tls == Tls::Implicit);
        let mut connection = SmtpConnection::connect(address, Some(self.deadline), &name, first, None)
            .map_err(|error| self.fate("could not connect", &error, later))?;
        if let Some(parameters) = own.filter(|_| *tls == Tls::Starttls) {
            if !connection.can_starttls() {
                connection.abort();
                return Err(later(format!(
                    "the mail server at {}:{port} does not offer STARTTLS, and nothing is sent in the clear (hint: port 465 with \
                     `tls = \"implicit\"`; where it offered it before, somebody may be in between)",
                    keys.host
                )));
            }
            connection
                .starttls(parameters, &name)
                .map_err(|error| self.fate("could not connect: STARTTLS", &error, later))?;
        }
        if let Some(credentials) = &self.credentials {
            let answer = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).map_err(|error| {
                let fate = self.fate("the server does not sign us in", &error, later);
                connection.abort();
                match fate {
                    Outcome::Permanent { reason } => {
                        Outcome::Permanent { reason: format!("{reason} (hint: check `user` and `password`)") }
                    }
                    _ if error.is_client() => {
                        let reason = "the mail server offers neither AUTH PLAIN nor AUTH LOGIN".to_owned();
                        Outcome::Permanent { reason }
                    }
                    other => other,
                }
            })?;
            expected(&answer, 235).map_err(later)?;
        }
        Ok(connection)
    }

    /// One mail to several of its recipients, each with its own fate.
    fn send(
        &self,
        connection: &mut SmtpConnection,
        to: &[&Address],
        letter: &Letter,
        delivery: &Delivery<'_>,
    ) -> Result<Vec<Fate>, Outcome> {
        let keys = &self.settings.keys;
        let sender = Sender { from: &keys.from.0, reply_to: keys.reply_to.as_ref().map(|one| &one.0) };
        let message = Mail::new(delivery, letter.audience)
            .message(delivery, sender, letter.audience, &letter.to)
            .map_err(|reason| Outcome::Permanent { reason })?;
        let names: Vec<String> = to.iter().map(ToString::to_string).collect();
        let from = From::new(Some(keys.from.0.email.clone()), Vec::new());
        if let Err(error) = connection.command(from) {
            let fate = self.fate("the sender", &error, later);
            self.leave(connection, &error);
            return Ok(vec![(names, fate)]);
        }
        let mut fates: Vec<Fate> = Vec::new();
        let mut accepted: Vec<String> = Vec::new();
        for (one, name) in to.iter().zip(&names) {
            match connection.command(Rcpt::new((*one).clone(), Vec::new())) {
                Ok(_answer) => accepted.push(name.clone()),
                Err(error) if error.status().is_none() => {
                    // Without a connection nothing was sent to anybody.
                    connection.abort();
                    return Ok(vec![(names, self.fate("the connection ended", &error, later))]);
                }
                Err(error) => fates.push((vec![name.clone()], self.fate(name, &error, later))),
            }
        }
        if accepted.is_empty() {
            let _begun_anew = connection.command(Rset).map_err(|_broken| connection.abort());
            return Ok(fates);
        }
        let id = message_id(delivery.alert, letter.audience, keys.from.0.email.domain());
        fates.push((accepted, self.data(connection, &message, id)));
        Ok(fates)
    }

    /// The mail itself. From the first byte on, what is lost may have arrived.
    fn data(&self, connection: &mut SmtpConnection, message: &[u8], id: String) -> Outcome {
        let begun = connection.command(Data).map_err(|error| {
            let fate = self.fate("DATA", &error, later);
            self.leave(connection, &error);
            fate
        });
        // Another answer is that to something else: of what was injected before the connection was encrypted, say.
        let begun = begun.and_then(|answer| expected(&answer, 354).map_err(later));
        if let Err(fate) = begun {
            connection.abort();
            return fate;
        }
        match connection.message(message) {
            Ok(answer) if answer.code().severity as u8 == 2 => Outcome::Delivered { reference: Some(id), note: None },
            Ok(answer) => {
                connection.abort();
                unknown(expected(&answer, 250).err().unwrap_or_default())
            }
            Err(error) => {
                let fate = self.fate("the mail", &error, unknown);
                self.leave(connection, &error);
                fate
            }
        }
    }

    /// Makes a connection ready for the next mail after a refusal, or ends it.
    fn leave(&self, connection: &mut SmtpConnection, error: &Error) {
        if error.status().is_none() || connection.command(Rset).is_err() {
            connection.abort();
        }
    }

    /// What an error means: by its code, or `otherwise`.
    fn fate(&self, what: &str, error: &Error, otherwise: fn(String) -> Outcome) -> Outcome {
        let text = match error.status() {
            None if is_silence(error) => format!("no answer within {} s", self.deadline.as_secs_f32()),
            _ => answer::quote(&error.to_string(), &self.redaction),
        };
        let reason = format!("{what}: {text}");
        match () {
            () if error.is_transient() => later(reason),
            () if error.is_permanent() => Outcome::Permanent { reason },
            () => otherwise(reason),
        }
    }

    /// Signs in and names sender and recipients, and then takes all of it back.
    fn looked(&self) -> Result<(), Outcome> {
        let mut connection = self.connect()?;
        let from = From::new(Some(self.settings.keys.from.0.email.clone()), Vec::new());
        let sender = connection.command(from).map(|_answer| ()).map_err(|error| self.fate("the sender", &error, later));
        let recipients = self.settings.keys.to.iter().map(|one| &one.0.email);
        let refused: Vec<Outcome> = recipients
            .filter_map(|one| {
                let answer = connection.command(Rcpt::new(one.clone(), Vec::new()));
                answer.err().map(|error| self.fate(one.as_ref(), &error, later))
            })
            .filter(|outcome| matches!(outcome, Outcome::Permanent { .. }))
            .collect();
        let _taken_back = connection.command(Rset);
        connection.abort();
        sender?;
        refused.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Whether an answer is the one that has to come.
fn expected(answer: &Response, code: u16) -> Result<(), String> {
    if answer.has_code(code) {
        return Ok(());
    }
    Err(format!("the mail server answered {} where {code} has to come", answer.code()))
}

fn is_silence(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        }
        source = cause.source();
    }
    false
}

impl Channel for Email {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// A mailbox may, by the `Message-ID`; that it does cannot be known.
    fn tells_repetitions(&self) -> bool {
        false
    }

    fn check(&mut self) -> Result<(), String> {
        self.looked().map_err(complaint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, assert_read};
    use crate::alert::secret::NoVault;
    use crate::aws::Connection;

    fn settings(text: &str) -> Result<Settings, String> {
        toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned())
    }

    const PLAIN: &str =
        "host = \"smtp.example.com\"\nfrom = \"mfatrail <mfatrail@example.com>\"\nto = [\"soc@example.com\"]\n";

    #[test]
    fn a_slip_is_told_before_anything_is_sent() {
        for (more, wrong) in [
            ("", None),
            ("user = \"mfatrail\"\npassword = \"env:SMTP\"", None),
            ("port = 465\nowner = true\nowner_domains = [\"example.org\"]", None),
            ("user = \"mfatrail\"", Some("go together")),
            ("password = \"env:SMTP\"", Some("go together")),
            ("user = \"a\"\npassword = \"hunter2\"", Some("does not stand in this file")),
            ("tls = \"none\"", Some("in the clear")),
            ("tls = \"off\"", Some("unknown variant `off`")),
            ("owner_domains = [\"example.org\"]", Some("without `owner = true`")),
            ("reply_to = \"nobody\"", Some("`nobody` is not a mail address")),
            ("reply_to = \"sök@example.com\"", Some("not every mail server takes")),
            ("bcc = \"x@example.com\"", Some("unknown field `bcc`")),
        ] {
            let read = settings(&format!("{PLAIN}{more}"));
            match wrong {
                None => assert!(read.is_ok(), "{read:?}"),
                Some(wrong) => assert!(
                    read.as_ref().is_err_and(|error| error.contains(wrong) && !error.contains("hunter2")),
                    "{read:?}"
                ),
            }
        }
        for (text, wrong) in [
            ("host = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]", None),
            (
                "host = \"127.0.0.1\"\ntls = \"none\"\nuser = \"a\"\npassword = \"env:A\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
                Some("the password would be sent in the clear"),
            ),
            ("host = \"smtp.example.com\"\nfrom = \"a@example.com\"", Some("nobody gets the mail")),
            (
                "host = \"https://smtp.example.com\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
                Some("`host` is not"),
            ),
            ("host = \"smtp.example.com\"\nto = [\"b@example.com\"]", Some("missing field `from`")),
        ] {
            let read = settings(text);
            assert_read(text, &read, wrong);
        }
        let ports = |more: &str| settings(&format!("{PLAIN}{more}")).map(|own| (own.tls, own.port)).unwrap();
        assert_eq!(ports(""), (Tls::Starttls, 587));
        assert_eq!(ports("tls = \"implicit\""), (Tls::Implicit, 465));
        assert_eq!(ports("port = 465"), (Tls::Implicit, 465));
        assert_eq!(ports("port = 2525"), (Tls::Starttls, 2525));
    }

    #[test]
    fn an_owner_is_somebody_of_ours() {
        let aws = Connection::default();
        let opening = Opening { deadline: Duration::from_secs(1), vault: &NoVault, aws: &aws };
        let own = |more: &str| settings(&format!("{PLAIN}owner = true\n{more}")).unwrap().open(&opening).unwrap();
        for (channel, owner, asked, told) in [
            (own(""), Some("alice@example.com"), 1, ""),
            (own(""), Some(" Alice@EXAMPLE.com "), 1, ""),
            (own(""), Some("soc@example.com"), 0, ""),
            (own(""), None, 0, ""),
            (own(""), Some("alice@example.net"), 0, "none of `owner_domains`"),
            (own("owner_domains = [\"Example.net\"]"), Some("alice@example.net"), 1, ""),
            (own("owner_domains = [\"example.net\"]"), Some("alice@example.com"), 0, "none of `owner_domains`"),
            (own(""), Some("alice@example.com>\r\nRCPT TO:<eve@example.org"), 0, "not a mail address"),
            (own(""), Some("alice@example.com, eve@example.org"), 0, "not a mail address"),
            (own(""), Some("team identity"), 0, "not a mail address"),
        ] {
            let mut alert = alert();
            alert.owner = owner.map(str::to_owned);
            let (letters, note) = channel.letters(&alert);
            let owners: Vec<&Letter> = letters.iter().filter(|one| one.audience == Audience::Owner).collect();
            assert_eq!((letters.len() - owners.len(), owners.len()), (1, asked), "{owner:?}");
            assert!(
                note.as_deref().unwrap_or_default().contains(told) && note.is_some() != told.is_empty(),
                "{owner:?}: {note:?}"
            );
            assert!(!note.unwrap_or_default().contains('\r'));
        }
    }
}
