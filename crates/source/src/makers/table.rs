//! The makers and their URLs, each with the document that it stands in.

use super::Maker;

/// Every name, in the order of [`TABLE`].
pub(crate) const NAMES: &[&str] = &[
    "axis",
    "hikvision",
    "hilook",
    "dahua",
    "amcrest",
    "reolink",
    "vivotek",
    "panasonic",
    "ipro",
    "bosch",
    "sony",
    "hanwha",
    "wisenet",
    "mobotix",
    "uniview",
    "tapo",
    "vigi",
    "foscam",
    "ezviz",
    "unifi",
    "esp32cam",
    "ipwebcam",
    "headwater",
];

/// A row with nothing in it.
const PLAIN: Maker = Maker { names: &[], makes: "", main: "", sub: None, others: None, source: "", remark: "" };

/// All makers.
pub static TABLE: &[Maker] = &[
    Maker {
        names: &["axis"],
        makes: "Axis",
        main: "rtsp://{host}/axis-media/media.amp?videocodec=h264&camera={channel}",
        sub: Some("rtsp://{host}/axis-media/media.amp?videocodec=h264&resolution=640x480&camera={channel}"),
        source: "https://developer.axis.com/video-streaming-and-recording/video-streaming/getting-started/",
        ..PLAIN
    },
    Maker {
        names: &["hikvision", "hilook"],
        makes: "Hikvision, HiLook",
        main: "rtsp://{host}/Streaming/Channels/{channel}01",
        sub: Some("rtsp://{host}/Streaming/Channels/{channel}02"),
        source: "https://supportusa.hikvision.com/support/solutions/articles/17000129022-do-you-have-an-example-showing-the-format-for-getting-a-rtsp-stream-from-a-camera-",
        ..PLAIN
    },
    Maker {
        names: &["dahua"],
        makes: "Dahua",
        main: "rtsp://{host}/cam/realmonitor?channel={channel}&subtype=0",
        sub: Some("rtsp://{host}/cam/realmonitor?channel={channel}&subtype=1"),
        source: "https://dahuawiki.com/Remote_Access/RTSP_via_VLC",
        ..PLAIN
    },
    Maker {
        names: &["amcrest"],
        makes: "Amcrest",
        main: "rtsp://{host}/cam/realmonitor?channel={channel}&subtype=0",
        sub: Some("rtsp://{host}/cam/realmonitor?channel={channel}&subtype=1"),
        source: "https://support.amcrest.com/hc/en-us/articles/360059435271-Accessing-Amcrest-Products-Using-RTSP",
        ..PLAIN
    },
    Maker {
        names: &["reolink"],
        makes: "Reolink",
        main: "rtsp://{host}/Preview_{channel:02}_main",
        sub: Some("rtsp://{host}/Preview_{channel:02}_sub"),
        source: "https://support.reolink.com/hc/en-us/articles/900000630706-Introduction-to-RTSP/",
        remark: "Reolink: RTSP has to be switched on in the camera; older firmware calls the path h264Preview_01_main.",
        ..PLAIN
    },
    Maker {
        names: &["vivotek"],
        makes: "Vivotek",
        main: "rtsp://{host}/live.sdp",
        sub: Some("rtsp://{host}/live2.sdp"),
        source: "https://vivotek.zendesk.com/hc/en-001/articles/4952515434649--All-cameras-2-2002-x-x-and-later-version-How-to-get-RTSP-streaming-with-camera-firmware-version-2-2002-x-x-and-later-version",
        remark: "Vivotek: these are the usual access names, which can be changed; newer firmware has others, which onvif:// finds.",
        ..PLAIN
    },
    Maker {
        names: &["panasonic", "ipro"],
        makes: "Panasonic, i-PRO",
        main: "rtsp://{host}/Src/MediaInput/stream_1",
        sub: Some("rtsp://{host}/Src/MediaInput/stream_2"),
        source: "https://i-pro.com/products_and_solutions/en/media/documentation_file/command-interface-ipro_h265models_ver114pdf",
        remark: "Panasonic: models without H.265 call the path Src/MediaInput/h264/stream_1.",
        ..PLAIN
    },
    Maker {
        names: &["bosch"],
        makes: "Bosch",
        main: "rtsp://{host}/?line={channel}&inst=1",
        sub: Some("rtsp://{host}/?line={channel}&inst=2"),
        source: "https://knowledge.keenfinity-group.com/video-systems/article/how-is-rtsp-usage-supported-with-bosch-vip-devices",
        ..PLAIN
    },
    Maker {
        names: &["sony"],
        makes: "Sony",
        main: "rtsp://{host}/media/video1",
        sub: Some("rtsp://{host}/media/video2"),
        source: "https://documents.pub/document/rtsp-streaming-with-rtprtcp-2015-3-10-sony-remote-camera-version-102-informative.html",
        remark: "Sony: where /media/video1 is not known, the maker's guide for the sixth generation has rtsp://host/video1 (G6TG005, 2012).",
        ..PLAIN
    },
    Maker {
        names: &["hanwha", "wisenet"],
        makes: "Hanwha, Samsung Wisenet",
        main: "rtsp://{host}/profile2/media.smp",
        sub: Some("rtsp://{host}/profile3/media.smp"),
        others: Some((
            "rtsp://{host}/{channel-1}/profile2/media.smp",
            Some("rtsp://{host}/{channel-1}/profile3/media.smp"),
        )),
        source: "https://support.hanwhavision.eu/hc/en-gb/articles/4414178841746-RTSP-URL-s",
        remark: "Hanwha: profiles 2 and 3 are those that cameras come with; channel is the sensor of a camera with several.",
    },
    Maker {
        names: &["mobotix"],
        makes: "Mobotix",
        main: "http://{host}/control/faststream.jpg?stream=full&fps=0",
        source: "https://developer.mobotix.com/docs/params.html",
        remark: "Mobotix: MJPEG, since MxPEG is nobody else's codec.",
        ..PLAIN
    },
    Maker {
        names: &["uniview"],
        makes: "Uniview",
        main: "rtsp://{host}/media/video1",
        sub: Some("rtsp://{host}/media/video2"),
        others: Some(("rtsp://{host}/unicast/c{channel}/s0/live", Some("rtsp://{host}/unicast/c{channel}/s1/live"))),
        source: "https://www.uniview.com/res/202310/26/20231026_1890310_How%20to%20Get%20a%20Uniview%20Camera%27s%20RTSP%20Stream_974039_168459_0.pdf",
        remark: "Uniview: other channels than the first are those of its recorders (https://blog.csdn.net/hzhouhangkeji/article/details/133701174).",
    },
    Maker {
        names: &["tapo"],
        makes: "TP-Link Tapo",
        main: "rtsp://{host}/stream1",
        sub: Some("rtsp://{host}/stream2"),
        source: "https://www.tp-link.com/us/support/faq/2680/",
        remark: "Tapo: user and password are those of the camera account in the app's advanced settings, not the cloud's.",
        ..PLAIN
    },
    Maker {
        names: &["vigi"],
        makes: "TP-Link VIGI",
        main: "rtsp://{host}/stream1",
        sub: Some("rtsp://{host}/stream2"),
        source: "https://www.tp-link.com/id/support/faq/3718/",
        ..PLAIN
    },
    Maker {
        names: &["foscam"],
        makes: "Foscam",
        main: "rtsp://{host}:88/videoMain",
        sub: Some("rtsp://{host}:88/videoSub"),
        source: "https://www.foscam.com/faqs/view.html?id=81",
        remark: "Foscam: newer models listen on port 554: foscam://user:password@host:554.",
        ..PLAIN
    },
    Maker {
        names: &["ezviz"],
        makes: "EZVIZ",
        main: "rtsp://{host}/ch{channel}/main",
        sub: Some("rtsp://{host}/ch{channel}/sub"),
        source: "https://m-support.ezviz.com/faq/article/How-to-set-up-C6N-TY1-TY2-as-a-webcam",
        remark: "EZVIZ: the user is admin, the password the verification code on the label; the name of the smaller stream is that of its sister Hikvision and not in the document.",
        ..PLAIN
    },
    Maker {
        names: &["unifi"],
        makes: "Ubiquiti UniFi Protect",
        main: "rtsp://{host}:7447/{path}",
        source: "https://github.com/AlexxIT/go2rtc/issues/2071",
        remark: "UniFi: write the token of the stream behind the recorder's address, unifi://10.0.0.2/AbC123; Protect shows it in the camera's settings, where RTSPS has to be switched on.",
        ..PLAIN
    },
    Maker {
        names: &["esp32cam"],
        makes: "ESP32-CAM with Espressif's CameraWebServer",
        main: "http://{host}:81/stream",
        source: "https://github.com/Linkenelis/ESP32-cam-Octoprint",
        remark: "ESP32-CAM: it serves one viewer at a time, so let everybody read from Headwater.",
        ..PLAIN
    },
    Maker {
        names: &["ipwebcam"],
        makes: "IP Webcam (an app for Android)",
        main: "http://{host}:8080/video",
        source: "https://gist.github.com/Jaid/9f71c444b11e9569698b3726841f0cd5",
        remark: "IP Webcam: it can do H.264 as well, as rtsp://host:8080/h264_ulaw.sdp.",
        ..PLAIN
    },
    Maker {
        names: &["headwater"],
        makes: "another Headwater",
        main: "http://{host}:8090/{path}.mkv",
        source: "API.md#containers",
        remark: "The name of a source of a relay stands behind the host, as headwater://host/front; H.264, H.265, MPEG-4 and JPEG come as the camera sent them.",
        ..PLAIN
    },
];
