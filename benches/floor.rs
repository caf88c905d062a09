//! The floor: reads the files of an archive, inflates each in one call with libdeflate on one thread, and throws the
//! bytes away. No scan can cost less; what one costs above it is listing, searching, parsing and keeping.
//!
//! `cargo bench --bench floor -- DIR` prints objects, bytes as stored and bytes inflated.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "what it measured")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

mod corpus;

fn main() -> Result<(), Box<dyn Error>> {
    match corpus::arguments().as_slice() {
        [] => check(),
        [directory] => {
            let total = inflate_all(Path::new(directory))?;
            println!("{} objects, {} bytes, {} inflated", total.objects, total.stored, total.inflated);
            Ok(())
        }
        _ => Err("usage: cargo bench --bench floor -- DIR".into()),
    }
}

#[derive(Debug, Default, PartialEq)]
struct Total {
    objects: u64,
    stored: u64,
    inflated: u64,
}

fn inflate_all(directory: &Path) -> Result<Total, Box<dyn Error>> {
    let mut total = Total::default();
    let mut inflater = libdeflater::Decompressor::new();
    let (mut stored, mut inflated) = (Vec::new(), Vec::new());
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "gz") {
                read(&entry.path(), &mut stored)?;
                let size = stored.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size)) as usize;
                // One byte at least, and no zeroing of what was used before: the floor is inflating alone.
                if inflated.len() < size.max(1) {
                    inflated.resize(size.max(1), 0);
                }
                let length = inflater.gzip_decompress(&stored, &mut inflated)?;
                std::hint::black_box(&inflated[..length]);
                total.objects += 1;
                total.stored += stored.len() as u64;
                total.inflated += length as u64;
            }
        }
    }
    Ok(total)
}

fn read(path: &PathBuf, into: &mut Vec<u8>) -> std::io::Result<()> {
    into.clear();
    std::io::Read::read_to_end(&mut fs::File::open(path)?, into).map(|_length| ())
}

/// What runs without arguments, in CI: the floor must inflate exactly what the generator wrote.
fn check() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let written = corpus::Corpus::new(corpus::Shape::Medium, 2000, corpus::PLANTED, 1)?.write(folder.path())?;
    let total = inflate_all(&folder.path().join("archive"))?;
    let expected = Total { objects: written.objects, stored: written.bytes_compressed, inflated: written.bytes_raw };
    assert_eq!(total, expected);
    Ok(())
}
