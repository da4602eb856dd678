#!/usr/bin/python3
"""An RTSP camera for tests: numbered pictures in several codecs.

Needs, from apt: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav. Run with /usr/bin/python3, which sees them.

    rtsp_server.py [--fps 25] [--size 320x240] [--login USER:PASSWORD] [--udp-only] [--clock]

Prints "port N" when it serves, on 127.0.0.1, and ends with its standard input. Every
client gets an encoder of its own, and the numbers begin at 0:

    /h264 /h265 /jpeg /vp8            pictures alone
    /bframes                          H.264 with reordered pictures
    /refresh                          H.264 without keyframes after the first
    /sound                            H.264 and G.711
    /aac                              H.264 and AAC
    /alaw /g722 /g726 /opus /latm     H.264 and that
    /mp3 /mp2                         H.264 and MPEG audio, under its number and under its name
    /resize                           H.264 that becomes half as wide and high after 40 pictures

The number is drawn as samples/make_numbered.py and formats::osd do. With --clock it is
the wall clock in milliseconds, modulo 65536: the age of a picture can be read from it.
With --login the server wants Digest; --udp-only refuses TCP with 461.
"""
import argparse
import sys
import threading
import time

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError) as error:
    sys.exit(f"rtsp_server.py: {error}; apt install python3-gi gir1.2-gst-rtsp-server-1.0")

CELLS = 20
RESIZE_AT = 40
X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=1000"
PCMU = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0"
AAC = "audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! rtpmp4gpay name=pay1 pt=97"
TONE = "audiotestsrc is-live=true ! audio/x-raw,rate={},channels={} ! "
ALAW = TONE.format(8000, 1) + "alawenc ! rtppcmapay name=pay1 pt=8"
G722 = TONE.format(16000, 1) + "avenc_g722 ! rtpg722pay name=pay1 pt=9"
G726 = TONE.format(8000, 1) + "avenc_g726 bitrate=32000 ! rtpg726pay name=pay1 pt=97 force-aal2=false"
OPUS = TONE.format(48000, 2) + "opusenc ! rtpopuspay name=pay1 pt=97"
LATM = TONE.format(44100, 2) + "avenc_aac ! rtpmp4apay name=pay1 pt=97"
MP3 = TONE.format(44100, 2) + "lamemp3enc target=bitrate bitrate=128 cbr=true ! mpegaudioparse ! rtpmpapay name=pay1 pt=14"
MP2 = TONE.format(48000, 1) + "avenc_mp2 bitrate=64000 ! mpegaudioparse ! rtpmpapay name=pay1 pt=97"
H264_PAY = "rtph264pay name=pay0 pt=96 config-interval=0 aggregate-mode=zero-latency"
MOUNTS = {
    "/h264": f"{X264} ! {H264_PAY}",
    "/h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=1000 ! rtph265pay name=pay0 pt=96",
    "/jpeg": "jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26",
    "/vp8": "vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay name=pay0 pt=96",
    "/bframes": f"x264enc bframes=3 speed-preset=ultrafast key-int-max=25 bitrate=1000 ! video/x-h264,profile=main ! {H264_PAY}",
    "/refresh": f"{X264} intra-refresh=true ! {H264_PAY}",
    "/sound": f"{X264} ! {H264_PAY} {PCMU}",
    "/aac": f"{X264} ! {H264_PAY} {AAC}",
    "/alaw": f"{X264} ! {H264_PAY} {ALAW}",
    "/g722": f"{X264} ! {H264_PAY} {G722}",
    "/g726": f"{X264} ! {H264_PAY} {G726}",
    "/opus": f"{X264} ! {H264_PAY} {OPUS}",
    "/latm": f"{X264} ! {H264_PAY} {LATM}",
    "/mp3": f"{X264} ! {H264_PAY} {MP3}",
    "/mp2": f"{X264} ! {H264_PAY} {MP2}",
    "/resize": f"{X264} ! {H264_PAY}",
}
ELEMENTS = {
    "x264enc": "gstreamer1.0-plugins-ugly",
    "x265enc": "gstreamer1.0-plugins-bad",
    "voaacenc": "gstreamer1.0-plugins-bad",
    "rtph264pay": "gstreamer1.0-plugins-good",
    "vp8enc": "gstreamer1.0-plugins-good",
    "mulawenc": "gstreamer1.0-plugins-good",
    "opusenc": "gstreamer1.0-plugins-base",
    "avenc_aac": "gstreamer1.0-libav",
    "lamemp3enc": "gstreamer1.0-plugins-good",
}


