//! Messages byte for byte, framing in any slices, and lengths that lie.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fuzz::epoch;
use crate::{Error, Hresult};

/// Bytes from hexadecimal digits, spaced by field; words in quotes are UTF-16 with null.
fn hex(fields: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in fields.split('"').enumerate() {
        if at % 2 == 1 {
            bytes.extend(part.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
            continue;
        }
        for word in part.split_whitespace() {
            bytes.extend((0..word.len()).step_by(2).map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap()));
        }
    }
    bytes
}

/// `message` has these bytes, and these bytes are `message`.
fn viewer(message: ViewerToMac, fields: &str) {
    let bytes = hex(fields);
    assert_eq!(message.encode(), bytes, "{message:?}");
    assert_eq!(u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()), message.mid());
    assert_eq!(ViewerToMac::decode(message.mid(), &bytes[8..]), Ok(message));
}

fn mac(message: MacToViewer, fields: &str) {
    let bytes = hex(fields);
    assert_eq!(message.encode(), bytes, "{message:?}");
    assert_eq!(u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()), message.mid());
    assert_eq!(MacToViewer::decode(message.mid(), &bytes[8..]), Ok(message));
}

const OK: Hresult = Hresult(0);

#[test]
fn messages_of_the_client_are_as_the_specification_has_them() {
    viewer(
        ViewerToMac::Connect(Connect { incarnation: MMS_DISABLE_PACKET_PAIR, subscriber_name: "NSPlayer/7".into() }),
        "06000000 01000300 eff0f0f0 0b000400 1c000300 \"NSPlayer/7\" 0000 00000000",
    );
    viewer(ViewerToMac::FunnelInfo { incarnation: 0xF0F0_F901 }, "02000000 18000300 01f9f0f0 00000000");
    viewer(
        ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name: r"\\1.2.3.4\UDP\7000".into() }),
        r#"09000000 02000300 00000000 ffffffff 00000000 80969800 02000000 "\\1.2.3.4\UDP\7000" 00000000 0000"#,
    );
    let open = |token: &'static [u8]| {
        ViewerToMac::OpenFile(OpenFile {
            incarnation: 1,
            file_name: "abc.asf".into(),
            token: Bytes::from_static(token),
        })
    };
    viewer(open(b""), "05000000 05000300 01000000 00000000 00000000 00000000 \"abc.asf\"");
    viewer(open(b"dTpw\0"), "06000000 05000300 01000000 00000000 10000000 05000000 \"abc.asf\" 64547077 00 000000");
    viewer(
        ViewerToMac::SecurityResponse { incarnation: 2, cookie: 0x11, token: Bytes::from_static(b"\0\0ab") },
        "03000000 1a000300 02000000 11000000 04000000 00006162",
    );
    viewer(
        ViewerToMac::ReadBlock(ReadBlock { open_file_id: 1, incarnation: 3 }),
        "07000000 15000300 01000000 00000000 00000000 00800000 ffffffff 00000000 \
         0000000000000000 000000000020ac40 03000000 00000000",
    );
    viewer(ViewerToMac::CancelReadBlock { incarnation: 3 }, "02000000 25000300 03000000 00000000");
    let on = StreamSwitchEntry { source: StreamSwitchEntry::NONE, destination: 1, thinning: 0 };
    let off = StreamSwitchEntry { source: StreamSwitchEntry::NONE, destination: 2, thinning: 2 };
    viewer(ViewerToMac::StreamSwitch(vec![on, off]), "03000000 33000300 02000000 ffff01000000 ffff02000200");
    let start = StartPlaying {
        open_file_id: 1,
        position: 2.0,
        asf_offset: 0,
        location_id: u32::MAX,
        frame_offset: 0,
        incarnation: 9,
        accelerate: None,
    };
    let plain = "01000000 00000000 0000000000000040 00000000 ffffffff 00000000 09000000";
    viewer(ViewerToMac::StartPlaying(start), &format!("05000000 07000300 {plain}"));
    let accelerate = Some(Accelerate { bandwidth_bps: 3_500_000, duration_ms: 18_000, link_bandwidth_bps: 256 });
    viewer(
        ViewerToMac::StartPlaying(StartPlaying { accelerate, ..start }),
        &format!("07000000 07000300 {plain} e0673500 50460000 00010000 00000000"),
    );
    viewer(ViewerToMac::StartStriding { start, rate: -5.0 }, &format!("06000000 28000300 {plain} 00000000000014c0"));
    viewer(ViewerToMac::StopPlaying { open_file_id: 1, incarnation: 9 }, "02000000 09000300 01000000 09000000");
    viewer(ViewerToMac::CloseFile { open_file_id: 1 }, "02000000 0d000300 00000000 01000000");
    viewer(ViewerToMac::Pong, "02000000 1b000300 00000000 00000000");
    viewer(ViewerToMac::Unknown { mid: 0x0003_0099 }, "01000000 99000300");
}

