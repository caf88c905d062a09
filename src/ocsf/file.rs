//! A Parquet file of OCSF events, row group by row group.

use std::io::Cursor;

use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_buffer::Buffer;
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, PageReader, RowGroupMetadata, column_iter_to_arrays,
    read_metadata,
};
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{FileMetaData, PageHeader, SchemaElement};

use super::cell::Cell;
use super::record::{self, COLUMNS};
use super::{MAGIC, OcsfError};
use crate::{escape, panics};

/// So long is a footer at most: that of Security Lake's files has some hundred kilobytes.
const FOOTER: usize = 16 << 20;

/// So deep is a schema at most: OCSF's has five levels.
const DEPTH: usize = 32;

/// Rows are handed on as one document of so many bytes.
const DOCUMENT: usize = 4 << 20;

/// What a value takes in memory beside its bytes: its place in a column, and its levels.
const VALUE: u64 = 16;

/// JSON of so many times the limit is made of one file at most, however little of it is in memory at once.
const DOCUMENTS: u64 = 64;

/// The columns without which a table is not Security Lake's, each with the members that it has.
const NEEDED: [(&str, &[&str]); 2] = [("metadata", &["uid", "version"]), ("api", &["operation", "service"])];

/// Who gets the documents.
type Each<'e> = &'e mut dyn FnMut(&[u8]);

/// A column of a row group, by its name.
type Column = (&'static str, Box<dyn Array>);

/// A file whose sizes were looked at.
pub struct File {
    bytes: Buffer<u8>,
    metadata: FileMetadata,
    schema: ArrowSchema,
    limit: u64,
    /// Bytes and values of the largest row group.
    largest: u64,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("rows", &self.metadata.num_rows).finish_non_exhaustive()
    }
}

impl File {
    /// Looks at a file's footer and at the sizes of all its pages; nothing is decoded.
    ///
    /// # Errors
    /// When it is damaged, is another table, or would take more than `limit` bytes.
    pub fn open(bytes: &[u8], limit: usize) -> Result<Self, OcsfError> {
        guarded(|| Self::looked_at(bytes, limit))
    }

    fn looked_at(bytes: &[u8], limit: usize) -> Result<Self, OcsfError> {
        check_footer(bytes)?;
        let bytes = Buffer::from_vec(bytes.to_vec());
        let metadata = read_metadata(&mut Cursor::new(bytes.as_slice())).map_err(damaged)?;
        let schema = parquet_to_arrow_schema(metadata.schema().fields());
        check_columns(&schema)?;
        let mut file = Self { bytes, metadata, schema, limit: number(limit), largest: 0 };
        let rows = file.metadata.row_groups.iter().map(|group| number(group.num_rows())).sum::<u64>();
        // Every row has an id of its own.
        if rows > number(file.bytes.len()) {
            return Err(OcsfError::Damaged(format!(
                "it says that it holds {rows} rows, in {} bytes",
                file.bytes.len()
            )));
        }
        for group in &file.metadata.row_groups {
            let mut size = 0;
            for chunk in file.chunks(group) {
                size += file.size_of(chunk, file.limit)?;
                if size > file.limit {
                    return Err(OcsfError::TooLarge(file.limit));
                }
            }
            file.largest = file.largest.max(size);
        }
        Ok(file)
    }

