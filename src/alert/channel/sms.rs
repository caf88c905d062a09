//! Text messages to telephones, by Amazon SNS.
//!
//! SNS tells no repetition, and answers before a carrier has the message: what comes of it later (a number that opted out, a spending
//! limit that is reached) only its delivery logs show.

use serde::Deserialize;

use super::aws::{Access, complaint, outcome, publish};
use super::recipients::tell_each;
use super::{Channel, Opening};
use crate::alert::limit::{Limit, fit};
use crate::alert::{Delivery, Outcome, ascii};
use crate::aws::signed::{Caller, SNS};
use crate::incident::Transition;

/// Characters of a message of one segment, and of each of several, which begin with their number (3GPP TS 23.040, 9.2.3.24.1).
const ONE: usize = 160;
const EACH: usize = 153;
/// The most segments: SNS takes 1600 bytes.
const MOST: u8 = 10;
/// The most numbers of a channel: each costs a request and money.
const NUMBERS: usize = 20;
/// What stands before what may have been sent before.
const REPETITION: &str = "Possible repetition: ";
/// How much of the list of verified numbers is read, in pages.
const PAGES: usize = 20;

/// A telephone number by E.164.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Number(String);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_one = text.strip_prefix('+').is_some_and(|digits| {
            (7..=15).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.starts_with('0')
        });
        match is_one {
            true => Ok(Self(text)),
            false => Err(format!(
                "`{text}` is not a telephone number (hint: with the country's code and nothing but digits, as \"+15555550100\")"
            )),
        }
    }
}

/// The kinds of messages that SNS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Type {
    /// Delivered with priority.
    #[default]
    Transactional,
    /// Delivered at the lowest cost.
    Promotional,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Transactional => "Transactional",
            Self::Promotional => "Promotional",
        }
    }
}

/// What a `[[channel]]` of the kind `sms` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whom to tell.
    pub numbers: Vec<Number>,
    /// The most segments of a message; 2 unless set.
    #[serde(default = "two")]
    pub segments: u8,
    /// Whether the end of an incident is told too.
    #[serde(default)]
    pub resolved: bool,
    /// The name that a telephone shows, where the country allows one.
    pub sender_id: Option<String>,
    /// The number that it is sent from.
    pub origination_number: Option<String>,
    /// How it is delivered.
    #[serde(default, rename = "type")]
    pub kind: Type,
    /// The most that one message may cost, in US dollars.
    #[serde(default, deserialize_with = "price")]
    pub max_price: Option<String>,
    /// For India: the id of the sender's entity, and of the template.
    pub entity_id: Option<String>,
    /// See `entity_id`.
    pub template_id: Option<String>,
    /// How AWS is reached.
    #[serde(default)]
    pub aws: Access,
    /// Another address than that of SNS in the region.
    pub url: Option<String>,
}

const fn two() -> u8 {
    2
}

fn price<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match f64::deserialize(from)? {
        price if price.is_finite() && price > 0.0 => Ok(Some(price.to_string())),
        _ => Err(serde::de::Error::custom("`max_price` has to be a number of US dollars greater than zero")),
    }
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Sms, String> {
        self.check()?;
        let caller = self.aws.caller(opening.into(), None, SNS.service, self.url.as_deref())?;
        Ok(Sms {
            caller,
            numbers: self.numbers.iter().map(|number| number.0.clone()).collect(),
            settings: self.clone(),
        })
    }

    /// What its values allow only together.
    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(what.to_owned());
        if self.numbers.is_empty() || self.numbers.len() > NUMBERS {
            return Err(format!(
                "`numbers` has to name 1 to {NUMBERS} telephones (hint: more can subscribe to an SNS topic)"
            ));
        }
        if self
            .numbers
            .iter()
            .enumerate()
            .any(|(n, number)| self.numbers.iter().skip(n + 1).any(|other| other == number))
        {
            return wrong("`numbers` names a telephone twice (hint: leave one out)");
        }
        if !(1..=MOST).contains(&self.segments) {
            return Err(format!("`segments` has to be 1 to {MOST}"));
        }
        let is_sender = |text: &str| {
            (1..=11).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        };
        if self.sender_id.as_deref().is_some_and(|text| !is_sender(text)) {
            return wrong("`sender_id` has to be up to 11 letters, digits and hyphens, with a letter among them");
        }
        Ok(())
    }

    /// The attributes that say how SNS sends.
    fn attributes(&self) -> Vec<(&'static str, &'static str, String)> {
        let text = |name, value: &Option<String>| value.clone().map(|value| (name, "String", value));
        [
            Some(("AWS.SNS.SMS.SMSType", "String", self.kind.name().to_owned())),
            text("AWS.SNS.SMS.SenderID", &self.sender_id),
            text("AWS.MM.SMS.OriginationNumber", &self.origination_number),
            self.max_price.clone().map(|price| ("AWS.SNS.SMS.MaxPrice", "Number", price)),
            text("AWS.MM.SMS.EntityId", &self.entity_id),
            text("AWS.MM.SMS.TemplateId", &self.template_id),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn parameters(&self, number: &str, text: &str) -> Vec<(String, String)> {
        let mut all = vec![("PhoneNumber".to_owned(), number.to_owned()), ("Message".to_owned(), text.to_owned())];
        for (n, (name, kind, value)) in self.attributes().into_iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", n + 1);
            all.push((format!("{entry}.Name"), name.to_owned()));
            all.push((format!("{entry}.Value.DataType"), kind.to_owned()));
            all.push((format!("{entry}.Value.StringValue"), value));
        }
        all
    }
}