#[test]
fn messages_of_the_server_are_as_the_specification_has_them() {
    mac(
        MacToViewer::ReportConnectedEX(ReportConnectedEX {
            hr: OK,
            incarnation: MMS_DISABLE_PACKET_PAIR,
            server_version: Some("9.1".into()),
            version: None,
            version_url: None,
            authen_package: Some("NTLM".into()),
        }),
        "0b000000 01000400 00000000 eff0f0f0 0b000400 1c000300 000000000000f03f 01000000 01000000 00800000 80969800 \
         04000000 00000000 00000000 05000000 \"9.1\" \"NTLM\" 000000000000",
    );
    mac(
        MacToViewer::ReportFunnelInfo(ReportFunnelInfo {
            hr: OK,
            incarnation: 2,
            client_id: 0xABCD,
            probe: Bytes::new(),
        }),
        "06000000 15000400 00000000 02000000 08000000 01000000 00000100 cdab0000 00000000 01000000 00000000 00000000",
    );
    mac(
        MacToViewer::ReportConnectedFunnel { hr: OK },
        "08000000 02000400 00000000 00000000 00000000 \"Funnel Of The Gods\" 00000000 0000",
    );
    mac(MacToViewer::ReportDisconnectedFunnel { hr: Hresult(0xC00D_000C) }, "02000000 03000400 0c000dc0 00000000");
    mac(
        MacToViewer::ReportOpenFile(ReportOpenFile {
            hr: OK,
            incarnation: 1,
            open_file_id: 1,
            file_attributes: FILE_ATTRIBUTE_MMS_CANSEEK | FILE_ATTRIBUTE_MMS_CANSTRIDE,
            file_duration: 1.5,
            file_packet_size: 1400,
            file_packet_count: 200,
            file_bit_rate: 64_000,
            file_header_size: 500,
        }),
        "0f000000 06000400 00000000 01000000 01000000 00000000 00000000 00008001 000000000000f83f 02000000 \
         00000000000000000000000000000000 78050000 c800000000000000 00fa0000 f4010000 \
         000000000000000000000000000000000000000000000000000000000000000000000000 00000000",
    );
    mac(
        MacToViewer::SecurityChallenge { incarnation: 1, cookie: 7, token: Bytes::from_static(&[0, 0, 1, 2]) },
        "03000000 1a000400 01000000 07000000 04000000 00000102",
    );
    mac(
        MacToViewer::ReportRedirect(ReportRedirect { hr: OK, redirect_type: 1, location: "mmst://b/c".into() }),
        "05000000 22000400 00000000 0100 1600 \"mmst://b/c\" 0000",
    );
    mac(
        MacToViewer::ReportReadBlock { hr: OK, incarnation: 3 },
        "03000000 11000400 00000000 03000000 00000000 00000000",
    );
    mac(MacToViewer::ReportStreamSwitch { hr: OK }, "02000000 21000400 00000000 00000000");
    mac(
        MacToViewer::ReportStartedPlaying { hr: OK, incarnation: 9, tiger_file_id: 1 },
        "05000000 05000400 00000000 09000000 01000000 00000000 000000000000000000000000 00000000",
    );
    mac(
        MacToViewer::ReportStartStriding { hr: OK, incarnation: 9 },
        "03000000 0a000400 00000000 09000000 00000000 00000000",
    );
    mac(MacToViewer::ReportEndOfStream { hr: Hresult(1), incarnation: 9 }, "02000000 1e000400 01000000 09000000");
    mac(
        MacToViewer::ReportStreamChange(ReportStreamChange {
            hr: OK,
            tcp_hdr_incarnation: 0xFF,
            packet_size: 1400,
            header_size: 500,
            bit_rate: 64_000,
        }),
        "04000000 20000400 00000000 ff000000 78050000 f4010000 00fa0000 00000000",
    );
    mac(MacToViewer::Ping, "02000000 1b000400 00000000 00000000");
    mac(MacToViewer::Unknown { mid: 0x0004_0099 }, "01000000 99000400");
}

