#!/bin/sh
# The figures, each against its floor measured in the same run; see bench/README.md.
#
#   bench/run.sh              all of them
#   bench/run.sh fanout …     some: fanout crowd transcode pass delay first idle slow asf mms
#                             rtsp intake webrtc firstpicture ring capture
#
# BENCH_ROUNDS (3), BENCH_SECONDS (6) a measurement, BENCH_CLIENTS ("1 100 500 1000"),
# BENCH_PEERS=1 measures VLC beside ours where it is installed.
set -eu
cd "$(dirname "$0")/.."
work=${BENCH_WORK:-$PWD/target/bench}
export BENCH_WORK="$work"
mkdir -p "$work/bin" "$work/clips"

[ $# -gt 0 ] || set -- fanout crowd transcode pass delay first idle slow asf mms rtsp intake webrtc firstpicture ring capture
# The program is not needed to take files apart, nor by the module.
case "$*" in asf | capture | intake) ;; *) cargo build --quiet --release -p cli ;; esac
case " $* " in *" intake "*) cargo build --quiet --release -p source --example rtsp_intake ;; esac
case " $* " in *" webrtc "*) cargo build --quiet --release -p webrtc --example receivers ;; esac
for name in source floor load rtsp_source rtsp_floor; do
    cc -O2 -Wall -Wextra -o "$work/bin/$name" "bench/$name.c"
done
for name in codec_floor asf_floor; do
    # shellcheck disable=SC2046 # words on purpose
    cc -O2 -Wall -Wextra -o "$work/bin/$name" "bench/$name.c" \
        $(pkg-config --cflags --libs libavformat libavcodec libavutil libjpeg)
done
[ "$*" = asf ] || bench/clips.sh "$work/clips"

: > "$work/results.jsonl"
: > "$work/stderr.log"
status=0
for name; do
    python3 "bench/$name.py" || status=1
done
python3 bench/table.py
exit $status
