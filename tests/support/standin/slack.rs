//! Slack: incoming webhooks, and of the Web API what a bot needs, as docs.slack.dev says. Refusals of the Web API are 200 with
//! `"ok": false`; what is posted to a channel's name is told with its ID; the history has pages, newest first, and metadata for
//! those who ask for it; a message can be edited by who posted it.

use serde_json::{Value, json};

use super::{Answer, Api, Request};

/// The channel, by ID and by name.
pub const CHANNEL: &str = "C0123456789";
const NAME: &str = "#soc";
/// The bot, and another app in the channel.
pub const BOT: &str = "U0BOT000001";
pub const OTHER: &str = "U0OTHER0001";
/// The messages of a page, however many are asked for: Slack may give fewer.
const PAGE: usize = 3;
/// The most characters of all blocks together.
const BLOCKS: usize = 13_200;

/// A message in the channel.
#[derive(Debug, Clone)]
pub struct Message {
    pub ts: String,
    pub thread: Option<String>,
    pub broadcast: bool,
    pub user: String,
    pub text: String,
    pub blocks: Value,
    pub metadata: Value,
    pub edits: usize,
}

pub struct Slack {
    /// The path of the webhook: `/services/T…/B…/…`.
    pub hook: String,
    pub token: String,
    pub scopes: Vec<&'static str>,
    pub is_archived: bool,
    pub is_member: bool,
    /// Whether messages can be edited, by the workspace's settings.
    pub can_edit: bool,
    /// A code that the next method call is refused with.
    pub refusal: Option<(&'static str, &'static str)>,
    pub messages: Vec<Message>,
    clock: u64,
}

impl Slack {
    pub fn new(hook: &str, token: &str) -> Self {
        Self {
            hook: hook.to_owned(),
            token: token.to_owned(),
            scopes: vec!["chat:write", "channels:history"],
            is_archived: false,
            is_member: true,
            can_edit: true,
            refusal: None,
            messages: Vec::new(),
            clock: 1_800_000_000,
        }
    }

    /// Posts as somebody.
    pub fn say(&mut self, user: &str, body: &Value) -> Message {
        self.clock += 1;
        let message = Message {
            ts: format!("{}.000{:03}", self.clock, self.messages.len() % 1000),
            thread: body["thread_ts"].as_str().map(str::to_owned),
            broadcast: body["reply_broadcast"] == true,
            user: user.to_owned(),
            text: body["text"].as_str().unwrap_or_default().to_owned(),
            blocks: body["blocks"].clone(),
            metadata: body["metadata"].clone(),
            edits: 0,
        };
        self.messages.push(message.clone());
        message
    }

    fn webhook(&mut self, request: &Request) -> Answer {
        if request.path != self.hook {
            return Answer::text(404, "no_service");
        }
        if request.method != "POST" {
            return Answer::text(405, "method_not_allowed");
        }
        let Some(body) = request.json() else { return Answer::text(400, "invalid_payload") };
        if self.is_archived {
            return Answer::text(410, "channel_is_archived");
        }
        if let Some(code) = wrong(&body) {
            return Answer::text(400, if code == "no_text" { code } else { "invalid_blocks" });
        }
        self.say("webhook", &body);
        Answer::text(200, "ok")
    }