#[test]
fn a_client_log_has_1490_bytes_and_comes_back() {
    let log = ClientLog {
        url: "mms://h/p".into(),
        user_agent: "Headwater".into(),
        client_version: 0x0007_0000_0000_07A4,
        player_id: "{3300AD50-2C39-46C0-AE0A-000000000000}".into(),
        host_exe: "headwater".into(),
        file_duration_ms: 1,
        average_bandwidth_bps: 2,
        start_time_ms: 3,
        played_ms: 4,
        bytes_received: 5,
        packets_received: 6,
        packets_lost_client: 7,
        min_reception_quality_percent: 8,
        source_id: 9,
        is_udp: true,
        packets_lost_net: 10,
        packets_lost_cont_net: 11,
        resend_requests: 12,
        packets_recovered_resent: 13,
    };
    let message = ViewerToMac::Logging(Box::new(log));
    let bytes = message.encode();
    assert_eq!(bytes.len(), (8 + CLIENT_LOG_SIZE).next_multiple_of(8));
    assert_eq!(ViewerToMac::decode(message.mid(), &bytes[8..]), Ok(message));
}

#[test]
fn a_header_counts_as_every_known_program_counts() {
    let now = epoch();
    let mut framer = Framer::new();
    let message = ViewerToMac::Pong.encode();
    let header = "01000000 cefa0bb0 20000000 4d4d5320 04000000";
    assert_eq!(framer.frame(now, &message)[..32], hex(&format!("{header} 0000 0000 0000000000000000")));
    let later = now + Duration::from_millis(258);
    assert_eq!(framer.frame(later, &message)[..32], hex(&format!("{header} 0100 0000 0201000000000000")));
    for _ in 2..65_536 {
        framer.frame(now, &message);
    }
    assert_eq!(framer.frame(now, &message)[20..24], [0; 4], "the number wraps");
}

#[test]
fn funnel_names_are_read_as_clients_write_them() {
    let funnel = |name: &str| ConnectFunnel { funnel_name: name.into() }.funnel();
    assert_eq!(funnel(r"\\192.168.0.129\TCP\1037"), Some(Funnel::Tcp));
    assert_eq!(funnel(r"\\::1\udp\7000"), Some(Funnel::Udp(7000)));
    assert_eq!(funnel(r"\\1.2.3.4\UDP\0"), None);
    assert_eq!(funnel(r"\\1.2.3.4\UDP\70000"), None);
    assert_eq!(funnel(""), None);
}

#[test]
fn tokens_are_told_apart() {
    let ntlm = |wrapped, message| Token { kind: TokenKind::Ntlm { wrapped }, message };
    let message = b"NTLMSSP\0\x01\0\0\0".as_slice();
    for wrapped in [false, true] {
        assert_eq!(Token::decode(&Token::ntlm(wrapped, message)), ntlm(wrapped, message));
        assert_eq!(
            Token::decode(&Token::ntlm(wrapped, message)[2..]),
            ntlm(wrapped, message),
            "in tokenData of OpenFile"
        );
    }
    assert_eq!(Token::decode(&[0, 0]), ntlm(false, &[]));
    let short = &Token::ntlm(true, message)[..20];
    assert_eq!(Token::decode(short), ntlm(false, &[]), "cut short");
    let challenge = Token::basic_challenge("the house");
    assert_eq!(Token::decode(&challenge).kind, TokenKind::Basic);
    assert_eq!(Token::decode(&challenge).realm(), "the house");
    assert_eq!(Token::decode(&[]), Token { kind: TokenKind::Basic, message: &[] });
}

