"""What OpenCV calls codecs and pixel formats, beside FFmpeg's names."""

#: As FFmpeg's name, the FourCC that `CAP_PROP_CODEC_PIXEL_FORMAT` tells: libavcodec's "raw" table.
PIXEL_FORMATS = {
    "yuv420p": "I420",
    "yuvj420p": "I420",
    "yuv422p": "Y42B",
    "yuvj422p": "Y42B",
    "yuv444p": "444P",
    "yuvj444p": "444P",
    "gray": "Y800",
    "nv12": "NV12",
    "yuyv422": "YUY2",
}

#: What OpenCV calls codecs whose name in FFmpeg has not four letters.
CODECS = {
    "mjpeg": "MJPG",
    "mpeg1video": "mpg1",
    "mpeg2video": "mpg2",
    "mpeg4": "FMP4",
    "msmpeg4v2": "MP42",
    "msmpeg4v3": "MP43",
    "theora": "theo",
    "vp8": "VP80",
    "vp9": "VP90",
}


#: Codecs whose decoder works on several threads.
THREADED = {"h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "vp8", "vp9", "av1", "ffv1", "theora", "dvvideo"}