def picture(number, width, height):
    """I420: grey, a ramp that moves, and the number across top and bottom."""
    bits = [number >> 15 - i & 1 for i in range(16)]
    parity = sum(bits) & 1
    bits = [1, 0] + bits + [parity, 1 - parity]
    cell, rows = width // CELLS, max(16, height // 10)
    rest = bytes([128]) * (width - cell * CELLS)
    top = b"".join(bytes([235 if bit else 16]) * cell for bit in bits) + rest
    bottom = b"".join(bytes([16 if bit else 235]) * cell for bit in bits) + rest
    ramp = bytes(40 + (x + 2 * number) % 160 for x in range(width))
    luma = top * rows + ramp * (height - 2 * rows) + bottom * rows
    return luma + bytes([128]) * (width // 2 * (height // 2) * 2)


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, path, options):
        super().__init__()
        self.path, self.options = path, options
        self.set_launch(f"( appsrc name=source is-live=true format=time max-buffers=4 ! {MOUNTS[path]} )")
        self.set_shared(False)
        self.set_latency(0)
        udp = GstRtsp.RTSPLowerTrans.UDP
        self.set_protocols(udp if options.udp_only else udp | GstRtsp.RTSPLowerTrans.TCP)
        self.connect("media-configure", self.configure)

    def configure(self, _factory, media):
        source = media.get_element().get_child_by_name("source")
        source.set_property("caps", self.caps(*self.options.size))
        over = threading.Event()
        media.connect("unprepared", lambda *_: over.set())
        threading.Thread(target=self.film, args=(source, over), daemon=True).start()

    def caps(self, width, height):
        return Gst.Caps.from_string(
            f"video/x-raw,format=I420,width={width},height={height},framerate={self.options.fps}/1")

    def film(self, source, over):
        """Pushes pictures in real time, from when the pipeline plays."""
        fps = self.options.fps
        width, height = self.options.size
        start, number = None, 0
        while not over.is_set():
            if source.get_state(0).state < Gst.State.PAUSED:
                time.sleep(0.005)
                continue
            start = start or time.monotonic()
            time.sleep(max(0, start + number / fps - time.monotonic()))
            if self.path == "/resize" and number == RESIZE_AT:
                width, height = width // 2, height // 2
                source.set_property("caps", self.caps(width, height))
            shown = int(time.time() * 1000) % 65536 if self.options.clock else number % 65536
            buffer = Gst.Buffer.new_wrapped(picture(shown, width, height))
            buffer.pts = buffer.dts = number * Gst.SECOND // fps
            buffer.duration = Gst.SECOND // fps
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            number += 1


def protect(server, factories, login):
    """Wants Digest of everyone."""
    user, password = login.split(":", 1)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=(320, 240))
    parser.add_argument("--login")
    parser.add_argument("--udp-only", action="store_true")
    parser.add_argument("--clock", action="store_true")
    options = parser.parse_args()
    Gst.init(None)
    missing = {package for element, package in ELEMENTS.items() if Gst.ElementFactory.find(element) is None}
    if missing:
        sys.exit(f"rtsp_server.py: apt install {' '.join(sorted(missing))}")
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factories = [Camera(path, options) for path in MOUNTS]
    for factory in factories:
        server.get_mount_points().add_factory(factory.path, factory)
    if options.login:
        protect(server, factories, options.login)
    if server.attach(None) == 0:
        sys.exit("rtsp_server.py: cannot listen on 127.0.0.1")
    print(f"port {server.get_bound_port()}", flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
