"""The capture side: pictures as arrays in Python, beside the libraries that people use for it.

In turn and in fresh processes: this module, OpenCV, PyAV, and torchcodec where it is installed;
and what FFmpeg's own tool takes to decode and throw away, and to convert to BGR before that.
BENCH_PYTHON names an interpreter that has what is to be compared; without it a virtual environment
below target/bench is filled, with torchcodec and PyTorch if BENCH_TORCH is set.
"""

import subprocess
import tempfile

from lib import *

PEERS = ["opencv", "pyav", "torchcodec"]
NEEDED = "numpy==2.2.6 opencv-python-headless==5.0.0.93 av==18.1.0"
if os.environ.get("BENCH_TORCH"):
    NEEDED += " torch torchcodec"
LAG_SECONDS = float(os.environ.get("BENCH_LAG_SECONDS", "40"))
WMV3 = Path(os.environ.get("BENCH_WMV3", ROOT.parent / "shared" / "samples" / "tika-testWMV.wmv"))
READER = ROOT / "bench" / "capture_reader.py"
FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
SMALL, LARGE = ("640", "480"), ("1920", "1080")

# Name, file, size, FFmpeg's encoder, and how often 250 frames are repeated without coding them again.
CLIPS = [
    ("WMV2 480p", "capture-wmv2.wmv", SMALL, ["-c:v", "wmv2", "-b:v", "1200k", "-g", "125"], 8),
    ("MPEG-4 480p", "capture-mpeg4.avi", SMALL, ["-c:v", "mpeg4", "-b:v", "1500k", "-g", "125", "-vtag", "XVID"], 8),
    ("H.264 1080p", "capture-h264.mp4", LARGE, ["-c:v", "libx264", "-b:v", "6M", "-maxrate", "8M", "-bufsize", "12M", "-g", "50"], 1),
    ("H.265 1080p", "capture-h265.mp4", LARGE, ["-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=error:keyint=50", "-b:v", "4M"], 1),
    ("MJPEG 1080p", "capture-mjpeg.avi", LARGE, ["-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p"], 1),
]


# Clips.


def made(name, *command):
    path, making = clip(name), WORK / "clips" / f"making.{name}"
    if not path.exists():
        print(f"  making {name}", flush=True)
        subprocess.run([*FFMPEG, *command, making], check=True)
        making.rename(path)
    return path


def scene(width, height):
    """That of clips.sh: costly to code as a camera's pictures are."""
    return (
        f"mandelbrot=s={width}x{height}:r=25:maxiter=200:end_pts=900:start_scale=1.2:end_scale=0.02[back];"
        f"testsrc2=s={int(width) // 3}x{int(height) // 3}:r=25[chart];"
        "[back][chart]overlay=x='(W-w)*(0.5+0.5*sin(t*0.7))':y='(H-h)*(0.5+0.5*cos(t*0.5))',noise=alls=9:allf=t+u,format=yuv420p"
    )


def clips():
    """Those of CLIPS, and WMV3 where there is one: nobody free encodes it."""
    found = []
    for name, file, size, encoder, times in CLIPS:
        once = made(f"once-{file}", "-f", "lavfi", "-i", scene(*size), "-frames:v", "250", "-an", *encoder)
        found.append((name, made(file, "-stream_loop", str(times - 1), "-i", once, "-c", "copy") if times > 1 else once))
    if WMV3.exists():
        path = made("capture-wmv3.wmv", "-stream_loop", "19", "-i", WMV3, "-map", "0:v:0", "-c", "copy")
        found.insert(1, ("WMV3 480p", path))
    else:
        print(f"  skipped: WMV3, since there is no {WMV3} (BENCH_WMV3)")
    return found


def numbered(name, *encoder):
    return made(name, "-i", clip("numbered.h264"), "-vf", "scale=640:480", *encoder)


# Libraries.


def interpreter():
    if "BENCH_PYTHON" in os.environ:
        return os.environ["BENCH_PYTHON"]
    python = WORK / "venv" / "bin" / "python"
    stamp = WORK / "venv" / "headwater-packages"
    if not stamp.exists() or stamp.read_text() != NEEDED:
        subprocess.run([sys.executable, "-m", "venv", "--clear", WORK / "venv"], check=True)
        for package in NEEDED.split():
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
        stamp.write_text(NEEDED)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    wheels = sorted((target / "wheel").glob("*.whl"))
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run([python, "-m", "pip", *install, wheels[-1] if wheels else ROOT], check=True, env=environment)
    return str(python)


