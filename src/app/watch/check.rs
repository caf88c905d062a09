//! Whether a watch could run with a configuration: its files can be read, its inputs be listed, its secrets be had and its channels be
//! reached. Nothing is sent.

use super::config::{Config, Input};
use super::{approvals, iam, messages, open_channels, sources};
use crate::app::Error;
use crate::causes::with_causes;
use crate::pipeline::{self, Options};
use crate::source::{Selection, Source};

/// Checks all of it; gives what is worth knowing of the queues.
///
/// # Errors
/// With everything that is wrong: as an error of the input what has to be corrected here, else as a failure.
pub fn check(config: &Config, options: &Options<'static>) -> Result<Vec<String>, Error> {
    let sources = sources(config)?;
    for (input, source) in config.inputs.iter().zip(&sources) {
        source.check().map_err(|error| Error::Input(format!("{}: {}", input.line, with_causes(&error))))?;
    }
    approvals::read(&config.approvals, None)?;
    iam::read(config, None, None)?;
    let mut channels = open_channels(&config.channels, &options.s3.connection)?;
    let queues = config.queues.iter().map(|queue| messages::check(queue, &options.s3.connection));
    let queues = queues.collect::<Result<Vec<String>, Error>>()?;
    let inputs = config.inputs.iter().zip(&sources);
    let mut problems: Vec<String> = inputs.filter_map(|(input, source)| unlisted(input, source, options)).collect();
    for (entry, channel) in config.channels.iter().zip(&mut channels) {
        let problem = channel.check().err();
        problems.extend(problem.map(|problem| format!("{}: channel `{}`: {problem}", entry.place, entry.name)));
    }
    if problems.is_empty() { Ok(queues) } else { Err(Error::Failed(problems.join("\n"))) }
}

/// Why a bucket cannot be listed.
fn unlisted(input: &Input, source: &Source, options: &Options<'static>) -> Option<String> {
    // No account is called so: every folder of accounts is listed.
    let nowhere = Selection { accounts: vec![String::new()], ..Selection::default() };
    let listed = pipeline::places(std::slice::from_ref(source), &nowhere, options);
    listed.err().map(|error| format!("{}: input `{}`: {}", input.line, source.shown(), with_causes(&error)))
}