#[test]
fn resend_requests_are_as_the_specification_has_them() {
    let request = RequestPacketListResend { client_id: 0x0102_0304, source_id: 1, packets: vec![258, 3] };
    let bytes = hex("0df0efbe 04030201 0100 0200 02010000 03000000");
    assert_eq!(request.encode(), bytes);
    assert_eq!(RequestPacketListResend::decode(&bytes), Ok(request));
    for wrong in
        ["0df0efbe 04030201 0100 0000", "0df0efbe 04030201 0100 0200 02010000", "0df0efbf 04030201 0100 0100 02010000"]
    {
        assert!(matches!(RequestPacketListResend::decode(&hex(wrong)), Err(Error::Malformed { .. })), "{wrong}");
    }
}

#[test]
fn header_pieces_are_flagged_so_that_all_clients_take_them() {
    let header = Bytes::from_static(b"abcdefgh");
    let pieces: Vec<_> = header_pieces(&header, 7, 3).collect();
    let told: Vec<_> = pieces.iter().map(|piece| (piece.location_id, piece.af_flags, &piece.payload[..])).collect();
    assert_eq!(told, [(0, 0x04, &b"abc"[..]), (1, 0x04, b"def"), (2, 0x0C, b"gh")]);
    assert_eq!(header_pieces(&header, 7, 100).map(|piece| piece.af_flags).collect::<Vec<_>>(), [0x0C]);
    assert_eq!(header_pieces(&header, 7, 0).count(), 8, "a size of 0 does no harm");
}

#[test]
fn probes_are_told_from_data() {
    let probe = Data::decode(&hex("01f0f0f0 ff 10 0900 aa")).unwrap();
    assert!(probe.is_packet_pair());
    let data = Data::decode(&hex("05000000 ff 10 0a00 aabb cc")).unwrap();
    assert!(!data.is_packet_pair());
    assert_eq!(data.payload, [0xAA, 0xBB][..]);
    assert_eq!(data.encode().unwrap(), hex("05000000 ff 10 0a00 aabb"));
}

/// A connection of all kinds of frames.
fn connection() -> Vec<u8> {
    let now = epoch();
    let mut framer = Framer::new();
    let mut bytes = framer.frame(now, &MacToViewer::Ping.encode()).to_vec();
    bytes.extend(
        Data { location_id: 1, incarnation: 9, af_flags: 0, payload: Bytes::from_static(b"first") }.encode().unwrap(),
    );
    bytes.extend(Data { location_id: 2, incarnation: 9, af_flags: 1, payload: Bytes::new() }.encode().unwrap());
    bytes.extend(framer.frame(now, &[]));
    let both = [MacToViewer::ReportStreamSwitch { hr: OK }.encode(), MacToViewer::Ping.encode()].concat();
    bytes.extend(framer.frame(now, &both));
    bytes.extend(framer.frame(now, &MacToViewer::ReportEndOfStream { hr: OK, incarnation: 9 }.encode()));
    bytes
}

