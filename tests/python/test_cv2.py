"""The face of cv2, beside OpenCV itself."""

import pickle
import threading

import cv2
import numpy as np
import pytest
from conftest import FRAMES, KINDS, answer, mjpeg

import headwater

CLIPS = [*KINDS, "turned.mp4"]
#: Those whose values are OpenCV's to the letter.
SAME = {
    name: getattr(cv2, "CAP_PROP_" + name)
    for name in (
        "POS_FRAMES FRAME_WIDTH FRAME_HEIGHT FPS FRAME_COUNT FOURCC SAR_NUM SAR_DEN CONVERT_RGB FORMAT "
        "ORIENTATION_META ORIENTATION_AUTO CODEC_PIXEL_FORMAT BUFFERSIZE BRIGHTNESS HW_ACCELERATION HW_DEVICE BACKEND "
        "FRAME_TYPE CODEC_EXTRADATA_INDEX N_THREADS"
    ).split()
}


def both(path):
    theirs, ours = cv2.VideoCapture(path, cv2.CAP_FFMPEG), headwater.VideoCapture(path)
    assert theirs.isOpened() and ours.isOpened(), ours.error
    return theirs, ours


def difference(theirs, ours):
    assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
    return int(np.abs(theirs.astype(int) - ours).max())


@pytest.mark.parametrize("clip", CLIPS)
def test_every_pixel_of_every_frame_is_that_of_opencv(clips, clip):
    theirs, ours = both(clips(clip))
    frames = 0
    while True:
        (there, a), (here, b) = theirs.read(), ours.read()
        assert there == here, ours.error
        if not there:
            break
        assert difference(a, b) == 0, frames
        assert b.flags.writeable and b.flags.c_contiguous
        for place in (cv2.CAP_PROP_POS_FRAMES, cv2.CAP_PROP_POS_MSEC):
            assert ours.get(place) == pytest.approx(theirs.get(place)), frames
        frames += 1
    assert b is None and frames == FRAMES


@pytest.mark.parametrize("clip", CLIPS)
def test_properties_have_the_values_of_opencv(clips, clip):
    theirs, ours = both(clips(clip))
    for _ in range(3):
        values = {name: (theirs.get(number), ours.get(number)) for name, number in SAME.items()}
        assert {name: pair for name, pair in values.items() if pair[0] != pytest.approx(pair[1])} == {}
        assert theirs.read()[0] and ours.read()[0]


@pytest.mark.parametrize("clip", [clip for clip in CLIPS if not clip.endswith(".ts")])
def test_seeking_by_number_and_time_lands_where_opencv_lands(clips, clip):
    theirs, ours = both(clips(clip))
    seeks = [(cv2.CAP_PROP_POS_FRAMES, to) for to in (10, 49, 33, 0, 12)]
    for place, to in [*seeks, (cv2.CAP_PROP_POS_MSEC, 1000), (cv2.CAP_PROP_POS_MSEC, 40)]:
        assert theirs.set(place, to) and ours.set(place, to), ours.error
        (there, a), (here, b) = theirs.read(), ours.read()
        assert there and here, ours.error
        assert difference(a, b) == 0, (place, to)
        assert ours.get(cv2.CAP_PROP_POS_FRAMES) == theirs.get(cv2.CAP_PROP_POS_FRAMES)


def test_seeking_is_exact_where_opencv_is_not(clips):
    capture = headwater.VideoCapture(clips("h264.ts"))
    frames = [frame.copy() for frame in capture]
    for number in (10, 0, 49, 25):
        assert capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        assert np.array_equal(capture.read()[1], frames[number])


def test_what_is_not_there_is_false_and_never_raises(server):
    nowhere = ["/no/such/file.mp4", "http://127.0.0.1:1/x", "nope://x"]
    for capture in (headwater.VideoCapture(), *map(headwater.VideoCapture, nowhere)):
        assert not capture.isOpened()
        assert capture.read() == (False, None) and capture.retrieve() == (False, None)
        assert not capture.grab() and capture.get(3) == 0.0 and not capture.set(3, 640)
        capture.release()
    refused = headwater.VideoCapture(server.url("/a", answer(404, "text/plain")))
    assert isinstance(refused.error, FileNotFoundError)


def test_release_ends_an_open_of_another_thread(server):
    asked = threading.Event()

    def page(handler):
        asked.set()
        handler.stall()

    capture = headwater.VideoCapture()
    opened = []
    thread = threading.Thread(target=lambda: opened.append(capture.open(server.url("/silent", page), timeout=60)))
    thread.start()
    assert asked.wait(30)
    capture.release()
    thread.join(30)
    assert opened == [False] and isinstance(capture.error, headwater.CaptureClosed) and not capture.isOpened()
    # And it can be opened after that.
    assert capture.open("pattern:?size=160x64") and capture.read()[0]


