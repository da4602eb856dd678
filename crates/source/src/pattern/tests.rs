use super::*;

fn read(url: &str) -> Result<String, String> {
    let settings = Settings::of_url(url).map_err(|e| e.to_string())?;
    let Settings { size, millihertz, quality } = settings;
    Ok(format!("{size} {} q{quality}", f64::from(millihertz) / 1000.0))
}

#[test]
fn the_url_says_size_rate_and_quality() {
    for url in ["pattern:", "PATTERN:", "pattern://", "pattern:?"] {
        assert_eq!(read(url).unwrap(), "640x480 25 q80");
    }
    assert_eq!(read(EXAMPLE).unwrap(), "1280x720 30 q85");
    assert_eq!(read("pattern:?width=320&fps=29.97").unwrap(), "320x240 29.97 q80");
}

#[test]
fn a_url_that_cannot_be_meant_says_what_was_expected() {
    for (url, expected) in [
        ("pattern:?fps=abc", "pattern: fps=abc; expected pictures a second, from 0.001 to 240"),
        ("pattern:?sise=1x1", "pattern: unknown parameter \"sise\"; expected size, width, height, fps, quality"),
        (
            "pattern:?size=100x100",
            "pattern: size=100x100; expected at least 160x64, so that the number in the picture can be read",
        ),
        (
            "pattern:bars",
            "pattern: \"bars\" after the colon; expected nothing, or as in pattern:?size=1280x720&fps=30&quality=85",
        ),
    ] {
        assert_eq!(read(url).unwrap_err(), expected);
    }
}

#[test]
fn the_pace_does_not_drift() {
    let settings = Settings::of_url("pattern:?fps=29.97").unwrap();
    let day = settings.due(29_970 * 86_400 / 1000);
    assert!(day.abs_diff(Duration::from_secs(86_400)) < Duration::from_millis(40), "{day:?}");
    for slot in [0, 1, 2, 1000, 123_456_789] {
        assert_eq!(settings.slot(settings.due(slot) + Duration::from_nanos(1)), slot);
    }
}

#[tokio::test]
async fn the_pictures_come_in_time_and_in_order_and_tell_when_they_were_taken() {
    let options = crate::Options::default();
    let source = crate::Supervisor::new("test", "pattern:?size=320x240&fps=50", options).unwrap();
    let mut cursor = source.feed().cursor(feed::Start::Live);
    let mut decoder = jpeg::Decoder::new();
    let mut first = None;
    for number in 0..10 {
        let entry = cursor.next().await.unwrap();
        let packet = entry.packet;
        assert_eq!(entry.tracks.video().unwrap().video().unwrap().size, Size::new(320, 240));
        let frame = decoder.decode(&packet.data, None).unwrap();
        let luma = frame.plane(0).unwrap();
        let read = formats::osd::read_number(luma.data, luma.stride, luma.width, luma.height);
        assert_eq!(read, Some(number));
        let captured = packet.captured.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(captured.subsec_nanos() % 1_000_000, 0, "the clock in the picture shows milliseconds");
        let start = *first.get_or_insert(packet.pts);
        let slots = packet.pts.saturating_since(start).as_nanos() / 20_000_000;
        assert!(slots >= u128::from(number), "picture {number} in slot {slots}");
        assert_eq!(packet.duration, Some(Duration::from_millis(20)));
    }
}

#[tokio::test]
async fn a_bad_url_is_refused_before_anybody_reads() {
    let error = crate::Supervisor::new("test", "pattern:?fps=0", crate::Options::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "pattern: fps=0; expected pictures a second, from 0.001 to 240");
}
