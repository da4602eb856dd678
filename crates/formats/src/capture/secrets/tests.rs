use proptest::prelude::*;

use super::*;

fn secrets() -> Arc<Secrets> {
    Arc::new(Secrets::new(["p@ss/w0rd", "hunter2", "ab", "video"], ["X-Key"]))
}

fn scrubbed(side: Side, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut scrubber = Scrubber::new(secrets(), side);
    let mut out: Vec<u8> = bytes.chunks(size).flat_map(|slice| scrubber.handle(slice)).collect();
    out.extend(scrubber.finish());
    out
}

/// `text` is stored as `expected`, whoever sends it and however it is cut.
#[track_caller]
fn becomes(text: &str, expected: &str) {
    for size in 1..=text.len() {
        for side in [Side::Us, Side::Camera] {
            let out = scrubbed(side, text.as_bytes(), size);
            assert_eq!(String::from_utf8_lossy(&out), expected, "in slices of {size}");
        }
    }
}

#[test]
fn what_lets_somebody_in_is_taken_out_of_texts_in_any_slices() {
    for (text, expected) in [
        (
            "GET /video?ab HTTP/1.1\r\nAuthorization: Basic abc=\r\nHost: cam\r\n\r\n",
            "GET /video?ab HTTP/1.1\r\nAuthorization:***********\r\nHost: cam\r\n\r\n",
        ),
        ("authorization: Digest x\n", "authorization:*********\n"),
        ("GET / HTTP/1.1\r\nx-key: 1\r\n\r\n", "GET / HTTP/1.1\r\nx-key:**\r\n\r\n"),
        ("Content-Base: rtsp://cam/hunter2/\r\n\r\n", "Content-Base: rtsp://cam/*******/\r\n\r\n"),
        ("a p%40ss%2Fw0rd b p%40ss%2fw0rd", "a ************* b *************"),
        ("Location: http://me:other@cam/x\r\n", "Location: http://me:*****@cam/x\r\n"),
        ("rtsp://cam:554/x@y", "rtsp://cam:554/x@y"),
        (
            "WWW-Authenticate: Digest realm=\"x\", nonce=\"1234\"",
            "WWW-Authenticate: Digest realm=\"x\", nonce=\"1234\"",
        ),
        ("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 96"),
    ] {
        becomes(text, expected);
    }
}

#[test]
fn parameters_of_urls_are_taken_out_by_their_names() {
    let text = b"DESCRIBE rtsp://cam/user=me&password=xyz&channel=1?token=12&a=b RTSP/1.0\r\n";
    let out = scrubbed(Side::Us, text, text.len());
    let expected = "DESCRIBE rtsp://cam/user=me&password=***&channel=1?token=**&a=b RTSP/1.0\r\n";
    assert_eq!(String::from_utf8_lossy(&out), expected);
    let text = b"DESCRIBE rtsp://cam/user=me_password=xyz_channel=1_stream=0.sdp RTSP/1.0\r\n";
    let expected = "DESCRIBE rtsp://cam/user=me_password=************************** RTSP/1.0\r\n";
    for size in 1..=text.len() {
        assert_eq!(String::from_utf8_lossy(&scrubbed(Side::Us, text, size)), expected, "in slices of {size}");
    }
}

#[test]
fn answers_to_ntlm_passwords_of_soap_and_texts_of_windows_are_taken_out() {
    let wide: Vec<u8> = "x/hunter2".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let out = scrubbed(Side::Us, &wide, wide.len());
    assert_eq!(out, [b"x\0/".as_slice(), &[b'*'; 15]].concat());
    let out = scrubbed(Side::Us, b"..NTLMSSP\0\x03\0\0\0secret", 100);
    assert_eq!(out, b"..NTLMSSP\0\x03\0\0\0******");
    let soap = b"<Username>me</Username><w:Password Type=\"x#PasswordDigest\">abc=</w:Password><Nonce>";
    let out = scrubbed(Side::Us, soap, 200);
    assert!(String::from_utf8_lossy(&out).contains("PasswordDigest\">****</w:Password><Nonce>"));
}

#[test]
fn a_picture_that_holds_the_bytes_of_a_password_stays_as_it_is() {
    let mut picture = vec![0xff, 0xd8, 0, 1, 2, 3];
    picture.extend_from_slice(b"xhunter2y\nCookie: a\r\n");
    picture.extend_from_slice(&[0xff, 0xd9]);
    for size in [1, 2, 7, picture.len()] {
        let text = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";
        let out = scrubbed(Side::Camera, &[&text[..], &picture].concat(), size);
        assert!(out.ends_with(&picture), "in slices of {size}");
    }
}