@pytest.mark.parametrize("clip", CLIPS)
def test_pixels_that_are_not_converted_are_those_of_opencv(clips, clip):
    theirs, ours = both(clips(clip))
    assert theirs.set(cv2.CAP_PROP_CONVERT_RGB, 0) and ours.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    for number in range(3):
        (there, a), (here, b) = theirs.read(), ours.read()
        assert there and here and difference(a, b) == 0, number
        assert theirs.get(cv2.CAP_PROP_CONVERT_RGB) == ours.get(cv2.CAP_PROP_CONVERT_RGB) == 0
    if not clip.endswith(".ts"):
        assert theirs.get(cv2.CAP_PROP_PTS) == ours.get(cv2.CAP_PROP_PTS) == 2
    # OpenCV cannot go back.
    assert ours.set(cv2.CAP_PROP_CONVERT_RGB, 1) and ours.read()[1].ndim == 3


@pytest.mark.parametrize("clip", CLIPS)
def test_extradata_is_that_of_opencv(clips, clip):
    theirs, ours = both(clips(clip))
    assert theirs.read()[0] and ours.read()[0]
    (there, a), (here, b) = (capture.retrieve(None, 1) for capture in (theirs, ours))
    assert there == here and (a is None) == (b is None)
    if b is not None and bytes(b[0, :4]) == b"\0\0\0\1":
        # The same parameter sets, in another frame: Annex B.
        assert bytes(b[0, 4:24]) in a.tobytes()
    elif b is not None:
        assert difference(a.reshape(1, -1), b) == 0


def test_the_jpegs_of_a_recording_are_those_of_opencv(clips):
    theirs, ours = both(clips("mjpeg.avi"))
    assert theirs.set(cv2.CAP_PROP_FORMAT, -1) and ours.set(cv2.CAP_PROP_FORMAT, -1)
    assert theirs.get(cv2.CAP_PROP_FORMAT) == ours.get(cv2.CAP_PROP_FORMAT) == -1
    for _ in range(3):
        (there, a), (here, b) = theirs.read(), ours.read()
        assert there and here and difference(a, b) == 0
    # Other packets than JPEG are not to be had.
    assert not headwater.VideoCapture(clips("h264.mp4")).set(cv2.CAP_PROP_FORMAT, -1)


def test_size_and_rate_can_be_set_where_opencv_cannot(clips):
    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    assert capture.set(cv2.CAP_PROP_FRAME_WIDTH, 160) and capture.get(cv2.CAP_PROP_FRAME_HEIGHT) == 90
    assert capture.read()[1].shape == (90, 160, 3)
    assert capture.set(4, 100) and (capture.get(3), capture.get(4)) == (160, 100)
    assert capture.read()[1].shape == (100, 160, 3)
    assert not capture.set(3, -1) and not capture.set(4, 1e9) and not capture.set(5, -1)
    assert capture.set(cv2.CAP_PROP_POS_FRAMES, 0) and capture.set(cv2.CAP_PROP_FPS, 5)
    assert capture.get(cv2.CAP_PROP_FPS) == 5 and len(list(capture)) == FRAMES // 5
    assert capture.set(cv2.CAP_PROP_FPS, 0) and capture.get(cv2.CAP_PROP_FPS) == 25
    given = headwater.VideoCapture(clips("mpeg4.avi"), 0, [cv2.CAP_PROP_FRAME_WIDTH, 80, cv2.CAP_PROP_HW_ACCELERATION, 0])
    assert given.read()[1].shape == (45, 80, 3)


def test_strictly_it_is_as_opencv(clips, monkeypatch, server):
    import headwater.cv2compat

    monkeypatch.setattr(headwater.cv2compat, "strict", True)
    theirs, ours = both(clips("mpeg4.avi"))
    for number in (3, 4, 5, cv2.CAP_PROP_BUFFERSIZE, cv2.CAP_PROP_GAIN):
        assert theirs.set(number, 1) == ours.set(number, 1) == False  # noqa: E712
    pictures = [cv2.imencode(".jpg", np.full((16, 16, 3), 20 * n, np.uint8))[1].tobytes() for n in range(4)]
    capture = headwater.VideoCapture(server.url("/a", mjpeg(pictures, "stall")))
    assert [round(capture.read()[1].mean() / 20) for _ in range(4)] == [0, 1, 2, 3], "none is left out"


