#!/usr/bin/env bash
# Mirage's events on a terminal, with mosquitto_sub and jq: apt-get install mosquitto-clients jq
#
#   events.sh captions|alerts|videos|traffic|late|devices [options of mosquitto_sub]
#   events.sh alerts -h broker.example -p 8883 --cafile ca.pem --cert viewer.pem --key viewer.key
#
# Copy any line of it; no licence binds you (CC0 1.0). `devices` needs a bridge's rights, for it reads states.
# TENANT=acme and SITE=north narrow it down. Options may also stand in ~/.config/mosquitto_sub, one a line.
set -euo pipefail

what=${1:-}
[[ $what == @(captions|alerts|videos|traffic|late|devices) ]] || {
  sed -n '4,5p' "$0" >&2
  exit 2
}
shift

device="mirage/v1/${TENANT:-+}/${SITE:-+}/+"

# `fromjson?` leaves out what is no JSON; a type that nobody asked for is left out by `select`.
case $what in
  captions)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/+/event" "$@" |
      jq -Rr --unbuffered 'fromjson? | select(.type == "mirage.segment.described") | .data
        | [(.segment.start_ms / 1000 | todate), .segment.camera, .segment.caption] | @tsv'
    ;;
  alerts)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/+/event" "$@" |
      jq -Rr --unbuffered 'fromjson? | select(.type == "mirage.alert.raised") | .data
        | [.alert.name, .segment.camera, .segment.caption, .alert.page] | @tsv'
    ;;
  videos)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/+/event" "$@" |
      jq -Rr --unbuffered 'fromjson? | select(.type == "mirage.clip.rendered") | .data
        | [.segment.camera, .clip.url, .clip.size] | @tsv'
    ;;
  traffic)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/-/event" "$@" |
      jq -Rr --unbuffered 'fromjson? | select(.type == "mirage.budget.reached" or .type == "mirage.usage.unusual")
        | [.type, .data.place, .data.used // .data.bytes, .data.budget // .data.expected] | @tsv'
    ;;
  late)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/+/event" "$@" |
      jq -Rc --unbuffered 'fromjson? | select(.data.segment.historical)'
    ;;
  devices)
    mosquitto_sub -V mqttv5 -q 1 -t "$device/state" -F '%t %p' "$@" |
      jq -Rr --unbuffered 'split(" ") as [$topic, $state] | $state | fromjson?
        | [($topic | split("/")[2:5] | join("/")), .state] | @tsv'
    ;;
esac
