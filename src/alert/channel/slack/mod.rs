//! Slack, in two ways: an incoming webhook, which posts and knows nothing of what it posted; and a bot, which keeps one message for
//! each incident up to date and tells its story in the thread below.

mod blocks;
mod bot;
mod hook;

use serde::Deserialize;

use super::address::Address;
use super::{Channel, Opening};
use crate::alert::secret::SecretRef;

/// The address of the Web API; that of GovSlack is `https://slack-gov.com/api`.
const URL: &str = "https://slack.com/api";

/// What a `[[channel]]` of the kind `slack` has: either `webhook`, or `token` and `channel`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub enum Settings {
    /// An incoming webhook: where its address is, which is the secret.
    Webhook(SecretRef),
    /// A bot.
    Bot(Bot),
}

/// How a bot posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its token (`xoxb-…`), with the scopes `chat:write`, and `channels:history` or `groups:history` of a private channel.
    pub token: SecretRef,
    /// The ID of the channel, `C0123456789`.
    pub channel: String,
    /// The address of the Web API.
    pub url: Address,
}

/// The keys as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    webhook: Option<SecretRef>,
    token: Option<SecretRef>,
    channel: Option<String>,
    url: Option<Address>,
}

impl TryFrom<Keys> for Settings {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        match keys {
            Keys { webhook: Some(webhook), token: None, channel: None, url: None } => Ok(Self::Webhook(webhook)),
            Keys { webhook: Some(_), .. } => Err(
                "a webhook of Slack has its channel and its address in itself (hint: leave out `token`, `channel` and `url`)",
            ),
            Keys { token: Some(token), channel: Some(channel), url, .. } => {
                // A name would do for posting, and for nothing else: what was posted is looked for by ID.
                let is_id = matches!(channel.as_bytes(), [b'C' | b'G' | b'D', rest @ ..] if rest.len() >= 8
                    && rest.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
                if !is_id {
                    return Err(
                        "`channel` is not the ID of a channel (hint: \"C0123456789\", at the end of the channel's details)",
                    );
                }
                let url = url.unwrap_or_else(|| Address::Open(URL.to_owned()));
                Ok(Self::Bot(Bot { token, channel, url }))
            }
            Keys { .. } => Err("nothing says how to post (hint: set `webhook`, or `token` and `channel` for a bot)"),
        }
    }
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Channel>, String> {
        match self {
            Self::Webhook(webhook) => Ok(Box::new(hook::Hook::open(webhook, opening)?)),
            Self::Bot(bot) => Ok(Box::new(bot::Posting::open(bot, opening)?)),
        }
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::Webhook(webhook) => vec![webhook],
            Self::Bot(bot) => bot.url.secret().into_iter().chain([&bot.token]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_a_webhook_or_a_bot_is_configured() {
        for (text, wrong) in [
            ("webhook = \"env:HOOK\"", None),
            ("token = \"env:TOKEN\"\nchannel = \"C0123456789\"", None),
            ("token = \"env:TOKEN\"\nchannel = \"C0123456789\"\nurl = \"https://slack-gov.com/api\"", None),
            ("", Some("nothing says how to post")),
            ("token = \"env:TOKEN\"", Some("nothing says how to post")),
            ("channel = \"C0123456789\"", Some("nothing says how to post")),
            ("token = \"env:TOKEN\"\nchannel = \"#soc\"", Some("not the ID of a channel")),
            ("webhook = \"env:HOOK\"\nchannel = \"C0123456789\"", Some("has its channel")),
            (
                "webhook = \"https://hooks.slack.com/services/T0/B0/hunter2\"",
                Some("a secret does not stand in this file"),
            ),
            ("webhok = \"env:HOOK\"", Some("unknown field `webhok`")),
        ] {
            let read = toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned());
            match wrong {
                None => assert!(read.is_ok(), "{read:?}"),
                Some(wrong) => {
                    let error = read.unwrap_err();
                    assert!(error.contains(wrong) && !error.contains("hunter2"), "{error}");
                }
            }
        }
    }
}