#[test]
fn a_cookie_is_taken_out_of_an_answer_that_follows_a_picture() {
    let picture: Vec<u8> = (0..64).chain([0xff, 0xd9]).collect();
    for (head, left) in [
        ("HTTP/1.1 200 OK\r\nSet-Cookie: sid=77\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie:*******\r\n"),
        ("RTSP/1.0 200 OK\r\nSet-Cookie: sid=77\r\n", "RTSP/1.0 200 OK\r\nSet-Cookie:*******\r\n"),
    ] {
        for size in [1, 7, 500] {
            let out = scrubbed(Side::Camera, &[&picture[..], head.as_bytes()].concat(), size);
            assert_eq!(out, [&picture[..], left.as_bytes()].concat(), "in slices of {size}");
        }
    }
}

#[test]
fn nothing_is_held_back_of_a_picture() {
    let mut scrubber = Scrubber::new(secrets(), Side::Camera);
    let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let out = scrubber.handle(&[&data[..], &[0xff, 0xd9]].concat());
    assert_eq!(out.len(), 5002);
}

#[test]
fn what_goes_through_a_tunnel_of_rtsp_is_not_kept() {
    let mut scrubber = Scrubber::new(secrets(), Side::Us);
    let head = b"POST /x HTTP/1.0\r\nContent-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n";
    assert_eq!(scrubber.handle(head), head);
    assert_eq!(scrubber.handle(b"REVTQ1JJQkU="), b"************");
    assert_eq!([scrubber.handle(b"b3I="), scrubber.finish(), scrubber.handle(b"a\r\n")].concat(), b"*******");
}

#[test]
fn notes_are_cleaned_as_a_whole() {
    let text = secrets().out_of("Cookie: a\nat rtsp://me:hunter2@cam/?pwd=1");
    assert_eq!(text, "Cookie:**\nat rtsp://me:*******@cam/?pwd=*");
}