fn deframe<'a>(slices: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<Error>) {
    let (mut deframer, mut frames) = (Deframer::new(1 << 16), Vec::new());
    for mut slice in slices {
        loop {
            match deframer.next(&mut slice) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

#[test]
fn slicing_of_the_input_never_matters() {
    let bytes = connection();
    let whole = deframe([&bytes[..]].into_iter());
    assert_eq!((whole.0.len(), &whole.1), (6, &None));
    for size in 1..bytes.len() {
        assert_eq!(deframe(bytes.chunks(size)), whole, "in slices of {size}");
    }
}

/// The one error that bytes lead to, as a text.
fn error(fields: &str) -> String {
    deframe([&hex(fields)[..]].into_iter()).1.expect("an error").to_string()
}

#[test]
fn another_protocol_is_named() {
    let http: String = b"HTTP/1.1 400".iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        error(&http),
        "byte 4: expected the MMS session id, bytes ce fa 0b b0, found \"HTTP/1.1\"; is this the right port and protocol?"
    );
    assert!(error("160301020001 0001").contains("found 16 03 01 02 00 01 00 01"));
}

#[test]
fn lengths_that_lie_are_errors() {
    let header = |length: &str| format!("01000000 cefa0bb0 {length} 4d4d5320 04000000 0000 0000 0000000000000000");
    let message = |fields: &str| error(&format!("{} {fields}", header("20000000")));
    assert_eq!(error(&header("ffffff7f")), "a control message of 2147483631 bytes; at most 65536 are accepted");
    assert!(error(&header("0f000000")).contains("messageLength is 15"));
    assert!(error("01000000 cefa0bb0 20000000 4d4d5321 04000000 0000 0000 0000000000000000").contains("seal"));
    for chunks in ["00000000", "03000000", "ffffffff", "00000020"] {
        let wrong = message(&format!("{chunks} 1b000400 00000000 00000000"));
        assert!(wrong.contains("expected 1 to 2, what the header has left"), "{wrong}");
    }
    let no_frame = error(&format!("{} 02000000 1b000400 00000000 00000000 00000000 0900 0700", header("20000000")));
    assert_eq!(no_frame, "Data: byte 48: neither a message nor a Data packet, found 00 00 00 00 09 00 07 00");
}

#[test]
fn counts_larger_than_the_message_are_errors() {
    let wrong = |mid, body: &str| ViewerToMac::decode(mid, &hex(body)).unwrap_err().to_string();
    assert!(wrong(mid::LINK_VIEWER_TO_MAC_STREAM_SWITCH, "ffffffff ffff01000000").contains("aStreamEntries"));
    assert!(wrong(mid::LINK_VIEWER_TO_MAC_SECURITY_RESPONSE, "01000000 00000000 ffffffff 00").contains("pToken"));
    let body = "01000000 00000000 08000000 ffffffff 6100 0000 0000";
    assert!(wrong(mid::LINK_VIEWER_TO_MAC_OPEN_FILE, body).contains("a token of 4294967295 bytes at 8"));
}

proptest! {
    #[test]
    fn any_body_of_any_message_is_read_or_refused(kind in 0u32..0x34, body: Vec<u8>) {
        if let Ok(message) = ViewerToMac::decode(0x0003_0000 | kind, &body) {
            let again = message.encode();
            // Compared as bytes, since NaN is no NaN.
            prop_assert_eq!(ViewerToMac::decode(message.mid(), &again[8..]).unwrap().encode(), again);
        }
        if let Ok(message) = MacToViewer::decode(0x0004_0000 | kind, &body) {
            let again = message.encode();
            prop_assert_eq!(MacToViewer::decode(message.mid(), &again[8..]).unwrap().mid(), message.mid());
        }
        let _ = Token::decode(&body).realm();
    }

    #[test]
    fn what_is_encoded_comes_back(name in "[^\0]{0,40}", token: Vec<u8>, incarnation: u32, ids: Vec<(u16, u16, u16)>) {
        let open = ViewerToMac::OpenFile(OpenFile { incarnation, file_name: name.clone(), token: token.clone().into() });
        prop_assert_eq!(ViewerToMac::decode(open.mid(), &open.encode()[8..]), Ok(open));
        let entries = ids.iter().map(|(source, destination, thinning)| {
            StreamSwitchEntry { source: *source, destination: *destination, thinning: *thinning }
        });
        let switch = ViewerToMac::StreamSwitch(entries.collect());
        prop_assert_eq!(ViewerToMac::decode(switch.mid(), &switch.encode()[8..]), Ok(switch));
        let location = name.clone();
        let redirect = MacToViewer::ReportRedirect(ReportRedirect { hr: OK, redirect_type: 1, location });
        prop_assert_eq!(MacToViewer::decode(redirect.mid(), &redirect.encode()[8..]), Ok(redirect));
        let challenge = MacToViewer::SecurityChallenge { incarnation, cookie: 3, token: token.into() };
        prop_assert_eq!(MacToViewer::decode(challenge.mid(), &challenge.encode()[8..]), Ok(challenge));
        let connected = MacToViewer::ReportConnectedEX(ReportConnectedEX {
            server_version: Some(name.clone()), authen_package: Some(name), ..Default::default()
        });
        prop_assert_eq!(MacToViewer::decode(connected.mid(), &connected.encode()[8..]), Ok(connected));
    }
}