def present(python):
    code = "import {0} as m; print(m.__version__, getattr(m, '__ffmpeg__', ''))"
    found = []
    for library, module in [("headwater", "headwater"), ("opencv", "cv2"), ("pyav", "av"), ("torchcodec", "torchcodec")]:
        done = subprocess.run([python, "-P", "-c", code.format(module)], capture_output=True, text=True)
        if done.returncode:
            print(f"  skipped: {library}: {done.stderr.strip().splitlines()[-1]}")
            if library == "torchcodec":
                print("    it wants PyTorch, which PyPI has for Linux with 5 GB of CUDA: BENCH_TORCH=1 installs it")
        else:
            found.append(library)
            print(f"  {library} {done.stdout.strip()}")
    if "headwater" not in found:
        raise SystemExit("capture: the module is not there")
    return found


class Reader:
    def __init__(self, python):
        self.python, self.libraries = python, present(python)

    def __call__(self, library, *job, cores=0, timeout=300):
        command = [self.python, "-P", str(READER), library, *map(str, job)]
        environment = {**os.environ, "BENCH_CORES": str(cores)}
        with open(WORK / "stderr.log", "a") as log:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, timeout=timeout)
        if not done.stdout:
            if library == "headwater":
                fail(f"{library} {' '.join(map(str, job))} printed nothing")
            return None
        return json.loads(done.stdout)

    def rounds(self, *job, libraries=None, **more):
        """Each library's answers to a job, the order turned each round."""
        libraries = libraries or self.libraries
        told = {library: [] for library in libraries}
        for number in range(ROUNDS):
            for library in [*libraries[number % len(libraries) :], *libraries[: number % len(libraries)]]:
                answer = self(library, *job, **more)
                if answer:
                    told[library].append(answer)
        record("capture", kind="round", job=[str(each) for each in job], more=more, told=told)
        return told

    def peers(self):
        return [library for library in self.libraries if library != "headwater"]


def middle(told, library, what):
    return median([answer[what] for answer in told.get(library, []) if what in answer])


def compare(case, told, what, unit, aim="", note="", peers=PEERS):
    ours = middle(told, "headwater", what)
    if ours is None:
        return
    for peer in peers:
        theirs = middle(told, peer, what)
        if theirs is not None:
            row("capture", case, ours, theirs, aim if peer == "opencv" else "", unit, note, peer)


# What is measured.


def floor_of(path, cores, *convert):
    """Seconds that FFmpeg's tool takes into nothing: the best case of who decodes with it."""
    pinned = ["taskset", "-c", ",".join(map(str, range(cores)))]
    command = [*pinned, *FFMPEG, "-i", path, "-map", "0:v:0", *convert, "-f", "null", "-"]
    began = time.monotonic()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def files(reader):
    for name, path in clips():
        for cores in [1, 2]:
            told = reader.rounds("file", path, 0, cores=cores)
            # With the tool's start, which is some hundredths of a second.
            floors = [("decode only", []), ("decode, convert", ["-vf", "format=bgr24", "-sws_flags", "bicubic"])]
            frames = middle(told, "headwater", "frames")
            case = f"{name}, {cores} core{'s' * (cores > 1)}"
            compare(case, told, "fps", "frames/s", "≥ 1" if cores == 1 else "")
            for floor, convert in floors if frames else []:
                seconds = median([floor_of(path, cores, *convert) for _ in range(ROUNDS)])
                row("capture", case, middle(told, "headwater", "fps"), frames / seconds, "", "frames/s", "", floor)
            compare(f"{name}, {cores}: CPU", told, "cpu_ms", "ms/frame", peers=["opencv"])
        told = reader.rounds("file", path, 4 if "1080p" in name else 0.5, cores=2)
        compare(f"{name}, 2 cores, a busy consumer", told, "fps", "frames/s", "≥ 1.3")
        compare(f"{name}, first frame", told, "first_ms", "ms")
        compare(f"{name}, peak memory", told, "peak_mb", "MB")