    /// How many bytes are in memory at once while it is read, beside its own.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::try_from(self.largest).unwrap_or(usize::MAX)
    }

    /// The columns of a row group that are read.
    fn chunks<'g>(&self, group: &'g RowGroupMetadata) -> impl Iterator<Item = &'g ColumnChunkMetadata> {
        COLUMNS.iter().filter_map(|name| group.columns_under_root_iter(name)).flatten()
    }

    /// The bytes of a column.
    fn chunk(&self, chunk: &ColumnChunkMetadata) -> Result<Buffer<u8>, OcsfError> {
        let range = chunk.byte_range();
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        if start > end || end > self.bytes.len() {
            return Err(OcsfError::Damaged(format!("a column lies beyond its end, up to byte {end}")));
        }
        Ok(self.bytes.clone().sliced(start..end))
    }

    /// What a column takes when it is decoded, by the headers of its pages: their data cannot become longer than these say.
    fn size_of(&self, chunk: &ColumnChunkMetadata, limit: u64) -> Result<u64, OcsfError> {
        let bytes = self.chunk(chunk)?;
        let values = u64::try_from(chunk.num_values()).map_err(damaged)?;
        let mut size = values.saturating_mul(VALUE);
        let (mut at, mut seen) = (0, 0);
        while size <= limit && seen < values {
            let mut rest = Cursor::new(bytes.get(at..).unwrap_or_default());
            let mut protocol = TCompactInputProtocol::new(&mut rest, bytes.len());
            let header = PageHeader::read_from_in_protocol(&mut protocol).map_err(damaged)?;
            let stored = usize::try_from(header.compressed_page_size).map_err(damaged)?;
            at = at.saturating_add(usize::try_from(rest.position()).map_err(damaged)?).saturating_add(stored);
            if at > bytes.len() {
                return Err(OcsfError::Damaged("a page lies beyond its column".to_owned()));
            }
            let data = header.data_page_header.map(|page| page.num_values);
            let data =
                u64::try_from(data.or(header.data_page_header_v2.map(|page| page.num_values)).unwrap_or_default());
            let words = u64::try_from(header.dictionary_page_header.map_or(0, |page| page.num_values));
            let (data, words) = (data.map_err(damaged)?, words.map_err(damaged)?);
            let inflated = u64::try_from(header.uncompressed_page_size).map_err(damaged)?;
            seen += data;
            // Numbers of a page have 31 bits: their sum has room.
            size = size.saturating_add(inflated).saturating_add((data + words).saturating_mul(VALUE));
        }
        Ok(size)
    }

    /// Hands out the records as JSON documents, each in the form of an object of CloudTrail's.
    ///
    /// # Errors
    /// When a page is damaged, or a row is no event of CloudTrail's. Nothing was handed out then, unless the file was read to its
    /// end before.
    pub fn for_each_document(&self, each: Each<'_>) -> Result<(), OcsfError> {
        // What is kept of them before any is handed out: a damaged file gives nothing.
        let (mut documents, mut kept, mut all) = (Vec::new(), 0, 0_u64);
        self.documents(&mut |document| {
            all = all.saturating_add(number(document.len()));
            if all > self.limit {
                documents.clear();
                kept = 0;
            } else {
                kept += 1;
                documents.push(document.to_vec());
            }
        })?;
        if kept == 0 && all > 0 {
            return self.documents(each);
        }
        documents.iter().for_each(|document| each(document));
        Ok(())
    }

    fn documents(&self, each: Each<'_>) -> Result<(), OcsfError> {
        let mut before = 0;
        let mut made = 0_u64;
        let mut document = Document::default();
        for group in &self.metadata.row_groups {
            let columns = guarded(|| self.columns(group))?;
            for row in 0..group.num_rows() {
                let cell = |name: &str| {
                    let (_, array) = columns.iter().find(|(known, _)| *known == name)?;
                    Cell::new(array.as_ref(), row)
                };
                let record = record::of(&cell, before + row + 1)?;
                document.add(&record);
                if document.text.len() >= DOCUMENT {
                    made = made.saturating_add(number(document.text.len()));
                    if made > self.limit.saturating_mul(DOCUMENTS) {
                        return Err(OcsfError::TooLarge(self.limit.saturating_mul(DOCUMENTS)));
                    }
                    document.end(each);
                }
            }
            before += group.num_rows();
        }
        document.end(each);
        Ok(())
    }

    /// The columns of a row group.
    fn columns(&self, group: &RowGroupMetadata) -> Result<Vec<Column>, OcsfError> {
        let mut columns = Vec::new();
        for name in COLUMNS {
            let Some(field) = self.schema.get(name) else { continue };
            let array = self.column(group, field)?;
            if array.len() != group.num_rows() {
                let (has, wanted) = (array.len(), group.num_rows());
                return Err(OcsfError::Damaged(format!("its column `{name}` has {has} of {wanted} rows")));
            }
            columns.push((name, array));
        }
        Ok(columns)
    }

    fn column(&self, group: &RowGroupMetadata, field: &Field) -> Result<Box<dyn Array>, OcsfError> {
        let chunks: Vec<&ColumnChunkMetadata> =
            group.columns_under_root_iter(&field.name).into_iter().flatten().collect();
        let mut pages = Vec::new();
        for chunk in &chunks {
            let reader = PageReader::new(Cursor::new(self.chunk(chunk)?), chunk, Vec::new(), self.bytes.len());
            pages.push(BasicDecompressor::new(reader, Vec::new()));
        }
        let types = chunks.iter().map(|chunk| &chunk.descriptor().descriptor.primitive_type).collect();
        let (mut arrays, _) = column_iter_to_arrays(pages, types, field.clone(), None).map_err(damaged)?;
        match (arrays.pop(), arrays.is_empty()) {
            (Some(array), true) => Ok(array),
            _ => Err(OcsfError::Damaged(format!("its column `{}` is in several pieces", field.name))),
        }
    }
}

/// Records that are put together as an object of CloudTrail's has them.
#[derive(Default)]
struct Document {
    text: Vec<u8>,
}

impl Document {
    fn add(&mut self, record: &serde_json::Map<String, serde_json::Value>) {
        self.text.extend_from_slice(if self.text.is_empty() { b"{\"Records\":[" } else { b"," });
        // A map of texts can always be written.
        let _ = serde_json::to_writer(&mut self.text, record);
    }

    fn end(&mut self, each: Each<'_>) {
        if !self.text.is_empty() {
            self.text.extend_from_slice(b"]}");
            each(&self.text);
            self.text.clear();
        }
    }
}

