#!/usr/bin/env bash
# Start a SLURM of one node on this machine, on loopback, for trying the job scripts: slurm/testing/up.sh [FOLDER]
# Needs Debian's slurm-wlm and munge (apt-get install slurm-wlm munge) and root. Everything it makes is in FOLDER
# (default /tmp/babylm-slurm); its last line is the environment that sbatch, squeue and scontrol need:
#   export SLURM_CONF=/tmp/babylm-slurm/slurm.conf
# slurm/testing/down.sh [FOLDER] ends it.
set -eu
folder=$(realpath -m "${1:-/tmp/babylm-slurm}")
host=$(hostname -s)
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || { echo "no $program: apt-get install slurm-wlm munge" >&2; exit 3; }
done
if [[ -f $folder/slurmctld.pid ]] && kill -0 "$(cat "$folder/slurmctld.pid")" 2>/dev/null; then
    echo "$folder: a SLURM runs there already; end it with slurm/testing/down.sh $folder" >&2
    exit 2
fi
mkdir -p "$folder"/{state,spool,munge}
chmod 700 "$folder/munge"
# A key and a socket of its own, so that a munge of the machine is left alone.
dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
chmod 400 "$folder/munge/key"
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
cat > "$folder/slurm.conf" <<CONF
ClusterName=babylm
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-16817}
SlurmdPort=$((${SLURM_TEST_PORT:-16817} + 1))
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,batch_sched_delay=1,defer
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
MinJobAge=300
KillWait=5
SlurmdTimeout=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=32 RealMemory=262144 Gres=gpu:4 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
# Files that stand for GPUs: jobs with --gres=gpu:1 are placed, and see none.
printf 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\nName=gpu File=/dev/full\nName=gpu File=/dev/random\n' > "$folder/gres.conf"
export SLURM_CONF=$folder/slurm.conf
slurmctld -c -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 100); do
    [[ $(sinfo -h -o %T 2>/dev/null) == idle* ]] && { echo "export SLURM_CONF=$SLURM_CONF"; exit 0; }
    sleep 0.2
done
echo "the node did not come up; see $folder/slurmctld.log and slurmd.log" >&2
tail -n 5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2
exit 1
