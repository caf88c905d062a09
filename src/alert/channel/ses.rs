//! Mail by Amazon SES (API v2).
//!
//! One mail to all recipients; where SES refuses it for one of them (an account in the sandbox sends to verified addresses alone), one
//! to each, so that a bad address loses nobody. SES tells no repetition. It makes the `Message-ID` itself, of the id that it answers:
//! later mails of an incident refer to the first one, so that clients show a thread.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use lettre::Address;
use lettre::message::Mailbox;
use serde::Deserialize;
use serde_json::{Value, json};

use super::aws::{Access, complaint, outcome};
use super::email::{Recipient, domains_of, owner_of};
use super::recipients::Round;
use super::redaction::Redaction;
use super::{Channel, Opening};
use crate::alert::mail::{Audience, Mail, headers};
use crate::alert::{Alert, Delivery, Outcome};
use crate::aws::signed::{Caller, Error, SES, escaped};

/// The most recipients of a mail.
const RECIPIENTS: usize = 50;

/// What a `[[channel]]` of the kind `ses` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who sends: an address that is verified with SES, or whose domain is.
    pub from: Recipient,
    /// Whom to tell.
    #[serde(default)]
    pub to: Vec<Recipient>,
    /// Whether the owner of the user is asked.
    #[serde(default)]
    pub owner: bool,
    /// The domains to which owners are written: whoever may tag a user can name anybody as its owner.
    pub owner_domains: Option<Vec<String>>,
    /// Whom answers go to.
    pub reply_to: Option<Recipient>,
    /// A configuration set, which publishes what becomes of mails.
    pub configuration_set: Option<String>,
    /// How AWS is reached.
    #[serde(default)]
    pub aws: Access,
    /// Another address than that of SES in the region.
    pub url: Option<String>,
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Ses, String> {
        if self.to.is_empty() && !self.owner {
            return Err("nobody gets the mail (hint: set `to`, or `owner = true`)".to_owned());
        }
        if self.to.len() > RECIPIENTS {
            return Err(format!("`to` has more than {RECIPIENTS} recipients (hint: use a mailing list)"));
        }
        let caller = self.aws.caller(opening.into(), None, SES.service, self.url.as_deref())?;
        let owner_domains = domains_of(self.owner_domains.as_ref(), self.to.iter().chain([&self.from]));
        Ok(Ses { caller, settings: self.clone(), owner_domains })
    }

    /// What SES asks permission for: the sender or its domain, and the configuration set.
    pub(super) fn resources(&self, partition: &str) -> Vec<String> {
        let own = |kind: &str, name: &str| format!("arn:{partition}:ses:*:*:{kind}/{name}");
        let set = self.configuration_set.as_deref().map(|set| own("configuration-set", set));
        let from = &self.from.0.email;
        [own("identity", from.as_ref()), own("identity", from.domain())].into_iter().chain(set).collect()
    }
}

/// An address with its name, which is encoded (RFC 2047): so it may hold anything.
fn named(mailbox: &Mailbox) -> String {
    let address = mailbox.email.to_string();
    match &mailbox.name {
        Some(name) => format!("=?UTF-8?B?{}?= <{address}>", STANDARD.encode(name)),
        None => address,
    }
}

/// Mail by SES.
#[derive(Debug)]
pub(super) struct Ses {
    caller: Caller,
    settings: Settings,
    owner_domains: BTreeSet<String>,
}

/// The answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
}

/// The account's standing with SES.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    sending_enabled: bool,
    production_access_enabled: bool,
}

/// An address or a domain.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    verified_for_sending_status: bool,
}

/// The `Message-ID` that SES makes of a message's id.
fn message_id(id: &str, region: &str) -> Option<String> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let domain = if region == "us-east-1" { "email" } else { region };
    is_id.then(|| format!("<{id}@{domain}.amazonses.com>"))
}