def overhead(reader):
    path = made("capture-raw.avi", "-f", "lavfi", "-i", "testsrc2=s=16x16:r=25", "-frames:v", "20000", "-c:v", "rawvideo", "-pix_fmt", "bgr24")
    told = reader.rounds("file", path, 0, cores=1)
    for answers in told.values():
        for answer in answers:
            answer["us"] = 1e6 / answer["fps"]
    compare("all that a frame of 16x16 costs", told, "us", "µs", "< 5 µs")
    compare("import, numpy being there", reader.rounds("import"), "import_ms", "ms", "< 60 ms")


def http_rate(reader):
    for name, file, count in [("640x480", "small.mjpeg", 1500), ("1080p", "large.mjpeg", 300)]:
        port = free_port()
        camera = ["taskset", "-c", "1", "python3", ROOT / "bench" / "http_camera.py", port, clip(file), "/dev/null", 0]
        with running(camera, port):
            url = f"http://127.0.0.1:{port}/x"
            told = reader.rounds("http", url, count, cores=1, libraries=[each for each in reader.libraries if each != "torchcodec"])
        compare(f"HTTP MJPEG {name}, 1 core", told, "fps", "frames/s", "> 1")
        compare(f"HTTP MJPEG {name}, 1 core: CPU", told, "cpu_ms", "ms/frame", peers=["opencv"])


def ages(answer, lines):
    """How old each picture was, in ms, with when it came. Numbers start anew with the clip."""
    sent = [tuple(map(int, line.split())) for line in lines]
    at, found = 0, []
    for number, came in answer["seen"]:
        if number is None:
            continue
        while at < len(sent) and sent[at][1] != number:
            at += 1
        if at == len(sent):
            break
        found.append(((came - sent[at][3]) / 1000, came))
    return found


def live(reader):
    cameras = [
        ("MJPEG", "http_camera.py", numbered("numbered-480.mjpeg", "-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p"), "http", 3, 60),
        ("H.264", "rtsp_camera.py", numbered("numbered-480.h264", "-c:v", "libx264", "-preset", "fast", "-tune", "zerolatency",
                                             "-x264-params", "sliced-threads=0:bframes=0", "-b:v", "1500k", "-g", "50"), "rtsp", 10, 120),
    ]
    libraries = [each for each in reader.libraries if each in ("headwater", "opencv", "pyav")]
    for name, program, film, scheme, idle, late in cameras:
        results = {}
        for case, seconds, sleep in [("idle", SECONDS * 2, 0), ("lag", LAG_SECONDS, 0.1)]:
            for library in libraries:
                port = free_port()
                with tempfile.NamedTemporaryFile("r") as log, running(["python3", ROOT / "bench" / program, port, film, log.name], port):
                    # One connection: whoever opens twice is measured on the second.
                    answer = reader(library, "live", f"{scheme}://127.0.0.1:{port}/x", seconds, sleep, timeout=seconds + 90)
                    lines = log.read().splitlines()
                if not answer:
                    continue
                last = max(int(line.split()[0]) for line in lines)
                found = ages(answer, [line for line in lines if int(line.split()[0]) == last])
                steady = [age for age, came in found[len(found) // 10 :]]
                end = [age for age, came in found if came > found[-1][1] - 2e6]
                results[case, library] = {
                    "age": median(steady), "end": median(end), "peak": answer["peak_mb"], "frames": len(found),
                    "first": (answer["seen"][0][1] - answer["began"]) / 1000,
                }
                record("capture", kind="round", job=[name, case, library], told={k: v for k, v in results[case, library].items()})
        for what, case, text, unit, aim in [
            ("age", "idle", "age of a picture, idle consumer", "ms", f"≤ {idle} ms"),
            ("first", "idle", "first frame", "ms", ""),
            ("end", "lag", f"age after {LAG_SECONDS:.0f} s, 100 ms a frame", "ms", f"≤ {late} ms"),
            ("peak", "lag", "peak memory meanwhile", "MB", ""),
        ]:
            told = {library: [results[case, library]] for library in libraries if (case, library) in results}
            compare(f"{name} {scheme.upper()}: {text}", told, what, unit, aim)


def main():
    begin("capture")
    reader = Reader(interpreter())
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("capture: two cores are needed")
    parts = os.environ.get("BENCH_CAPTURE", "files overhead http live").split()
    for name, part in [("files", files), ("overhead", overhead), ("http", http_rate), ("live", live)]:
        if name in parts:
            part(reader)
    end("capture")


main()
