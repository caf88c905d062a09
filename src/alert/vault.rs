//! Secrets in AWS: Secrets Manager and Systems Manager Parameter Store.
//!
//! `NAME#KEY` is one value of a secret that is a JSON object, as Secrets Manager's console makes them; neither service allows `#` in a
//! name.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::secret::{Place, Secret, Vault};
use crate::arn::Arn;
use crate::aws::Connection;
use crate::aws::signed::{Answer, Caller, Error, SECRETS_MANAGER, SSM, patiently};

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The vaults of AWS, in the region that a name's ARN says, or else in that of the configuration. Each secret is got once: to see what
/// it is later takes another [`AwsVault`].
pub struct AwsVault {
    connection: Connection,
    /// By the region that an ARN said, if one did.
    callers: RefCell<HashMap<Option<String>, Caller>>,
    /// What was got.
    texts: RefCell<HashMap<(Place, String), String>>,
}

impl std::fmt::Debug for AwsVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsVault").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl AwsVault {
    /// Calls nobody before it is asked.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection, callers: RefCell::default(), texts: RefCell::default() }
    }
}

impl Vault for AwsVault {
    fn get(&self, place: Place, name: &str) -> Result<Secret, String> {
        let (name, key) = name.split_once('#').map_or((name, None), |(name, key)| (name, Some(key)));
        let text = self.text(place, name)?;
        let bare = value(&text, key).map_err(|wrong| format!("the secret `{name}` {wrong}"))?;
        Secret::new(&bare).map_err(|wrong| format!("the secret `{name}` {wrong}"))
    }
}

impl AwsVault {
    fn text(&self, place: Place, name: &str) -> Result<String, String> {
        let own = (place, name.to_owned());
        if let Some(known) = self.texts.borrow().get(&own) {
            return Ok(known.clone());
        }
        let text = self.ask(place, name)?;
        self.texts.borrow_mut().insert(own, text.clone());
        Ok(text)
    }

    fn ask(&self, place: Place, name: &str) -> Result<String, String> {
        let region = Arn::parse(name).map(|arn| arn.region.to_owned()).filter(|region| !region.is_empty());
        let mut callers = self.callers.borrow_mut();
        let caller = match callers.entry(region.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let region = region.or_else(|| self.connection.region.clone());
                new.insert(Caller::open(&Connection { region, ..self.connection.clone() }, DEADLINE)?)
            }
        };
        let (found, permission) = match place {
            Place::SecretsManager => (of_secrets_manager(caller, name), "secretsmanager:GetSecretValue"),
            _ => (of_parameter_store(caller, name), "ssm:GetParameter"),
        };
        found.map_err(|error| {
            let region = caller.region();
            format!("cannot get the secret `{name}` from AWS in {region}: {error}{}", hint(&error, permission))
        })
    }
}

/// What is in Secrets Manager.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Current {
    secret_string: Option<String>,
    /// In base 64.
    secret_binary: Option<String>,
}

fn of_secrets_manager(caller: &Caller, name: &str) -> Result<String, Error> {
    let ask = || caller.json(&SECRETS_MANAGER, "GetSecretValue", &json!({"SecretId": name}));
    let Current { secret_string, secret_binary } =
        patiently(ask).as_ref().map_err(Error::clone).and_then(Answer::json)?;
    let decoded = |text: String| String::from_utf8(STANDARD.decode(text).ok()?).ok();
    secret_string
        .or_else(|| secret_binary.and_then(decoded))
        .ok_or_else(|| Error::Garbage("the secret is not text".to_owned()))
}

/// What is in Parameter Store.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

fn of_parameter_store(caller: &Caller, name: &str) -> Result<String, Error> {
    let ask = || caller.json(&SSM, "GetParameter", &json!({"Name": name, "WithDecryption": true}));
    let found: Found = patiently(ask).as_ref().map_err(Error::clone).and_then(Answer::json)?;
    Ok(found.parameter.value)
}

/// What to do about a refusal.
fn hint(error: &Error, permission: &str) -> String {
    let Error::Refused(refusal) = error else { return String::new() };
    match refusal.code.as_deref() {
        _ if refusal.is_denied() => {
            format!(" (hint: it takes {permission}, and kms:Decrypt where its key is one of your own)")
        }
        Some("ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound") => {
            " (hint: give its ARN, or --aws-region, if it is in another region)".to_owned()
        }
        _ => String::new(),
    }
}

/// The secret itself: all of a text, or what a JSON object has under a key.
fn value(text: &str, key: Option<&str>) -> Result<String, String> {
    let object = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match (key, object) {
        (None, None) => Ok(text.to_owned()),
        (None, Some(_)) => Err("is a JSON object (hint: NAME#KEY is the value of one of its keys)".to_owned()),
        (Some(_), None) => Err("is not a JSON object that has keys (hint: leave out # and what follows)".to_owned()),
        (Some(key), Some(object)) => match object.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(format!("has no text under the key `{key}`")),
            None => Err(format!("has no key `{key}`")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_chooses_a_value_of_an_object_and_nothing_else() {
        let object = r#"{"token": "hunter2", "port": 587, "more": {"a": "hunter2"}, "": "hunter2"}"#;
        for (text, key, expected) in [
            ("hunter2", None, Ok("hunter2")),
            ("\"hunter2\"", None, Ok("\"hunter2\"")),
            ("[\"hunter2\"]", None, Ok("[\"hunter2\"]")),
            (object, None, Err("is a JSON object")),
            (object, Some("token"), Ok("hunter2")),
            (object, Some("port"), Ok("587")),
            (object, Some("more"), Err("has no text under the key `more`")),
            (object, Some("tokens"), Err("has no key `tokens`")),
            (object, Some(""), Ok("hunter2")),
            ("hunter2", Some("token"), Err("is not a JSON object")),
            ("", None, Ok("")),
        ] {
            let found = value(text, key);
            match expected {
                Ok(expected) => assert_eq!(found.as_deref(), Ok(expected)),
                Err(why) => assert!(
                    found.as_ref().is_err_and(|error| error.contains(why) && !error.contains("hunter2")),
                    "{found:?}"
                ),
            }
        }
    }
}
