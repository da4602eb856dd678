#!/bin/sh
# clips.sh DIRECTORY: the clips of the bench, made once. Synthetic, but costly to code as a
# camera's pictures are: a slow zoom into fine detail, a moving chart on top, and noise.
set -eu
cd "$1"

scene() { # WIDTH HEIGHT
    printf '%s' "mandelbrot=s=$1x$2:r=25:maxiter=200:end_pts=900:start_scale=1.2:end_scale=0.02[back];\
testsrc2=s=$(($1 / 3))x$(($2 / 3)):r=25[chart];\
[back][chart]overlay=x='(W-w)*(0.5+0.5*sin(t*0.7))':y='(H-h)*(0.5+0.5*cos(t*0.5))',noise=alls=9:allf=t+u,format=yuv420p"
}
make() { # NAME WIDTH HEIGHT FRAMES ENCODER...
    name=$1 width=$2 height=$3 frames=$4
    shift 4
    [ ! -s "$name" ] || return 0
    ffmpeg -hide_banner -loglevel error -nostdin -y -f lavfi -i "$(scene "$width" "$height")" -frames:v "$frames" \
        "$@" "making.$name"
    mv "making.$name" "$name"
    echo "made $name, $(($(wc -c < "$name") / frames)) bytes a picture"
}

make small.mjpeg 640 480 50 -c:v mjpeg -q:v 10 -pix_fmt yuvj420p -f mjpeg
make large.mjpeg 1920 1080 50 -c:v mjpeg -q:v 7.2 -pix_fmt yuvj420p -f mjpeg
make large.avi 1920 1080 50 -c:v mjpeg -q:v 7.2 -pix_fmt yuvj420p
make h264.mp4 1920 1080 250 -c:v libx264 -preset medium -b:v 6M -maxrate 8M -bufsize 12M -g 50

# Each picture's place in the clip, as 16 bits of black and white across the top, after one
# white and one black cell: it survives decoding and coding. As from a camera, no B-frames.
bits="if(eq(X,0),235,if(eq(X,1),16,if(lt(X,18),16+219*mod(floor(N/pow(2,17-X)),2),128)))"
if [ ! -s numbered.h264 ]; then
    ffmpeg -hide_banner -loglevel error -nostdin -y -f lavfi -i "$(scene 1920 1080)" \
        -f lavfi -i "nullsrc=s=20x2:r=25,format=gray,geq=lum='$bits',scale=1920:108:flags=neighbor" \
        -filter_complex "[0][1]overlay=format=yuv420" -frames:v 250 -pix_fmt yuv420p -c:v libx264 -preset fast \
        -tune zerolatency -x264-params sliced-threads=0:bframes=0 -b:v 6M -maxrate 8M -bufsize 12M -g 50 -f h264 making.numbered
    mv making.numbered numbered.h264
fi

# As a camera of a building sends it: 2 Mbit/s without reordering, a keyframe every two seconds.
if [ ! -s camera.h264 ]; then
    ffmpeg -hide_banner -loglevel error -nostdin -y -f lavfi -i "$(scene 1280 720)" -frames:v 250 -pix_fmt yuv420p \
        -c:v libx264 -preset fast -tune zerolatency -x264-params sliced-threads=0:bframes=0 \
        -b:v 2M -maxrate 2M -bufsize 2M -g 50 -f h264 making.camera
    mv making.camera camera.h264
fi
