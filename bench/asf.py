"""ASF taken apart on one core: GB/s, beside memcpy and libavformat's demuxer."""

from lib import *

# Name, ffmpeg's source of pictures, bit rate, seconds, and how often they are repeated.
CLIPS = [
    ("wmv2 320x240, 0.3 Mbit/s", "asf-small.wmv", "testsrc2=s=320x240:r=25", "300k", 60, 60),
    ("wmv2 1280x720, 12 Mbit/s", "asf-large.wmv", "testsrc2=s=1280x720:r=25,noise=alls=30:allf=t+u", "12M", 8, 14),
]


def make(name, picture, rate, seconds, times):
    """A file of more than 130 MB, made once: pictures and sound, repeated without coding them again."""
    file = clip(name)
    if file.exists():
        return file
    ffmpeg = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    sound = ["-f", "lavfi", "-i", f"anoisesrc=r=44100:d={seconds}", "-c:a", "wmav2", "-b:a", "64k"]
    once, making = WORK / "clips" / f"once.{name}", WORK / "clips" / f"making.{name}"
    subprocess.run([*ffmpeg, "-f", "lavfi", "-i", picture, *sound, "-t", str(seconds), "-c:v", "wmv2", "-b:v", rate, once], check=True)
    subprocess.run([*ffmpeg, "-stream_loop", str(times - 1), "-i", once, "-c", "copy", making], check=True)
    once.unlink()
    return making.rename(file)


def measure(who, program, file):
    done = subprocess.run([str(program), str(file), str(SECONDS / 3)], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    record("asf", kind="round", who=who, name=file.name, **result)
    return result


def main():
    begin("asf")
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "asf", "--example", "demux_throughput"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    example = target / "release" / "examples" / "demux_throughput"
    for what, name, *how in CLIPS:
        file = make(name, *how)
        pairs = alternate(
            ROUNDS, lambda: measure("ours", example, file), lambda: measure("libavformat", program("asf_floor"), file)
        )
        for a, b in pairs:
            if a["units"] != b["packets"]:
                fail(f"{name}: {a['units']} units of ours, {b['packets']} packets of libavformat")
        for case, ours, theirs in [("from memory", "demux", "memory"), ("from a file", "file", "file")]:
            mine = median(a[ours] for a, _ in pairs)
            ratio = median(a[ours] / b[theirs] for a, b in pairs)
            row("asf", f"{what}, {case}", mine, mine / ratio, ">= 2 ×", "GB/s", "", "libavformat")
        mine = median(a["demux"] for a, _ in pairs)
        ratio = median(a["demux"] / a["memcpy"] for a, _ in pairs)
        row("asf", f"{what}, from memory", mine, mine / ratio, "", "GB/s", "", "memcpy")
    end("asf")


main()
