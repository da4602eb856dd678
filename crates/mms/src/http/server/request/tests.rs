use super::*;

fn read(method: &str, head: &str) -> Request {
    let lines = head.lines().filter_map(|line| line.trim().split_once(": "));
    Request::of(method, lines.map(|(name, value)| (name, value.as_bytes())))
}

fn order(head: &str) -> Order {
    match read("GET", head).kind {
        Kind::Play(order) => order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_describe_is_told_from_a_play() {
    let describe = "User-Agent: NSPlayer/9.0.0.2980
        Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=0:0,packet-num=4294967295,max-duration=0
        Pragma: xClientGUID={3300AD50-2C39-46c0-AE0A-0AF1C0CCF1E1}";
    let request = read("GET", describe);
    assert_eq!(request.kind, Kind::Describe);
    assert_eq!(request.agent, Agent { product: Product::Player, major: 9, minor: 0 });
    assert_eq!(request.guid.as_deref(), Some("3300AD50-2C39-46c0-AE0A-0AF1C0CCF1E1"));
    assert_eq!(read("GET", "Pragma: xPlayStrm=0").kind, Kind::Describe);
    assert_eq!(read("GET", "Pragma: xPlayStrm=1").kind, Kind::Play(Order::default()));
}

#[test]
fn a_play_in_the_form_of_the_specification() {
    let play = "User-Agent: NSPlayer/12.0.7724.0
        Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=4294967295:4294967295,packet-num=4294967295
        Pragma: xPlayStrm=1
        Pragma: client-id=2338761264
        Pragma: LinkBW=2147483647, AccelBW=1048576, AccelDuration=18000
        Pragma: stream-switch-count=2
        Pragma: stream-switch-entry=ffff:1:0 ffff:2:2 ffff:a:1";
    assert_eq!(read("GET", play).client_id, Some(2_338_761_264));
    let order = order(play);
    let pace = Pace {
        accelerate_bandwidth: 1_048_576,
        accelerate_duration: Duration::from_secs(18),
        link_bandwidth: 2_147_483_647,
    };
    assert_eq!(order.pace, Some(pace));
    assert_eq!(order.start(5000, 1000), Start::Begin);
    let streams = order.streams.unwrap().of(&[1, 2, 3, 10]);
    let expected = [(1, Thinning::All), (2, Thinning::Nothing), (3, Thinning::Nothing), (10, Thinning::Keyframes)];
    assert_eq!(streams, expected);
}

#[test]
fn where_to_begin_is_a_time_or_a_packet_or_an_offset_in_this_order() {
    let start = |tokens: &str| order(&format!("Pragma: xPlayStrm=1,{tokens}")).start(5000, 1000);
    let none = "stream-time=4294967295,packet-num=4294967295,stream-offset=4294967295:4294967295";
    assert_eq!(start(none), Start::Begin);
    assert_eq!(start("stream-time=1500,packet-num=7"), Start::Time(Duration::from_millis(1500)));
    assert_eq!(start("stream-time=0,packet-num=7,stream-offset=0:9000"), Start::Packet(7));
    assert_eq!(start("stream-time=0,packet-num=4294967295,stream-offset=0:9000"), Start::Packet(4));
    assert_eq!(start("stream-offset=1:0"), Start::Packet(4_294_962));
    assert_eq!(start("stream-offset=0:0"), Start::Begin);
    assert_eq!(order("Pragma: xPlayStrm=1,stream-offset=0:9000").start(5000, 0), Start::Begin);
    // FFmpeg forgets a line end.
    assert_eq!(start("packet-num=4294967295,max-duration=0,stream-time=0Connection: Close"), Start::Begin);
}

#[test]
fn streams_are_hexadecimal_unless_that_makes_no_sense() {
    let read = |entries: &str, streams: &[u8]| {
        let all = order(&format!("Pragma: xPlayStrm=1\nPragma: stream-switch-entry={entries}")).streams.unwrap();
        let on = all.of(streams).into_iter().filter(|(_, thinning)| *thinning == Thinning::All);
        on.map(|(stream, _)| stream).collect::<Vec<_>>()
    };
    assert_eq!(read("ffff:1:0 ffff:a:0", &[1, 10]), [1, 10]);
    assert_eq!(read("ffff:9:0 ffff:10:0", &[9, 10]), [9, 10]);
    assert_eq!(read("ffff:9:0 ffff:10:0", &[9, 16]), [9, 16]);
    assert_eq!(read("ffff:1:0 ffff:2:0 ffff:63:0", &[1, 2]), [1, 2]);
    assert_eq!(read("FFFF:1:0 1:ffff:0", &[1]), [0; 0]);
    assert_eq!(read("1:2:0", &[1, 2]), [2]);
    assert_eq!(read("ffff:1 : ::: ffff:12345:0 ffff:-1:0 ffff::0", &[1]), [0; 0]);
    let many = "ffff:1:0 ".repeat(100_000);
    assert_eq!(read(&many, &[1]), [1]);
}

#[test]
fn what_else_clients_ask_for() {
    for (method, head, kind) in [
        ("OPTIONS", "Pragma: client-id=1", Kind::Options),
        ("POST", "Pragma: xKeepAliveInPause=1", Kind::KeepAlive),
        ("POST", "Pragma: xStopStrm=1", Kind::Stop),
        ("POST", "Content-Type: application/x-wms-LogStats;charset=UTF-8", Kind::Log),
        ("POST", "Content-Type: application/x-wms-pushsetup", Kind::Push),
        ("POST", "Content-Type: application/x-wms-pushstart", Kind::Push),
        ("GET", "Pragma: pipeline-request=1", Kind::Other),
        ("GET", "Pragma: xPlayNextEntry=1", Kind::Other),
        ("PUT", "Pragma: xPlayStrm=1", Kind::Other),
    ] {
        assert_eq!(read(method, head).kind, kind, "{method} {head}");
    }
    let select = read("GET", "Pragma: client-id=1\nPragma: stream-switch-entry=ffff:1:2");
    assert!(matches!(select.kind, Kind::SelectStream(_)), "{select:?}");
}

#[test]
fn agents_are_known_by_name() {
    let agent = |value: &str| read("GET", &format!("user-agent: {value}")).agent;
    assert_eq!(agent("NSServer/4.1.0.3917"), Agent { product: Product::Server, major: 4, minor: 1 });
    assert_eq!(agent("NSPlayer/4.1.0.3856; {guid}"), Agent { product: Product::Player, major: 4, minor: 1 });
    assert_eq!(agent("WMCacheProxy/9.1"), Agent { product: Product::Cache, major: 9, minor: 1 });
    assert!(!agent("Mozilla/5.0").speaks() && !agent("").speaks() && !agent("NSPl\u{e4}yer").speaks());
    assert!(agent("nsplayer").speaks());
}
