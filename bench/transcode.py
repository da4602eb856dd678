"""(b) H.264 1080p25 to MJPEG: CPU time per delivered picture, one client."""

import os
import subprocess

from lib import *

QUALITY = 80
CLIP = "h264.mp4"


def ours(query):
    with headwater(f"c={clip(CLIP)}") as (process, base):
        result = load(f"{base}/c.mjpeg?{query}", "-d", 2 * SECONDS, "-w", 3, "-p", process.pid)
    record("transcode", kind="round", who="headwater", query=query, **result)
    return result


def codecs(fps=0):
    command = [program("codec_floor"), clip(CLIP), QUALITY, fps]
    result = json.loads(subprocess.check_output([str(c) for c in command]))
    record("transcode", kind="round", who="codec_floor", fps=fps, **result)
    result["ms"] = result["decode_ms"] + result["encode_ms"]
    return result


def ffmpeg(quantizer):
    """CPU ms a picture and its size."""
    command = ["ffmpeg", "-loglevel", "error", "-nostdin", "-threads", "1", "-i", clip(CLIP), "-threads", "1", "-c:v", "mjpeg",
               "-q:v", quantizer, "-f", "mpjpeg", "-"]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    size = count = 0
    while piece := process.stdout.read(1 << 20):
        size += len(piece)
        count += piece.count(b"\r\nContent-length")
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = code
    # A head may lie across two pieces; the clip has 250 pictures.
    return {"ms": 1e3 * (usage.ru_utime + usage.ru_stime) / 250, "bytes": size / 250, "pictures": count, "q": quantizer}


def main():
    begin("transcode")
    size = codecs()["bytes"]
    # The quantizer whose pictures come nearest in size to ours.
    chosen = min((ffmpeg(q) for q in (2, 3, 4, 5, 6, 7)), key=lambda r: abs(r["bytes"] - size))["q"]
    rounds = []
    for i in range(ROUNDS):
        steps = [lambda: ours(f"quality={QUALITY}"), codecs, lambda: codecs(25), lambda: ffmpeg(chosen)]
        order = range(4) if i % 2 == 0 else reversed(range(4))
        results = {k: steps[k]() for k in order}
        rounds.append([results[k] for k in range(4)])
    mine = [r[0]["us_per_picture"] / 1e3 for r in rounds]
    first = rounds[0][0]
    note = (f"{first['bytes'] / first['pictures'] / 1e3:.0f} kB, floor {rounds[0][1]['bytes'] / 1e3:.0f} kB, "
            f"fps {first['fps_median']:.1f}, wakeups a picture {first['switches'] / first['pictures']:.1f}")
    for case, index, aim, against, extra in [
        ("1080p, q80, against decode + encode", 1, "≤ 1.1 × floor", "floor A", note),
        ("the same, floor paced at 25 fps", 2, "", "paced A", ""),
        (f"against ffmpeg -f mpjpeg -q:v {chosen}", 3, "≤ 0.72 ×", "ffmpeg", f"{rounds[0][3]['bytes'] / 1e3:.0f} kB"),
    ]:
        ratio = median(m / r[index]["ms"] for m, r in zip(mine, rounds))
        row("transcode", case, median(mine), median(mine) / ratio, aim, "ms/pic", extra, against)
    decode, encode = (median(r[1][k] for r in rounds) for k in ("decode_ms", "encode_ms"))
    print(f"  floor A is {decode:.2f} ms decoding and {encode:.2f} ms coding; without conversion of the colour range")
    if any(r[0]["fps_median"] < 20 for r in rounds):
        print("  fewer than 20 pictures a second: the machine was too busy for this figure")
    end("transcode")


main()
