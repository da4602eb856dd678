#!/bin/sh
# Saves the freshest picture of a camera every so often, until Ctrl-C or COUNT pictures.
#
#   snapshot.sh http://localhost:8090/cam2.jpg shots 10         every 10 seconds
#   snapshot.sh http://localhost:8090/cam2.jpg?width=320 shots 0 100
#
# With 0 seconds it waits for the next picture of the camera (newer_than), so that no
# picture is fetched twice.
set -eu
url=${1:?the URL of a .jpg is missing}
folder=${2:-.}
seconds=${3:-10}
count=${4:-0}

mkdir -p "$folder"
head=$(mktemp)
trap 'rm -f "$head"' EXIT
case $url in *\?*) join='&' ;; *) join='?' ;; esac
saved=0
sequence=
while :; do
    newest=$url
    if [ "$seconds" = 0 ] && [ -n "$sequence" ]; then newest=$url${join}newer_than=$sequence; fi
    status=$(curl -sS -D "$head" -o "$folder/new.part" -w '%{http_code}' "$newest") || status=000
    if [ "$status" = 200 ]; then
        sequence=$(sed -n 's/^[Xx]-[Ss]equence: *\([0-9]*\).*/\1/p' "$head")
        mv "$folder/new.part" "$folder/$sequence.jpg"
        saved=$((saved + 1))
        echo "$folder/$sequence.jpg"
    elif [ "$status" != 304 ]; then
        echo "snapshot: no picture (status $status): $(head -c 300 "$folder/new.part" 2>/dev/null)" >&2
        sleep 2
    fi
    rm -f "$folder/new.part"
    [ "$count" = 0 ] || [ "$saved" -lt "$count" ] || break
    [ "$seconds" = 0 ] || sleep "$seconds"
done
