//! S3 as a source.
#[path = "support/moto.rs"]
mod moto;

#[test]
fn moto_starts() {
    let moto = moto::Moto::start();
    moto.reset();
    assert!(moto.endpoint().starts_with("http://127.0.0.1:"));
}
