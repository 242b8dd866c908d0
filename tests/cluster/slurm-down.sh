#!/usr/bin/env bash
# slurm-down.sh DIR: stops what slurm-up.sh DIR started, and nothing else
dir=$(realpath "${1:?DIR}")
export SLURM_CONF=$dir/slurm.conf
scancel --state=PENDING --user=root 2>/dev/null
scancel --state=RUNNING --user=root 2>/dev/null
sleep 1
scontrol shutdown 2>/dev/null
sleep 2
for file in slurmdbd.pid db.pid munge/pid; do
  [ -s "$dir/$file" ] && kill "$(cat "$dir/$file")"
  sleep 1
done
exit 0
