#!/bin/sh
# Writes show.txt: what a real systemd says of units that ended in every way that
# decides something. It runs as root in namespaces of its own and leaves nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = inside ]; then
	work=$2
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run && mkdir /run/systemd
	mount -t tmpfs tmpfs /etc/systemd/system
	cp "$work"/* /etc/systemd/system/
	exec env -i container=capture PATH="$PATH" unshare --pid --fork --mount-proc --kill-child \
		/usr/lib/systemd/systemd --system --unit=mini.target --show-status=no
fi
work=$(mktemp -d)
printf '[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n' >"$work/mini.target"
unit() { printf '[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\n%b\n' "$2" >"$work/t-$1.service"; }
unit exit1 'ExecStart=/bin/sh -c "sleep 1.3; exit 1"\nRestart=always\nRestartSec=3600'
unit panic 'ExecStart=/bin/sh -c "exit 2"'
unit killed 'ExecStart=/bin/sh -c "sleep 0.5; kill -9 $$$$"'
unit runs 'ExecStart=/bin/sleep 1000'
unit rested 'ExecStart=/bin/sh -c "test -e /run/again && exec sleep 1000; touch /run/again; exit 1"\nRestart=always\nRestartSec=100ms'
unit oom 'ExecStart=/usr/bin/python3 -c "x=[bytearray(1<<20) for _ in range(400)]"\nMemoryMax=30M\nMemorySwapMax=0'
unit done 'ExecStart=/bin/true'
unshare --mount "$0" inside "$work" &
outer=$!
trap 'kill $outer; rm -rf "$work"' EXIT
sleep 3
in() { nsenter --target "$(pgrep --full '^/usr/lib/systemd/systemd --system --unit=mini.target')" --mount --pid env TZ=UTC LC_ALL=C "$@"; }
for u in exit1 panic killed runs rested oom done; do in systemctl start --no-block "t-$u"; done
sleep 4
{
	echo "# $(in systemctl --version | head -1), in a PID namespace of its own; made by capture.sh"
	in systemctl show --no-pager --property=Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainCode,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic \
		t-exit1.service t-panic.service t-killed.service t-runs.service t-rested.service t-oom.service t-done.service t-absent.service
} >"$here/show.txt"