/// polars is made for files that are sound: where it panics, that is damage too.
fn guarded<T>(read: impl FnOnce() -> Result<T, OcsfError>) -> Result<T, OcsfError> {
    panics::contain(read).unwrap_or_else(|| Err(damaged("its pages contradict each other")))
}

fn damaged(error: impl std::fmt::Display) -> OcsfError {
    // The first line: polars adds how it came to the place.
    let text = error.to_string();
    OcsfError::Damaged(escape::visible(text.lines().next().unwrap_or_default()))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Looks at how long the footer is and how deep its schema: it is read by recursion.
fn check_footer(bytes: &[u8]) -> Result<(), OcsfError> {
    let cut = || OcsfError::Damaged("it is cut off, or is not Parquet".to_owned());
    let (rest, end) = bytes.split_last_chunk::<8>().ok_or_else(cut)?;
    let (length, mark) = end.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if mark != MAGIC || length > rest.len() {
        return Err(cut());
    }
    if length > FOOTER {
        return Err(OcsfError::Damaged(format!("its footer has {length} bytes")));
    }
    let footer = rest.get(rest.len() - length..).unwrap_or_default();
    // Of a few bytes that say that there are many elements no more is reserved than this allows.
    let mut protocol = TCompactInputProtocol::new(footer, 64 * FOOTER);
    let footer = FileMetaData::read_from_in_protocol(&mut protocol).map_err(damaged)?;
    if depth(&footer.schema) > DEPTH {
        return Err(OcsfError::Damaged(format!("its schema is more than {DEPTH} levels deep")));
    }
    Ok(())
}

/// How deep a schema is, whose elements are in the order in which they are met on the way down.
fn depth(schema: &[SchemaElement]) -> usize {
    let (mut open, mut deepest): (Vec<i32>, usize) = (Vec::new(), 0);
    for element in schema {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        open.push(element.num_children.unwrap_or_default().max(0));
        deepest = deepest.max(open.len());
    }
    deepest
}

fn check_columns(schema: &ArrowSchema) -> Result<(), OcsfError> {
    for (name, members) in NEEDED {
        let Some(field) = schema.get(name) else { return Err(OcsfError::Foreign(name)) };
        let ArrowDataType::Struct(fields) = field.dtype() else { return Err(OcsfError::Foreign(name)) };
        if let Some(missing) = members.iter().find(|member| !fields.iter().any(|field| field.name == **member)) {
            return Err(OcsfError::Damaged(format!("its column `{name}` lacks `{missing}`")));
        }
    }
    if schema.get("time").or_else(|| schema.get("time_dt")).is_none() {
        return Err(OcsfError::Damaged("it lacks the column `time`".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [&[u8]; 2] =
        [include_bytes!("../../fixtures/ocsf/pairs-1.parquet"), include_bytes!("../../fixtures/ocsf/pairs-2.parquet")];

    /// The documents of a file, as text.
    fn documents(bytes: &[u8], limit: usize) -> Result<String, OcsfError> {
        let mut all = String::new();
        File::open(bytes, limit)?
            .for_each_document(&mut |document| all.push_str(std::str::from_utf8(document).unwrap()))?;
        Ok(all)
    }

    #[test]
    fn damage_anywhere_is_an_error_or_changes_a_value() {
        for good in PAIRS {
            let whole = documents(good, 1 << 20).unwrap();
            assert_eq!(whole.matches("\"eventID\"").count(), 3);
            for at in (0..good.len()).step_by(3) {
                let mut bytes = good.to_vec();
                bytes[at] ^= 0x15;
                let _ = documents(&bytes, 1 << 20);
                assert!(documents(&good[..at], 1 << 20).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn what_would_take_more_than_the_limit_is_not_begun() {
        for good in PAIRS {
            let file = File::open(good, 1 << 20).unwrap();
            assert!(file.size() > 1_000 && file.size() < 100_000, "{}", file.size());
            assert!(File::open(good, file.size()).is_ok());
            let small = File::open(good, file.size() - 1).unwrap_err();
            assert_eq!(small, OcsfError::TooLarge(number(file.size() - 1)));
            // JSON of more than the limit is handed out part by part, and is the same.
            let by_parts = documents(good, file.size()).unwrap();
            assert_eq!(by_parts, documents(good, 1 << 20).unwrap());
        }
    }

    #[test]
    fn a_schema_has_a_depth() {
        let element = |children: Option<i32>| SchemaElement {
            type_: None,
            type_length: None,
            repetition_type: None,
            name: "x".to_owned(),
            num_children: children,
            converted_type: None,
            scale: None,
            precision: None,
            field_id: None,
            logical_type: None,
        };
        let deep: Vec<SchemaElement> = (0..1_000_000).map(|_| element(Some(1))).collect();
        assert_eq!(depth(&deep), 1_000_000);
        let flat: Vec<SchemaElement> =
            std::iter::once(element(Some(3))).chain([Some(1), None, None, None].map(element)).collect();
        assert_eq!(depth(&flat), 3);
        assert_eq!(depth(&[element(Some(-1)), element(None)]), 1);
    }
}
