//! Formats by FFmpeg's names, and the extensions they are guessed from.

/// Name, and extensions of a stream's name that mean it.
pub(super) const KNOWN: &[(&str, &[&str])] = &[
    ("mpjpeg", &["mpjpeg"]),
    ("mjpeg", &["mjpg", "mjpeg"]),
    ("jpeg", &["jpg", "jpeg"]),
    ("singlejpeg", &[]),
    ("status", &[]),
    ("asf", &["asf", "wmv", "wma"]),
    ("asf_stream", &[]),
    ("avi", &["avi"]),
    ("flv", &["flv"]),
    ("swf", &["swf"]),
    ("gif", &["gif"]),
    ("apng", &["apng"]),
    ("matroska", &["mkv", "mka"]),
    ("webm", &["webm"]),
    ("ogg", &["ogg"]),
    ("oga", &["oga"]),
    ("ogv", &["ogv"]),
    ("opus", &["opus"]),
    ("spx", &["spx"]),
    ("mpegts", &["ts", "m2t", "m2ts", "mts"]),
    ("mpeg", &["mpg", "mpeg"]),
    ("vob", &["vob"]),
    ("vcd", &[]),
    ("svcd", &[]),
    ("dvd", &[]),
    ("mpeg1video", &["m1v"]),
    ("mpeg2video", &["m2v"]),
    ("m4v", &["m4v"]),
    ("h261", &["h261"]),
    ("h263", &["h263"]),
    ("h264", &["h264", "264"]),
    ("hevc", &["hevc", "h265", "265"]),
    ("mp4", &["mp4"]),
    ("mov", &["mov"]),
    ("f4v", &["f4v"]),
    ("ismv", &["ismv"]),
    ("ipod", &["m4a"]),
    ("3gp", &["3gp"]),
    ("3g2", &["3g2"]),
    ("psp", &[]),
    ("nut", &["nut"]),
    ("dv", &["dv"]),
    ("gxf", &["gxf"]),
    ("mxf", &["mxf"]),
    ("ivf", &["ivf"]),
    ("wtv", &["wtv"]),
    ("rm", &["rm"]),
    ("rtp", &[]),
    ("rtp_mpegts", &[]),
    ("rtsp", &[]),
    ("sap", &[]),
    ("hls", &["m3u8"]),
    ("dash", &["mpd"]),
    ("mp2", &["mp2"]),
    ("mp3", &["mp3"]),
    ("adts", &["aac", "adts"]),
    ("latm", &["latm"]),
    ("ac3", &["ac3"]),
    ("eac3", &["eac3"]),
    ("dts", &["dts"]),
    ("amr", &["amr"]),
    ("gsm", &["gsm"]),
    ("flac", &["flac"]),
    ("tta", &["tta"]),
    ("wav", &["wav"]),
    ("w64", &["w64"]),
    ("aiff", &["aif", "aiff"]),
    ("au", &["au"]),
    ("caf", &["caf"]),
    ("voc", &["voc"]),
    ("mulaw", &["ul"]),
    ("alaw", &["al"]),
    ("s16le", &[]),
    ("s16be", &["sw"]),
    ("u8", &["ub"]),
    ("yuv4mpegpipe", &["y4m"]),
    ("rawvideo", &["yuv", "rgb"]),
    ("image2pipe", &[]),
    ("ffm", &["ffm"]),
];

/// Names that the manual and the sample file have and ffserver did not know.
const NEVER: &[(&str, &str)] = &[("mpegvideo", "mpeg1video"), ("ra", "rm"), ("real", "rm"), ("mpg", "mpeg")];

/// What is wrong with a format's name, if something is.
pub(crate) fn wrong(name: &str) -> Option<String> {
    if KNOWN.iter().any(|(known, _)| *known == name) {
        return None;
    }
    let names = KNOWN.iter().map(|(known, _)| *known);
    let meant = NEVER.iter().find(|(never, _)| *never == name).map(|(_, meant)| *meant);
    let meant = meant.or_else(|| crate::suggest::nearest(name, names));
    let meant = meant.map_or_else(
        || "formats are called as FFmpeg calls them, such as mpjpeg, asf or mpegts".into(),
        |meant| format!("did you mean {meant}?"),
    );
    Some(format!("unknown format {}; {meant}", name.chars().take(40).collect::<String>()))
}

/// The format that the name of a stream means.
pub(crate) fn guess(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    KNOWN.iter().find(|(_, extensions)| extensions.contains(&extension.as_str())).map(|(name, _)| *name)
}