def test_exceptions_are_those_of_opencv_where_they_are_wanted(clips):
    raised = []
    for kind, path in ((cv2.VideoCapture, clips("mpeg4.avi")), (headwater.VideoCapture, clips("mpeg4.avi"))):
        capture, messages = kind(path), []
        capture.setExceptionMode(True)
        for call in (
            lambda: [capture.read() for _ in range(FRAMES + 1)],
            lambda: capture.set(9999, 1),
            lambda: capture.open("/no/such/file.mp4"),
        ):
            with pytest.raises(cv2.error) as error:
                call()
            messages.append(type(error.value))
        assert capture.get(9999) == 0
        raised.append(messages)
    assert [issubclass(kind, builtin) for kind, builtin in zip(raised[1], (EOFError, ValueError, FileNotFoundError))]


def test_controls_are_the_cameras_alone(clips, monkeypatch):
    from headwater import _v4l2

    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    assert not capture.set(cv2.CAP_PROP_BRIGHTNESS, 3) and capture.get(cv2.CAP_PROP_BRIGHTNESS) == 0
    values = {cv2.CAP_PROP_BRIGHTNESS: 7}
    monkeypatch.setattr(_v4l2, "path_of", lambda url: "/dev/video0")
    monkeypatch.setattr(_v4l2, "control", lambda path, number: values.get(number))
    monkeypatch.setattr(_v4l2, "set_control", lambda path, number, value: values.update({number: value}) is None)
    assert capture.get(cv2.CAP_PROP_BRIGHTNESS) == 7 and capture.set(cv2.CAP_PROP_BRIGHTNESS, 3)
    assert capture.get(cv2.CAP_PROP_BRIGHTNESS) == 3 and capture.get(cv2.CAP_PROP_GAIN) == 0


def test_unknown_properties_are_0_and_cannot_be_set(clips):
    theirs, ours = both(clips("mpeg4.avi"))
    for number in (999, cv2.CAP_PROP_BRIGHTNESS, cv2.CAP_PROP_GAIN, -1):
        assert ours.get(number) == theirs.get(number)
        assert ours.set(number, 1) == theirs.set(number, 1)


def test_grab_and_retrieve_are_read(clips):
    theirs, ours = both(clips("mpeg4.avi"))
    for _ in range(3):
        assert theirs.grab() and ours.grab()
    (_, a), (_, b), (_, c) = theirs.retrieve(), ours.retrieve(), ours.retrieve()
    assert difference(a, b) == 0 and difference(b, c) == 0
    b[:] = 0
    assert c.any(), "each array has memory of its own"


def test_an_array_may_be_given_for_the_pixels(clips):
    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    image = np.empty((180, 320, 3), np.uint8)
    there, same = capture.read(image)
    assert there and same is image and image.any()
    assert capture.set(cv2.CAP_PROP_FRAME_WIDTH, 160) and capture.read(image)[1] is not image


def test_parameters_of_open_are_taken(clips):
    params = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 3000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 2000]
    capture = headwater.VideoCapture(clips("mpeg4.avi"), cv2.CAP_FFMPEG, params)
    assert capture.get(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC) == 3000 and capture.get(cv2.CAP_PROP_READ_TIMEOUT_MSEC) == 2000
    assert capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, 500) and capture.get(cv2.CAP_PROP_READ_TIMEOUT_MSEC) == 500


def test_opencvs_variable_is_read(clips, monkeypatch, caplog):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|stimeout;2500000|fflags;nobuffer")
    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    assert capture.isOpened() and capture.get(cv2.CAP_PROP_READ_TIMEOUT_MSEC) == 2500
    assert "fflags has no effect" in caplog.text


def test_user_agent_and_headers_of_opencvs_variable_reach_the_server(server, monkeypatch):
    seen = []

    def page(handler):
        seen.append({name: handler.headers.get(name) for name in ("User-Agent", "X-One", "X-Two")})
        mjpeg([cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()], "stall")(handler)

    value = "user_agent;Gate 7|headers;X-One: a\r\nX-Two: b:c\r\n"
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", value)
    assert headwater.VideoCapture(server.url("/a", page)).isOpened()
    assert seen == [{"User-Agent": "Gate 7", "X-One": "a", "X-Two": "b:c"}]