    fn method(&mut self, name: &str, request: &Request) -> Result<Value, Value> {
        let refused = |code: &str| Err(json!({"ok": false, "error": code}));
        let needs = |scope: &'static str| {
            Err(json!({"ok": false, "error": "missing_scope", "needed": scope, "provided": self.scopes.join(",")}))
        };
        if request.header("authorization") != format!("Bearer {}", self.token) {
            return refused("invalid_auth");
        }
        if let Some((_, code)) = self.refusal.take_if(|(method, _)| *method == name) {
            return refused(code);
        }
        match name {
            "auth.test" => Ok(json!({"ok": true, "user_id": BOT, "bot_id": "B0BOT000001", "team_id": "T0123"})),
            "conversations.history" | "conversations.replies" if request.method != "GET" => {
                refused("invalid_arguments")
            }
            "conversations.history" | "conversations.replies" if !self.scopes.contains(&"channels:history") => {
                needs("channels:history")
            }
            // Names are for posting alone.
            "conversations.history" | "conversations.replies"
                if request.query.get("channel").is_none_or(|channel| channel != CHANNEL) =>
            {
                refused("channel_not_found")
            }
            "conversations.history" | "conversations.replies" if !self.is_member => refused("not_in_channel"),
            "conversations.history" => {
                Ok(self.page(request, |message| message.thread.is_none() || message.broadcast, true))
            }
            "conversations.replies" => {
                let parent = request.query.get("ts").cloned().unwrap_or_default();
                if !self.messages.iter().any(|message| message.ts == parent) {
                    return refused("thread_not_found");
                }
                Ok(self.page(
                    request,
                    |message| message.ts == parent || message.thread.as_ref() == Some(&parent),
                    false,
                ))
            }
            "chat.postMessage" | "chat.update" if !self.scopes.contains(&"chat:write") => needs("chat:write"),
            "chat.postMessage" | "chat.update" => {
                let is_utf8 = request.header("content-type") == "application/json; charset=utf-8";
                let Some(body) = request.json().filter(|_| is_utf8) else { return refused("invalid_json") };
                let channel = body["channel"].as_str().unwrap_or_default();
                match () {
                    () if channel != CHANNEL && (channel != NAME || name == "chat.update") => {
                        refused("channel_not_found")
                    }
                    () if !self.is_member => refused("not_in_channel"),
                    () if self.is_archived => refused("is_archived"),
                    () if name == "chat.update" => self.update(&body).or_else(refused),
                    () => self.post(&body).or_else(refused),
                }
            }
            _ => refused("unknown_method"),
        }
    }

    fn post(&mut self, body: &Value) -> Result<Value, &'static str> {
        wrong(body).map_or(Ok(()), Err)?;
        let thread = body["thread_ts"].as_str();
        if thread.is_some_and(|thread| !self.messages.iter().any(|message| message.ts == thread)) {
            return Err("thread_not_found");
        }
        let message = self.say(BOT, body);
        Ok(json!({"ok": true, "channel": CHANNEL, "ts": message.ts, "message": {"text": message.text}}))
    }

    fn update(&mut self, body: &Value) -> Result<Value, &'static str> {
        wrong(body).map_or(Ok(()), Err)?;
        let can_edit = self.can_edit;
        let message =
            self.messages.iter_mut().find(|message| body["ts"] == message.ts.as_str()).ok_or("message_not_found")?;
        if message.user != BOT {
            return Err("cant_update_message");
        }
        if !can_edit {
            return Err("edit_window_closed");
        }
        message.text = body["text"].as_str().unwrap_or_default().to_owned();
        message.blocks = body["blocks"].clone();
        message.metadata = body["metadata"].clone();
        message.edits += 1;
        Ok(json!({"ok": true, "channel": CHANNEL, "ts": message.ts, "text": message.text}))
    }

    /// A page of a history: from where the cursor says, of what is not older than asked for.
    fn page(&self, request: &Request, is_in: impl Fn(&Message) -> bool, newest_first: bool) -> Value {
        let get = |name: &str| request.query.get(name).map_or("", String::as_str);
        let oldest: f64 = get("oldest").parse().unwrap_or(0.0);
        let mut all: Vec<&Message> = self.messages.iter().filter(|message| is_in(message)).collect();
        all.retain(|message| message.ts.parse::<f64>().unwrap() >= oldest);
        if newest_first {
            all.reverse();
        }
        let begin: usize =
            get("cursor").strip_prefix("next:").map_or(0, |at| at.trim_end_matches('=').parse().unwrap());
        let most = get("limit").parse::<usize>().unwrap_or(100).min(PAGE);
        let rest = all.get(begin..).unwrap_or_default();
        let messages: Vec<Value> = rest
            .iter()
            .take(most)
            .map(|message| {
                let mut shown =
                    json!({"type": "message", "ts": message.ts, "user": message.user, "text": message.text});
                if get("include_all_metadata") == "true" && message.metadata.is_object() {
                    shown["metadata"] = message.metadata.clone();
                }
                shown
            })
            .collect();
        let has_more = rest.len() > most;
        let next = if has_more { format!("next:{}==", begin + most) } else { String::new() };
        json!({"ok": true, "messages": messages, "has_more": has_more, "response_metadata": {"next_cursor": next}})
    }
}

/// What is wrong with what is posted: also what a stranger's name could make of it.
fn wrong(body: &Value) -> Option<&'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    let blocks = body["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    if text.is_empty() && blocks.is_empty() {
        return Some("no_text");
    }
    if text.chars().count() > 40_000 {
        return Some("msg_too_long");
    }
    // A mention or a link of whoever chose a name.
    if text.contains('<') {
        return Some("mention_in_text");
    }
    let metadata = &body["metadata"];
    if metadata.is_object() && (!metadata["event_type"].is_string() || !metadata["event_payload"].is_object()) {
        return Some("invalid_metadata_format");
    }
    if serde_json::to_string(blocks).unwrap().chars().count() > BLOCKS {
        return Some("msg_blocks_too_long");
    }
    let is_wrong = blocks.len() > 50 || blocks.iter().any(is_wrong_block);
    is_wrong.then_some("invalid_blocks")
}

fn is_wrong_block(block: &Value) -> bool {
    let sections = block["elements"].as_array().map_or(&[][..], Vec::as_slice);
    let is_section = |section: &Value| {
        let elements = section["elements"].as_array().map_or(&[][..], Vec::as_slice);
        section["type"] == "rich_text_section" && !elements.is_empty() && elements.iter().all(is_element)
    };
    block["type"] != "rich_text" || sections.is_empty() || !sections.iter().all(is_section)
}

fn is_element(element: &Value) -> bool {
    let is_text = |name: &str| element[name].as_str().is_some_and(|text| !text.is_empty());
    match element["type"].as_str() {
        Some("text") => is_text("text"),
        Some("link") => is_text("url"),
        _ => false,
    }
}

impl Api for Slack {
    fn answer(&mut self, request: &Request) -> Answer {
        match request.path.strip_prefix("/api/").map(str::to_owned) {
            Some(method) => {
                let (Ok(answer) | Err(answer)) = self.method(&method, request);
                Answer::json(200, &answer)
            }
            None => self.webhook(request),
        }
    }
}
