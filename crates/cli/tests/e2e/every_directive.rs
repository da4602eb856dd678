//! Every directive of ffserver.conf has a test of what it does, or a reason why it does nothing.

use std::path::Path;

use config::ffserver::{DIRECTIVES, Place, Standing};

use crate::harness::tools::root;

/// Where what a directive does is to be seen.
enum Seen {
    /// In this test, which names it, by its module and its name.
    By(&'static str, &'static str),
    /// In this one, and the file of the test says it otherwise, such as in another file.
    Elsewhere(&'static str, &'static str),
    /// Nowhere, and why.
    Nowhere(&'static str),
}

use Place::{Feed, Global, Redirect, Stream};
use Seen::{By, Elsewhere, Nowhere};

const FOUND: &str = "each_directive_of_a_track_shows_in_what_ffprobe_finds";
const PACKETS: &str = "each_directive_of_an_encoder_shows_in_its_packets";

const SEEN: &[(Place, &str, Seen)] = &[
    (Global, "HTTPPort", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (Global, "Port", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (Global, "HTTPBindAddress", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (Global, "BindAddress", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (Global, "RTSPPort", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (Global, "RTSPBindAddress", By("served_directives", "ports_and_addresses_are_those_of_the_file")),
    (
        Global,
        "MaxHTTPConnections",
        By("ffserver_bounds", "one_viewer_too_many_is_told_in_ffservers_words_and_the_status_page_is_never_locked_out"),
    ),
    (
        Global,
        "MaxClients",
        By("ffserver_bounds", "one_viewer_too_many_is_told_in_ffservers_words_and_the_status_page_is_never_locked_out"),
    ),
    (Global, "MaxBandwidth", By("ffserver_bounds", "bandwidth_is_counted_as_it_is_sent")),
    (Global, "CustomLog", By("ffserver", "requests_are_logged_and_the_log_can_be_moved_away")),
    (Global, "CustomLogFormat", By("served_directives", "a_log_may_be_apaches")),
    (Global, "UseDefaults", By("served_directives", "an_old_feeder_is_told_defaults_where_the_file_wants_them")),
    (Global, "NoDefaults", By("served_directives", "an_old_feeder_is_told_defaults_where_the_file_wants_them")),
    (Global, "NoDaemon", Nowhere("it never leaves the foreground")),
    (Global, "LoadModule", Nowhere("an error since long")),
    (Feed, "File", By("past", "a_feed_of_ffserver_has_its_file_and_its_preroll")),
    (Feed, "ReadOnlyFile", By("served_directives", "a_file_that_is_only_read_is_a_feed_and_takes_no_feeder")),
    (Feed, "Truncate", By("directives", "truncate_empties_the_ring_when_a_feeder_comes_and_says_so")),
    (Feed, "FileMaxSize", By("served_directives", "a_ring_is_no_larger_than_the_file_says")),
    (Feed, "Launch", By("launch", "ffmpeg_is_run_and_feeds_and_is_gone_when_the_server_is")),
    (Feed, "ACL", By("golden", "each_request_of_the_account_is_answered_as_the_document_says")),
    (Feed, "Source", By("ffserver", "each_request_of_the_account_is_answered")),
    (Stream, "Feed", By("ffserver", "each_request_of_the_account_is_answered")),
    (Stream, "File", By("ffserver", "a_file_is_played_to_its_end_in_every_container")),
    (Stream, "ReadOnlyFile", By("served_directives", "a_file_that_is_only_read_is_a_feed_and_takes_no_feeder")),
    (Stream, "Format", By("muxers", "formats_without_a_row_of_their_own_are_what_ffmpegs_muxers_write")),
    (Stream, "InputFormat", By("directives", "input_format_says_what_a_file_is")),
    (Stream, "Preroll", By("past", "a_feed_of_ffserver_has_its_file_and_its_preroll")),
    (Stream, "StartSendOnKey", Elsewhere("containers", "a_reader_who_comes_later_joins_at_a_keyframe")),
    (Stream, "MaxTime", By("ffserver", "a_stream_is_what_its_section_says_and_ends_after_its_time")),
    (Stream, "ACL", By("ffserver", "each_request_of_the_account_is_answered")),
    (Stream, "DynamicACL", By("served_directives", "a_file_of_rules_decides_and_is_read_again")),
    (Stream, "Metadata", By("directives", "metadata_is_in_the_containers_the_description_and_on_the_page")),
    (Stream, "Title", By("served_directives", "old_words_for_what_is_said_of_a_stream_say_it_too")),
    (Stream, "Author", By("served_directives", "old_words_for_what_is_said_of_a_stream_say_it_too")),
    (Stream, "Copyright", By("directives", "metadata_is_in_the_containers_the_description_and_on_the_page")),
    (Stream, "Comment", By("directives", "metadata_is_in_the_containers_the_description_and_on_the_page")),
    (Stream, "FaviconURL", By("served_directives", "old_words_for_what_is_said_of_a_stream_say_it_too")),
    (Stream, "MulticastAddress", By("rtsp", "a_stream_of_a_configuration_goes_to_its_group")),
    (Stream, "MulticastPort", By("rtsp", "a_stream_of_a_configuration_goes_to_its_group")),
    (Stream, "MulticastTTL", By("rtsp", "a_stream_of_a_configuration_goes_to_its_group")),
    (Stream, "NoLoop", By("served_directives", "a_file_for_a_group_is_sent_once_where_it_is_not_to_be_repeated")),
    (Stream, "RTSPOption", Nowhere("ffserver read it and used it nowhere")),
    (Stream, "NoAudio", By("coding", "asf_has_what_a_section_says_of_codecs_and_wma_beside_wmv")),
    (Stream, "NoVideo", By("encoders", FOUND)),
    (Stream, "UseDefaults", By("served_directives", "an_old_feeder_is_told_defaults_where_the_file_wants_them")),
    (Stream, "NoDefaults", By("served_directives", "an_old_feeder_is_told_defaults_where_the_file_wants_them")),
    (Stream, "VideoCodec", By("encoders", FOUND)),
    (Stream, "VideoBitRate", By("encoders", PACKETS)),
    (Stream, "VideoBitRateRange", By("encoders", PACKETS)),
    (Stream, "VideoBitRateTolerance", By("encoders", PACKETS)),
    (Stream, "VideoBitRateRangeTolerance", By("encoders", PACKETS)),
    (Stream, "VideoBufferSize", By("encoders", PACKETS)),
    (Stream, "VideoFrameRate", By("encoders", FOUND)),
    (Stream, "VideoSize", By("encoders", FOUND)),
    (Stream, "VideoGopSize", By("encoders", PACKETS)),
    (Stream, "VideoIntraOnly", By("encoders", PACKETS)),
    (Stream, "VideoQMin", By("encoders", PACKETS)),
    (Stream, "VideoQMax", By("encoders", PACKETS)),
    (Stream, "VideoQDiff", By("encoders", PACKETS)),
    (Stream, "Qscale", By("encoders", PACKETS)),
    (Stream, "PixelFormat", By("encoders", FOUND)),
    (Stream, "VideoTag", By("encoders", FOUND)),
    (Stream, "VideoHighQuality", By("encoders", PACKETS)),
    (Stream, "Video4MotionVector", By("encoders", PACKETS)),
    (Stream, "LumiMask", By("encoders", PACKETS)),
    (Stream, "DarkMask", By("encoders", PACKETS)),
    (Stream, "DctFastint", By("encoders", PACKETS)),
    (Stream, "IdctSimple", Nowhere("FFmpeg's own choice on today's processors gives the same to the last bit")),
    (Stream, "BitExact", By("encoders", PACKETS)),
    (Stream, "Debug", Nowhere("FFmpeg says more in its log, and the packets are the same")),
    (Stream, "Strict", By("encoders", FOUND)),
    (Stream, "AVOptionVideo", By("encoders", PACKETS)),
    (Stream, "AVOptionAudio", By("encoders", PACKETS)),
    (
        Stream,
        "AVPresetVideo",
        By("directives", "presets_are_found_where_ffserver_looked_and_one_that_is_missing_is_one_clear_error"),
    ),
    (Stream, "AVPresetAudio", By("encoders", FOUND)),
    (Stream, "AudioCodec", By("encoders", FOUND)),
    (Stream, "AudioBitRate", By("encoders", PACKETS)),
    (Stream, "AudioChannels", By("encoders", FOUND)),
    (Stream, "AudioSampleRate", By("encoders", FOUND)),
    (Redirect, "URL", By("ffserver", "each_request_of_the_account_is_answered")),
];

#[test]
fn every_directive_has_a_test_of_what_is_served_or_a_reason_why_it_has_none() {
    let rows: Vec<_> = DIRECTIVES.iter().flat_map(|rows| rows.iter()).collect();
    for row in &rows {
        let known = SEEN.iter().filter(|(place, name, _)| *place == row.place && *name == row.name).count();
        assert_eq!(known, 1, "{} in {:?}: {known} lines here, and it wants one", row.name, row.place);
    }
    for (place, name, seen) in SEEN {
        let row = rows.iter().find(|row| row.place == *place && row.name == *name);
        let row = row.unwrap_or_else(|| panic!("there is no directive {name} in {place:?}"));
        match seen {
            By(module, test) => {
                let text = source(module, test);
                assert!(text.contains(name), "{module}.rs says nothing of {name}");
            }
            Elsewhere(module, test) => _ = source(module, test),
            Nowhere(why) => {
                let told = matches!(row.standing, Standing::NoEffect(_) | Standing::Gone(_));
                assert!(told || ["IdctSimple", "Debug"].contains(name), "{name} has an effect, and {why}?");
            }
        }
    }
}

/// The file of a test, which is there.
fn source(module: &str, test: &str) -> String {
    let path = Path::new(root()).join(format!("crates/cli/tests/e2e/{module}.rs"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!("#[test]\nfn {test}() {{")), "{}: there is no test {test}", path.display());
    text
}