def test_pictures_are_turned_as_long_as_that_is_wanted(clips):
    theirs, ours = both(clips("turned.mp4"))
    assert difference(theirs.read()[1], ours.read()[1]) == 0
    for wanted in (0, 1):
        assert theirs.set(cv2.CAP_PROP_ORIENTATION_AUTO, wanted) and ours.set(cv2.CAP_PROP_ORIENTATION_AUTO, wanted)
        assert ours.get(cv2.CAP_PROP_ORIENTATION_AUTO) == wanted
        a, b = theirs.read()[1], ours.read()[1]
        assert difference(a, b) == 0 and a.shape == ((320, 180, 3) if wanted else (180, 320, 3))


def test_a_camera_gives_the_pixels_that_imdecode_gives(server):
    noise = np.random.default_rng(1).integers(0, 255, (121, 163, 3), np.uint8)
    for sampling in (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444):
        picture = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])[1].tobytes()
        capture = headwater.VideoCapture(server.url("/a", mjpeg([picture] * 3, "stall")))
        there, frame = capture.read()
        expected = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert there and difference(expected, frame) == 0


def test_threads_that_read_one_capture_get_different_frames(clips):
    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    expected = [frame.tobytes() for frame in headwater.VideoCapture(clips("mpeg4.avi"))]
    seen = []
    readers = [threading.Thread(target=lambda: seen.extend(frame.tobytes() for frame in capture)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    assert sorted(seen) == sorted(expected)


def test_release_ends_a_read_of_another_thread(server):
    picture = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    capture = headwater.VideoCapture(server.url("/a", mjpeg([picture], "stall")), timeout=60)
    assert capture.read()[0]
    results = []
    reader = threading.Thread(target=lambda: results.append(capture.read()))
    reader.start()
    capture.release()
    reader.join(10)
    assert results == [(False, None)]


def test_back_end_exception_mode_and_wait_any(clips):
    capture = headwater.VideoCapture(clips("mpeg4.avi"))
    assert capture.getBackendName() == "HEADWATER" and not capture.getExceptionMode()
    assert headwater.VideoCapture.waitAny([headwater.VideoCapture(), capture]) == (True, [1])
    capture.setExceptionMode(True)
    with pytest.raises(FileNotFoundError):
        capture.open("/no/such/file.mp4")


def test_one_import_is_all_that_changes():
    import headwater.cv2compat as cv

    assert cv.VideoCapture is headwater.VideoCapture
    assert cv.cvtColor is cv2.cvtColor
    numbers = {name: getattr(cv2, name) for name in dir(cv2) if name.startswith("CAP_")}
    assert {name: getattr(cv, name) for name in numbers} == numbers


def test_a_program_that_is_not_changed_at_all(clips):
    import headwater.cv2compat

    own = cv2.VideoCapture
    headwater.cv2compat.install()
    try:
        assert cv2.VideoCapture(clips("mpeg4.avi")).getBackendName() == "HEADWATER"
    finally:
        headwater.cv2compat.uninstall()
    assert cv2.VideoCapture is own


def test_a_time_out_of_0_is_none_as_in_opencv(clips):
    reading = cv2.CAP_PROP_READ_TIMEOUT_MSEC
    both_of_0 = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 0, reading, 0]
    for face in (cv2, headwater):
        capture = face.VideoCapture(clips("h264.mp4"), cv2.CAP_FFMPEG, both_of_0)
        assert sum(capture.read()[0] for _ in range(FRAMES)) == FRAMES
    capture = headwater.VideoCapture(clips("h264.mp4"))
    assert capture.set(reading, 0) and capture.get(reading) == 0
    assert sum(capture.read()[0] for _ in range(FRAMES)) == FRAMES
    assert not capture.set(reading, -1) and not capture.set(reading, float("nan"))


def test_a_camera_may_be_given_as_index_and_as_a_number_of_numpy():
    for opened in (headwater.VideoCapture(index=77), headwater.VideoCapture(np.int64(77))):
        assert not opened.isOpened() and "/dev/video77" in str(opened.error)
    capture = headwater.VideoCapture()
    assert capture.open(index=77) is False and "/dev/video77" in str(capture.error)
    with pytest.raises(cv2.error):
        capture.open()


def test_exceptions_for_opencv_can_be_sent_to_other_processes():
    capture = headwater.VideoCapture()
    capture.setExceptionMode(True)
    with pytest.raises(cv2.error) as raised:
        capture.open("/nowhere/clip.mp4")
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is headwater.NotFound and (str(again), again.url) == (str(raised.value), raised.value.url)


def test_a_pipeline_of_gstreamer_is_refused_with_a_sentence_whatever_the_back_end():
    for back_end in (0, 1800):
        capture = headwater.VideoCapture("videotestsrc ! appsink", back_end)
        assert type(capture.error) is headwater.Unsupported and "a pipeline of GStreamer" in str(capture.error)
