//! `rtsps`: whose certificate is taken, and what is said of one that is not.

use sha2::Digest;
use source::{Access, Error, Options, Pin, Trust};

use crate::mpeg4;
use crate::support::*;
pub use crate::tls_front::in_front_of;

pub fn trusting(trust: Trust) -> Options {
    Options { access: Access { trust, ..Access::default() }, ..Options::default() }
}

#[tokio::test]
async fn a_camera_over_tls_plays_for_who_trusts_it_and_for_no_other() {
    let fake = Fake::start(usual).await;
    let (address, certificate, pem) = in_front_of(fake.address).await;
    let url = format!("rtsps://admin:secret@{address}/cam");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let pin = Pin(sha2::Sha256::digest(&certificate).into());
    for (trust, protocol) in
        [(Trust::File(file), "rtsps"), (Trust::Pin(pin), "rtsps"), (Trust::Anybody, "rtsps (certificate not checked)")]
    {
        let (source, mut cursor) = open(&url, trusting(trust));
        pictures(&mut cursor, 3).await;
        assert_eq!(source.status().borrow().about.protocol, protocol);
        assert!(fake.requests.lock().unwrap()[0].starts_with(&format!("DESCRIBE rtsps://{address}/cam RTSP/1.0")));
    }
    for trust in [Trust::System, Trust::Pin(Pin([7; 32]))] {
        let before = fake.heard("DESCRIBE");
        let (source, _cursor) = open(&url, trusting(trust));
        let error = failure(&source).await;
        assert!(matches!(&error, Error::Tls { what, .. } if what.starts_with(&address.to_string())), "{error}");
        assert_eq!(fake.heard("DESCRIBE"), before, "nothing is said to a stranger");
    }
}

#[tokio::test]
async fn other_codecs_come_over_tls_too() {
    // FFmpeg, which takes it apart, checks nobody: it has to come by our own connection.
    let (sdp, packets) = mpeg4::packets();
    let fake = Fake::start(sends(sdp, packets)).await;
    let (address, ..) = in_front_of(fake.address).await;
    let (source, mut cursor) = open(&format!("rtsps://{address}/cam"), trusting(Trust::Anybody));
    pictures(&mut cursor, 3).await;
    assert_eq!(source.status().borrow().about.protocol, "rtsps (certificate not checked)");
}
