#!/bin/busybox sh
# The first process of an emulated machine (machine.sh), on which there is nothing but busybox, the wheel's programs and
# the tests. Its last line says whether all is well.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
ifconfig lo up
mkdir -p /dev/shm
mount -t tmpfs none /dev/shm

bad=0
# step WHAT COMMAND...
step() {
  local what=$1
  shift
  if "$@"; then
    echo "guest: $what: done"
  else
    echo "guest: $what: failed with status $?"
    bad=1
  fi
}

has_landlock() { mount -t securityfs none /sys/kernel/security && grep -q landlock /sys/kernel/security/lsm; }

# wait_for COMMAND...: until it gives 0, a minute at most.
wait_for() {
  local tries=0
  until "$@"; do
    [ "$tries" -lt 60 ] || return 1
    tries=$((tries + 1))
    sleep 1
  done
}

# Three workers have a filter of system calls (2, linux/seccomp.h) and more are not there.
workers_are_filtered() {
  local process all=0 filtered=0
  for process in /proc/[0-9]*; do
    tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q '^flarebridge worker' || continue
    all=$((all + 1))
    grep -q '^Seccomp:.*2$' "$process/status" && filtered=$((filtered + 1))
  done
  [ "$all" = 3 ] && [ "$filtered" = 3 ]
}

runs_are_written() {
  local bridge
  mkdir -m 700 /tmp/link
  flarebridge serve --state /tmp/state --endpoint ipc:///tmp/link/link --require-confinement &
  bridge=$!
  wait_for [ -S /tmp/link/link ]
  flarebridge_load ipc:///tmp/link/link /tmp/runs --sites 3 --values 5 --events 3000 --keep || return 1
  wait_for workers_are_filtered || return 2
  kill "$bridge"
  wait "$bridge"
  # What is left is finished by the next one.
  flarebridge serve --own --state /tmp/state --require-confinement || return 3
  ! grep -i confined /tmp/state/bridge.log || return 4
  flarebridge check /tmp/runs >/tmp/checked || return 5
  cat /tmp/checked
  [ "$(grep -c ': whole, .* 1000 rows' /tmp/checked)" = 3 ]
}

uname -a
echo "guest: pages of $(sed -n 's/^KernelPageSize: *//p' /proc/self/smaps | sort -u)"
step "Landlock is there" has_landlock
step "a bridge whose workers have to be confined" flarebridge serve --own --state /tmp/own --require-confinement
step "confined workers write their runs" runs_are_written
step "the unit tests of processes and workers" flarebridge_unit_tests --no-colors "--source-file=*/bridge/process/*,*/bridge/workers/*"
[ "$bad" != 0 ] || echo "guest: all is well"
poweroff -f
