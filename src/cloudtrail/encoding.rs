//! What an object's bytes are, where they are not UTF-8 text: UTF-16 is decoded, other formats are named.

use super::error::ContainerError;

/// Decodes UTF-16, as Windows writes it where a command's output goes to a file; `None` for anything else.
///
/// It is known by its byte order mark, or, without one, by the zero byte beside the first character, which is white space or
/// a bracket in all JSON that matters here.
pub(super) fn utf16(bytes: &[u8]) -> Option<Result<Vec<u8>, ContainerError>> {
    let starts = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'[');
    let (from, unit): (usize, fn([u8; 2]) -> u16) = match *bytes {
        [0xff, 0xfe, 0, 0, ..] => return None,
        [0xff, 0xfe, ..] => (2, u16::from_le_bytes),
        [0xfe, 0xff, ..] => (2, u16::from_be_bytes),
        [first, 0, second, third, ..] if starts(first) && (second, third) != (0, 0) => (0, u16::from_le_bytes),
        [0, first, ..] if starts(first) => (0, u16::from_be_bytes),
        _ => return None,
    };
    let (pairs, odd) = bytes.get(from..).unwrap_or_default().as_chunks::<2>();
    let mut text = Vec::new();
    // Of two bytes come three at most.
    if text.try_reserve_exact(bytes.len() + bytes.len() / 2).is_err() {
        return Some(Err(ContainerError::NoMemory(bytes.len())));
    }
    let mut at = from;
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let Ok(decoded) = decoded else { return Some(Err(ContainerError::BadUtf16 { offset: at + 1 })) };
        at += 2 * decoded.len_utf16();
        text.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
    }
    if odd.is_empty() { Some(Ok(text)) } else { Some(Err(ContainerError::BadUtf16 { offset: bytes.len() })) }
}

/// Formats by their first bytes. Sources: their specifications; those that compress come first.
const FORMATS: [(&[u8], &str); 20] = [
    (b"\x1f\x8b", "gzip data, compressed more than twice"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\xff\x06\0\0sNaPpY", "Snappy data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\0\x05\x16\x07", "a macOS AppleDouble file"),
    (b"\0\0\0\x01Bud1", "a macOS .DS_Store file"),
    (b"<", "XML or HTML"),
];

/// What a file of another format is; `None` where nothing tells.
pub(super) fn format(bytes: &[u8]) -> Option<&'static str> {
    const UTF_32: [&[u8]; 4] = [b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"{\0\0\0", b"\0\0\0{"];
    if UTF_32.iter().any(|start| bytes.starts_with(start)) {
        return Some("UTF-32 text");
    }
    if bytes.get(257..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Some("a tar archive");
    }
    FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text as UTF-16, without a byte order mark.
    fn encoded(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn utf16_is_decoded_and_its_damage_has_a_place() {
        for text in ["", "{}", " [\"é\u{1f600}\"]\r\n", "{\"Records\":[]}"] {
            for (mark, unit) in
                [(&b"\xff\xfe"[..], u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xfe\xff", u16::to_be_bytes)]
            {
                let bytes = encoded(text, unit);
                let marked = [mark, &bytes].concat();
                assert_eq!(utf16(&marked), Some(Ok(text.as_bytes().to_vec())), "{text}");
                if !text.is_empty() {
                    assert_eq!(utf16(&bytes), Some(Ok(text.as_bytes().to_vec())), "{text}");
                }
                let odd = [&marked[..], b"x"].concat();
                assert_eq!(utf16(&odd), Some(Err(ContainerError::BadUtf16 { offset: odd.len() })));
                let lone = [mark, &encoded("{", unit), &unit(0xdc00), &encoded("}", unit)].concat();
                assert_eq!(utf16(&lone), Some(Err(ContainerError::BadUtf16 { offset: 5 })));
            }
        }
        for other in [
            &b""[..],
            b"{",
            b"{}",
            b"\xff",
            b"\xff\xfe\0\0{\0\0\0",
            b"{\0\0\0}\0\0\0",
            b"\0\0\0{",
            b"\xef\xbb\xbf{}",
            b"a\0b\0",
        ] {
            assert_eq!(utf16(other), None, "{other:?}");
        }
    }

    #[test]
    fn formats_have_names() {
        let tar = [&[b'x'; 257][..], b"ustar\0"].concat();
        for (bytes, name) in [
            (&b"PK\x03\x04rest"[..], "a zip archive"),
            (b"PAR1rest", "a Parquet file"),
            (b"<html>", "XML or HTML"),
            (b"\x1f\x8b\x08", "gzip data, compressed more than twice"),
            (b"{\0\0\0}\0\0\0", "UTF-32 text"),
            (&tar, "a tar archive"),
        ] {
            assert_eq!(format(bytes), Some(name));
        }
        for json in ["", "{}", "[]", "\u{feff}{}", "PK", "hello"] {
            assert_eq!(format(json.as_bytes()), None, "{json}");
        }
    }
}