#[test]
fn whatever_stands_where_secrets_stand_is_taken_out_in_any_slices() {
    for (text, expected) in [
        // Folded lines.
        ("Authorization: Digest a,\r\n  b=\"c\"\r\nHost: x\r\n", "Authorization:**********\r\n ******\r\nHost: x\r\n"),
        ("Cookie: a\n\tb\nX: c\n", "Cookie:**\n\t*\nX: c\n"),
        // A parameter within a header does not end it.
        ("Authorization: x?token=a b\r\nA: b\r\n", "Authorization:************\r\nA: b\r\n"),
        ("Authentication-Info: rspauth=\"1\"\r\n", "Authentication-Info:************\r\n"),
        (
            "X-Auth-Token: 12\r\nX-Api-Key: 34\r\nX-Key-Frame: 5\r\n",
            "X-Auth-Token:***\r\nX-Api-Key:***\r\nX-Key-Frame: 5\r\n",
        ),
        // Forms, and texts of settings.
        ("\r\n\r\nuser=me&pwd=ab\n", "\r\n\r\nuser=me&pwd=**\n"),
        ("root.User.Password=ab\nroot.Name=c\n", "root.User.Password=**\nroot.Name=c\n"),
        // JSON.
        (r#"{"token":"a\"b","x":"c"}"#, r#"{"token":"****","x":"c"}"#),
        (r#"{"Password" : "ab", "pin": 1, "sid": 12}"#, r#"{"Password" : "**", "pin": 1, "sid": **}"#),
        (r#"{"Token":{"leaseTime":3600,"name":"x"}}"#, r#"{"Token":{"leaseTime":3600,"name":"x"}}"#),
        // XML.
        ("<w:Password Type=\"#Digest\">ab=</w:Password>", "<w:Password Type=\"#Digest\">***</w:Password>"),
        ("<wsse:Nonce>ab</wsse:Nonce><Created>c</Created>", "<wsse:Nonce>**</wsse:Nonce><Created>c</Created>"),
        ("<password><![CDATA[a<b]]></password><x>c", "<password><![CDATA[***]]></password><x>c"),
        ("<Password/><x>c</x><ProfileToken>p</ProfileToken>", "<Password/><x>c</x><ProfileToken>p</ProfileToken>"),
        ("<user name=\"a\" password=\"b c\" id='1'/>", "<user name=\"a\" password=\"***\" id='1'/>"),
        (
            "<Profiles token=\"p\"><Uri>rtsp://c/x?a=1&amp;pwd=23</Uri>",
            "<Profiles token=\"p\"><Uri>rtsp://c/x?a=1&amp;pwd=**</Uri>",
        ),
        ("<Uri>rtsp://me:ab@c/x</Uri>", "<Uri>rtsp://me:**@c/x</Uri>"),
        // Lists of HLS.
        (
            "#EXTINF:1,\nseg.ts?token=ab\n#EXT-X-KEY:METHOD=NONE\n",
            "#EXTINF:1,\nseg.ts?token=**\n#EXT-X-KEY:METHOD=NONE\n",
        ),
    ] {
        becomes(text, expected);
    }
}

#[test]
fn an_answer_to_ntlm_in_several_writes_ends_with_its_message() {
    let mut scrubber = Scrubber::new(secrets(), Side::Us);
    let parts = [b"..NTLM".as_slice(), b"SSP\0\x03\0", b"\0\0sec", b"ret"];
    let mut out: Vec<u8> = parts.iter().flat_map(|part| scrubber.handle(part)).collect();
    out.extend(scrubber.finish());
    assert_eq!(out, b"..NTLMSSP\0\x03\0\0\0******");
    assert_eq!(scrubber.handle(b"plain "), b"plain ");
}

#[test]
fn half_a_word_is_not_given_away_where_nothing_more_comes() {
    for (said, expected) in [("to hunt", "to ****"), ("to hun", "to hun"), ("to p%40ss%2F", "to *********")] {
        assert_eq!(String::from_utf8_lossy(&scrubbed(Side::Us, said.as_bytes(), 100)), expected);
    }
}

/// Base64 of `bytes`, without padding, by another way than the one that is tested.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let letter = |six: &[u8]| {
        let text = format!("{:0<6}", std::str::from_utf8(six).unwrap());
        char::from(LETTERS[usize::from_str_radix(&text, 2).unwrap()])
    };
    bits.as_bytes().chunks(6).map(letter).collect()
}

/// The ways in which `secret` may stand in what is sent; `pick` chooses where there is a choice a byte.
fn written(secret: &str, way: u8, before: &str, pick: u64) -> Vec<u8> {
    let each = |one: &dyn Fn(usize, u8) -> String| secret.bytes().enumerate().map(|(at, byte)| one(at, byte)).collect();
    let text: String = match way {
        0 => secret.into(),
        1 => each(&|_, byte| format!("%{byte:02X}")),
        2 => each(&|at, byte| match pick >> (at % 60) & 3 {
            0 => format!("%{byte:02x}"),
            1 => format!("%25{byte:02X}"),
            _ if byte == b'%' => "%25".into(),
            _ => char::from(byte).into(),
        }),
        3 => secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        4 => each(&|at, byte| match pick >> (at % 60) & 1 {
            0 => format!("&#{byte};"),
            _ if byte == b'&' => "&#x26;".into(),
            _ => char::from(byte).into(),
        }),
        5 => each(&|_, byte| match byte {
            b'"' | b'\\' | b'/' => format!("\\{}", char::from(byte)),
            byte => char::from(byte).into(),
        }),
        6 => each(&|_, byte| format!("\\u{byte:04x}")),
        7 => return secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        8 => return secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => {
            let (from, to) = (before.len() * 8 / 6, ((before.len() + secret.len()) * 8).div_ceil(6));
            base64(format!("{before}{secret}:x").as_bytes())[from..to].into()
        }
    };
    text.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_word_that_is_known_is_never_in_the_file(
        secret in "[!-~]{6,16}", way in 0..10_u8, pick: u64, ours: bool,
        before in "[ -~\r\n]{0,200}", user in "[a-z]{0,4}", after in "[ -~\r\n]{0,60}",
        cuts in prop::collection::vec(1..40_usize, 0..20), ends: u64,
    ) {
        prop_assume!(!PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(&secret)));
        let form = written(&secret, way, &user, pick);
        let side = if ours { Side::Us } else { Side::Camera };
        let bytes = [before.as_bytes(), &form, after.as_bytes()].concat();
        let mut scrubber = Scrubber::new(Arc::new(Secrets::new([&*secret], [])), side);
        let (mut out, mut rest) = (Vec::new(), &bytes[..]);
        for (at, cut) in cuts.into_iter().enumerate() {
            let (slice, behind) = rest.split_at(cut.min(rest.len()));
            out.extend(scrubber.handle(slice));
            // Where somebody takes a message for whole that is not.
            if ends >> at & 7 == 0 {
                out.extend(scrubber.finish());
            }
            rest = behind;
        }
        out.extend(scrubber.handle(rest));
        out.extend(scrubber.finish());
        prop_assert_eq!(out.len(), bytes.len());
        prop_assert!(memmem::find(&out, &form).is_none(), "{}", out.escape_ascii());
    }

    #[test]
    fn nothing_depends_on_where_what_is_sent_is_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "Authorization:", "Cookie: ", "\r\n", "\r\n ", "\n", "\r\n\r\n", "?token=", "&pwd=", "me:", "@cam/", "{\"token\":",
            "\"", ",", " ", "<Password>", "<a:Nonce x='", "'>", "</", "abc", "hunter2", "hunt", "p%40ss", "x-key:", "HTTP/1.1 200 OK\r\n",
            "\\", "]]>", "<![CDATA[", " password=", "GET / ",
        ]), 0..30),
        size in 1..60_usize, ours: bool,
    ) {
        let bytes = pieces.concat();
        let side = if ours { Side::Us } else { Side::Camera };
        let whole = scrubbed(side, bytes.as_bytes(), bytes.len().max(1));
        let cut = scrubbed(side, bytes.as_bytes(), size);
        prop_assert_eq!(cut.escape_ascii().to_string(), whole.escape_ascii().to_string());
    }
}
