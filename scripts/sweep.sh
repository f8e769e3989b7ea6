#!/bin/bash
# sweep.sh removes everything at the engine that belongs to a wsd which is no more: its containers,
# its networks, its volumes with all files in them, and the images that it has built.
#
#   scripts/sweep.sh STATE_DIR      the folder of that wsd; it must not run
#
# For throw-away daemons of tests: spare network sandboxes outlive their wsd on purpose. Only objects
# with the label of that very instance are touched. Needs jq and curl.
set -euo pipefail

state=${1:?the state folder is missing}
socket=${WSD_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}
socket=${socket#unix://}
[ -r "$state/instance" ] || exit 0
filter="{\"label\":[\"wsd.instance=$(cat "$state/instance")\"]}"

engine() { curl -gsS --max-time 30 --unix-socket "$socket" "$@"; }
get() { engine "http://engine/v1.40/$1&filters=$filter"; }
remove() { while read -r id; do engine -o /dev/null -X DELETE "http://engine/v1.40/$1/$id?force=1&v=1"; done; }

get "containers/json?all=1" | jq -r '.[].Id' | remove containers
get "networks?" | jq -r '.[].Id' | remove networks
get "volumes?" | jq -r '.Volumes[]?.Name' | remove volumes
get "images/json?" | jq -r '.[].Id' | remove images