impl Ses {
    fn body(&self, mail: &Mail, first: Option<&str>, to: &[&str]) -> Value {
        let text = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
        let header = |name: &str, value: &str| json!({"Name": name, "Value": value});
        let first = first.and_then(|id| message_id(id, self.caller.region()));
        let thread = first.iter().flat_map(|id| [header("In-Reply-To", id), header("References", id)]);
        let headers: Vec<Value> =
            headers().into_iter().map(|(name, value)| header(name, value)).chain(thread).collect();
        let mut body = json!({
            "FromEmailAddress": named(&self.settings.from.0),
            "Destination": {"ToAddresses": to},
            "Content": {"Simple": {
                "Subject": text(&mail.subject),
                "Body": {"Text": text(&mail.text), "Html": text(&mail.html)},
                "Headers": headers,
            }},
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(reply_to) = &self.settings.reply_to {
                body.insert("ReplyToAddresses".to_owned(), json!([reply_to.0.email.to_string()]));
            }
            if let Some(set) = &self.settings.configuration_set {
                body.insert("ConfigurationSetName".to_owned(), json!(set));
            }
        }
        body
    }

    fn send(&self, mail: &Mail, first: Option<&str>, to: &[&str]) -> Result<String, Error> {
        let body = self.body(mail, first, to);
        let sent: Sent = self.caller.send(&SES, Method::POST, "/v2/email/outbound-emails", &body)?.json()?;
        Ok(sent.message_id)
    }

    fn tell(&self, delivery: &Delivery<'_>) -> Outcome {
        let mut round = Round::new(delivery);
        let first = round.before().map(str::to_owned);
        let outcome_of = |sent: Result<String, Error>| match sent {
            Ok(id) => Outcome::Delivered { reference: Some(id), note: None },
            Err(error) => outcome(&error, delivery.now),
        };
        let address = |recipient: &Recipient| recipient.0.email.to_string();
        let to: Vec<String> = self.settings.to.iter().map(address).collect();
        let mail = Mail::new(delivery, Audience::Team);
        let mut together = to.len() > 1 && round.is_first();
        if together {
            let all: Vec<&str> = to.iter().map(String::as_str).collect();
            let sent = self.send(&mail, first.as_deref(), &all);
            together = !sent.as_ref().is_err_and(is_about_recipients);
            if together {
                round.all(&to, outcome_of(sent));
            }
        }
        if !together {
            round.each(&to, str::to_owned, |one| outcome_of(self.send(&mail, first.as_deref(), &[one])));
        }
        let (owner, note) = self.owner(delivery.alert, &to);
        if to.is_empty() && owner.is_none() {
            let note =
                note.unwrap_or_else(|| "nobody was told: the alert names no owner, and `to` is empty".to_owned());
            return Outcome::Delivered { reference: delivery.reference.map(str::to_owned), note: Some(note) };
        }
        let mail = Mail::new(delivery, Audience::Owner);
        round.each(owner.as_slice(), str::to_owned, |one| outcome_of(self.send(&mail, first.as_deref(), &[one])));
        round.outcome(note)
    }

    /// The owner, who is asked apart, or why not.
    fn owner(&self, alert: &Alert, team: &[String]) -> (Option<String>, Option<String>) {
        let owner = alert.owner.as_deref().filter(|_| self.settings.owner);
        match owner.map(|owner| owner_of(owner, &self.owner_domains, &Redaction::default())) {
            Some(Ok(owner)) => (Some(owner.email.to_string()).filter(|owner| !team.contains(owner)), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        }
    }

    /// Whether an address or its domain is verified.
    fn is_verified(&self, address: &Address) -> Result<bool, String> {
        for name in [address.as_ref(), address.domain()] {
            let path = format!("/v2/email/identities/{}", escaped(name));
            let identity = self.caller.get(&SES, &path).and_then(|answer| answer.json::<Identity>());
            match identity {
                Ok(identity) if identity.verified_for_sending_status => return Ok(true),
                Ok(_) => {}
                Err(error) if error.code() == Some("NotFoundException") => {}
                Err(error) => return Err(complaint(&error, "ses:GetEmailIdentity")),
            }
        }
        Ok(false)
    }
}

/// Whether SES may refuse a mail for one of its recipients.
fn is_about_recipients(error: &Error) -> bool {
    matches!(error.code(), Some("MessageRejected" | "BadRequestException"))
}

impl Channel for Ses {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery)
    }

    fn tells_repetitions(&self) -> bool {
        false
    }

    /// Whether the account may send, the sender is verified, and the recipients are where the account is in the sandbox.
    fn check(&mut self) -> Result<(), String> {
        let account = self.caller.get(&SES, "/v2/email/account").and_then(|answer| answer.json::<Account>());
        let account = account.map_err(|error| complaint(&error, "ses:GetAccount"))?;
        if !account.sending_enabled {
            return Err("SES has paused sending for this account and region (hint: its console says why)".to_owned());
        }
        let unverified = |address: &Address| {
            format!("neither `{address}` nor its domain is verified with SES in {}", self.caller.region())
        };
        let from = &self.settings.from.0.email;
        if !self.is_verified(from)? {
            return Err(format!("{} (hint: verify one of them, as a sender has to be)", unverified(from)));
        }
        let to = self.settings.to.iter().map(|one| &one.0.email);
        for address in to.filter(|_| !account.production_access_enabled) {
            if !self.is_verified(address)? {
                let what = unverified(address);
                return Err(format!(
                    "{what}, and the account is in the sandbox (hint: verify it, or leave the sandbox)"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hangs_on_the_id_that_ses_makes() {
        for (id, region, expected) in [
            ("0100-a", "us-east-1", Some("<0100-a@email.amazonses.com>")),
            ("0102-b", "eu-west-1", Some("<0102-b@eu-west-1.amazonses.com>")),
            ("a>\r\nBcc: x", "eu-west-1", None),
            ("", "eu-west-1", None),
        ] {
            assert_eq!(message_id(id, region).as_deref(), expected);
        }
    }
}
