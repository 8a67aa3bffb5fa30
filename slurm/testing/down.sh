#!/usr/bin/env bash
# End the SLURM that slurm/testing/up.sh started, its jobs too, and remove its folder: slurm/testing/down.sh [FOLDER]
set -u
folder=$(realpath -m "${1:-/tmp/babylm-slurm}")
[[ -f $folder/slurm.conf ]] || { echo "$folder: no SLURM of slurm/testing/up.sh is there" >&2; exit 2; }
export SLURM_CONF=$folder/slurm.conf
scancel --state=RUNNING --quiet --user=root 2>/dev/null
for _ in $(seq 50); do
    [[ -z $(squeue -h --states=RUNNING,COMPLETING 2>/dev/null) ]] && break
    sleep 0.2
done
for file in slurmd.pid slurmctld.pid munge/pid; do
    [[ -s $folder/$file ]] && kill "$(cat "$folder/$file")" 2>/dev/null
done
for _ in $(seq 50); do
    [[ -e $folder/slurmd.pid || -e $folder/slurmctld.pid ]] || break
    sleep 0.1
done
rm -rf "$folder"