/// What a telephone shows, in so many segments at most: what it is, how bad, what happened to whom, when, and the incident's key. Where
/// there is no room, what happened is cut.
pub(super) fn text(delivery: &Delivery<'_>, segments: u8) -> String {
    let alert = delivery.alert;
    let room = if segments <= 1 { ONE } else { EACH * usize::from(segments) };
    let repetition = if delivery.repetition { REPETITION } else { "" };
    let test = if alert.test { "(Test) " } else { "" };
    let begin = format!("{repetition}{test}mfatrail {}: ", alert.severity.name());
    let end = format!(". {} UTC. {}", alert.at.format("%Y-%m-%d %H:%M"), ascii::sms(&alert.key));
    let room = room.saturating_sub(begin.len() + end.len());
    format!("{begin}{}{end}", fit(&alert.text.title, Limit::Bytes(room), ascii::sms))
}

/// Telephones.
#[derive(Debug)]
pub(super) struct Sms {
    caller: Caller,
    numbers: Vec<String>,
    settings: Settings,
}

/// A number to the operator: its last digits.
fn shown(number: &str) -> String {
    format!("…{}", number.get(number.len().saturating_sub(4)..).unwrap_or_default())
}

impl Channel for Sms {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        let is_told = match delivery.alert.transition {
            Transition::Opened => true,
            Transition::Updated => false,
            Transition::Resolved | Transition::Withdrawn => self.settings.resolved,
        };
        if !is_told {
            let note = Some("not sent: text messages tell the beginning of an incident".to_owned());
            return Outcome::Delivered { reference: delivery.reference.map(str::to_owned), note };
        }
        let text = text(delivery, self.settings.segments);
        tell_each(delivery, &self.numbers, shown, |number| {
            match publish(&self.caller, &self.settings.parameters(number, &text)) {
                Ok(id) => Outcome::Delivered { reference: Some(id), note: None },
                Err(error) => outcome(&error, delivery.now),
            }
        })
    }

    fn tells_repetitions(&self) -> bool {
        false
    }

    /// Whether every telephone gets messages: none has opted out, and each is verified where the account is in the sandbox.
    fn check(&mut self) -> Result<(), String> {
        let sandbox = self.caller.query(&SNS, "GetSMSSandboxAccountStatus", &[]);
        let sandbox = sandbox.and_then(|answer| answer.text(&["GetSMSSandboxAccountStatusResult", "IsInSandbox"]));
        let sandbox = sandbox.map_err(|error| complaint(&error, "sns:GetSMSSandboxAccountStatus"))?;
        let verified = if sandbox == "true" { Some(self.verified()?) } else { None };
        for number in &self.numbers {
            if verified.as_ref().is_some_and(|verified| !verified.contains(number)) {
                return Err(format!(
                    "the account is in the SMS sandbox, and {} is not a verified number of it (hint: verify it, or leave the sandbox)",
                    shown(number)
                ));
            }
            let path = ["CheckIfPhoneNumberIsOptedOutResult", "isOptedOut"];
            let asked = self.caller.query(&SNS, "CheckIfPhoneNumberIsOptedOut", &[("phoneNumber", number)]);
            let out = asked.and_then(|answer| answer.text(&path));
            let out = out.map_err(|error| complaint(&error, "sns:CheckIfPhoneNumberIsOptedOut"))?;
            if out == "true" {
                return Err(format!(
                    "{} has opted out of messages (hint: opt it in, in the SNS console)",
                    shown(number)
                ));
            }
        }
        Ok(())
    }
}

