#!/usr/bin/env bash
# slurm-up.sh DIR: a Slurm of one node with accounting on this machine's loopback, for tests; needs root.
# Afterwards: export SLURM_CONF=DIR/slurm.conf. slurm-down.sh DIR stops it.
set -euo pipefail
dir=$(realpath -m "${1:?DIR}")
host=$(hostname -s)
mkdir -p "$dir"/{munge,state,spool,log,db}
chmod 755 "$dir" "$dir/munge"

# who is who
[ -s "$dir/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"

# the accounting's data base: without it a crashed task would never count as ended
mariadb-install-db --no-defaults --user=root --datadir="$dir/db" --skip-test-db \
  --auth-root-authentication-method=normal >"$dir/log/install.log" 2>&1
setsid mariadbd --no-defaults --user=root --datadir="$dir/db" --socket="$dir/db.socket" --pid-file="$dir/db.pid" \
  --bind-address=127.0.0.1 --port=23306 --innodb-lock-wait-timeout=900 >"$dir/log/db.log" 2>&1 </dev/null &
sql() { mariadb --no-defaults -uroot --socket="$dir/db.socket" -e "$1"; }
for _ in $(seq 120); do sql 'select 1' >/dev/null 2>&1 && break || sleep 0.5; done
sql "CREATE DATABASE slurm; CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@'127.0.0.1';
     CREATE USER slurm@localhost IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@localhost"

auth="AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket"
(umask 077 && cat >"$dir/slurmdbd.conf" <<CONF
$auth
CommunicationParameters=NoInAddrAny
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=26819
SlurmUser=root
LogFile=$dir/log/slurmdbd.log
PidFile=$dir/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=23306
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
CONF
)
cat >"$dir/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
$auth
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=26819
AccountingStoragePass=$dir/munge/socket
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=1
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$dir/slurm.conf"
slurmdbd
for _ in $(seq 60); do sacctmgr -n list cluster >/dev/null 2>&1 && break || sleep 0.5; done
sacctmgr -nP list cluster format=cluster | grep -qx one || sacctmgr -i add cluster one >/dev/null
slurmctld
slurmd -N "$host"
for _ in $(seq 120); do [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && exit 0 || sleep 0.5; done
tail -n 20 "$dir"/log/slurm*.log >&2
exit 1
