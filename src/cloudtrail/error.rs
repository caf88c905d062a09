//! Why an object's bytes hold no records.

/// Why an object's bytes hold no records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Nothing but white space.
    #[error("empty: it contains no JSON document")]
    Empty,
    /// No JSON, or JSON that ends too early.
    #[error("document {document} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Which document of the object, from 1.
        document: usize,
        /// Where, in the inflated bytes.
        offset: usize,
        /// The parser's word.
        reason: String,
    },
    /// Text or bytes that do not begin like JSON.
    #[error("not CloudTrail JSON (byte {offset})")]
    NotJson {
        /// The first byte that is no white space, from 1.
        offset: usize,
    },
    /// A file of another format.
    #[error("{0}, not CloudTrail JSON (hint: extract the logs, or export them as JSON, first)")]
    Format(&'static str),
    /// Text in UTF-16 that ends within a character, or holds half of one.
    #[error("damaged UTF-16 text at byte {offset}")]
    BadUtf16 {
        /// Where, from 1.
        offset: usize,
    },
    /// More documents than there could be records.
    #[error("more than {most} JSON documents: they cannot all be records")]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// There is no memory for the text as UTF-8.
    #[error("not enough memory for its {0} bytes of UTF-16 text")]
    NoMemory(usize),
    /// Query results that lack the records.
    #[error(
        "CloudTrail Lake query results without the column eventJson (hint: begin the query with SELECT eventJson, whose values are whole records)"
    )]
    NoEvents,
    /// CSV that is no CSV.
    #[error("damaged CSV at line {line}: {reason}")]
    Csv {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// JSON of something else.
    #[error("JSON, but not CloudTrail records in any known format")]
    NotCloudTrail,
}