impl Sms {
    /// The verified numbers of the sandbox.
    fn verified(&self) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        for _page in 0..PAGES {
            let next: Vec<_> = token.as_deref().map(|token| ("NextToken", token)).into_iter().collect();
            let page = self.caller.query(&SNS, "ListSMSSandboxPhoneNumbers", &next).and_then(|answer| {
                let at = |name| answer.texts(&["ListSMSSandboxPhoneNumbersResult", "PhoneNumbers", "member", name]);
                let next = answer.texts(&["ListSMSSandboxPhoneNumbersResult", "NextToken"])?.pop();
                Ok((at("PhoneNumber")?, at("Status")?, next))
            });
            let (numbers, states, next) = page.map_err(|error| complaint(&error, "sns:ListSMSSandboxPhoneNumbers"))?;
            all.extend(
                numbers.into_iter().zip(states).filter(|(_, state)| state == "Verified").map(|(number, _)| number),
            );
            token = next.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::alert::channel::samples::{alert, delivery, hostile};

    fn settings(more: &str) -> Result<Settings, String> {
        let text = format!("numbers = [\"+15555550100\", \"+15555550101\"]\n{more}");
        let settings =
            Settings::deserialize(toml::de::Deserializer::parse(&text).unwrap()).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn a_message_is_one_of_a_telephone() {
        let alert = alert();
        assert_eq!(
            text(&delivery(&alert), 1),
            "mfatrail error: MFA removed from user alice (account 111122223333). 1970-01-01 00:00 UTC. \
             mfatrail:111122223333:0a1b2c3d-0000-4000-8000-000000000001"
        );
        let test = Alert { test: true, ..alert };
        let again = Delivery { repetition: true, ..delivery(&test) };
        assert!(text(&again, 2).starts_with("Possible repetition: (Test) mfatrail error: MFA removed"));
    }

    #[test]
    fn whatever_a_stranger_wrote_fits_into_its_segments() {
        for own in hostile() {
            for segments in [1, 2, MOST] {
                let mut alert = alert();
                alert.text.title = format!("MFA removed from user {own}");
                let text = text(&Delivery { repetition: true, ..delivery(&alert) }, segments);
                let room = if segments == 1 { ONE } else { EACH * usize::from(segments) };
                assert!(text.len() <= room, "{} in {segments}: {text}", text.len());
                assert!(
                    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"[]{}\\|^~`".contains(&byte)),
                    "{text}"
                );
                assert!(text.ends_with(&alert.key), "{text}");
                assert!(text.contains("MFA removed from user") || segments == 1, "{text}");
            }
        }
    }

    #[test]
    fn settings_are_those_that_sns_takes() {
        let own =
            settings("sender_id = \"mfatrail\"\nmax_price = 0.5\ntype = \"Promotional\"\nresolved = true").unwrap();
        let sent = own.parameters("+15555550100", "hello");
        let value = |name: &str| sent.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        assert_eq!((value("PhoneNumber"), value("Message")), (Some("+15555550100"), Some("hello")));
        assert_eq!(value("MessageAttributes.entry.1.Value.StringValue"), Some("Promotional"));
        assert_eq!(value("MessageAttributes.entry.3.Value.DataType"), Some("Number"));
        for (more, wrong) in [
            ("segments = 0", "`segments`"),
            ("segments = 11", "`segments`"),
            ("sender_id = \"123\"", "`sender_id`"),
            ("sender_id = \"longer-than-11\"", "`sender_id`"),
            ("max_price = -1", "`max_price`"),
            ("max_price = \"1\"", "invalid type"),
            ("max_price = -1.0", "`max_price`"),
            ("max_price = nan", "`max_price`"),
            ("type = \"Urgent\"", "unknown variant"),
            ("number = \"+15555550102\"", "unknown field"),
            ("aws.regoin = \"eu-west-1\"", "unknown field"),
        ] {
            assert!(settings(more).is_err_and(|error| error.contains(wrong)), "{more} {:?}", settings(more));
        }
        for wrong in
            ["15555550100", "+0555555010", "+1 555 555 0100", "+1555", "+1234567890123456", "", "+", "+1555555010x"]
        {
            assert!(Number::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert_eq!(shown("+15555550100"), "…0100");
    }
}
