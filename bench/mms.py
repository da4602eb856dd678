"""Connections of Windows Media taken apart on one core: GB/s of MMS over TCP and over HTTP, beside memcpy."""

import re

from lib import *


def measure(example):
    """The numbers of each line of a program's table: packet size, memcpy, and ours."""
    run = ["cargo", "run", "--quiet", "--release", "-p", "mms", "--example", example]
    said = subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [[float(n) for n in re.findall(r"\b\d+(?:\.\d+)?\b(?! ?%)", line)] for line in said.splitlines()]
    return [line for line in lines if len(line) >= 3]


def main():
    begin("mms")
    for example, what in [("mmst_throughput", "MMS over TCP"), ("mmsh_throughput", "MMS over HTTP")]:
        rounds = [measure(example) for _ in range(ROUNDS)]
        for lines in zip(*rounds):
            size = int(lines[0][0])
            # The client is the last column over TCP, and the third over HTTP, before the chunked form.
            ours, copied = (3, 1) if example == "mmst_throughput" else (2, 1)
            record("mms", kind="round", who="ours", name=what, size=size, gb_s=[line[ours] for line in lines])
            mine = median(line[ours] for line in lines)
            ratio = median(line[ours] / line[copied] for line in lines)
            row("mms", f"{what}, packets of {size} bytes", mine, mine / ratio, "", "GB/s", "", "memcpy")
    end("mms")


main()
