#!/bin/bash
# Runs a small grid on a real Slurm of one node, on this machine, and compares its records with those of a serial run.
# Needs slurmctld, slurmd and munged (Debian's slurm-wlm and munge), and to be root or the user slurm; leaves nothing.
# Usage: tests/slurm.sh PYTHON
set -euo pipefail
python=$(realpath -s "${1:-.venv/bin/python}")
baserate=$(dirname "$python")/baserate
for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v $program > /dev/null || { echo "no $program: apt install slurm-wlm munge"; exit 2; }
done
export PATH=$PATH:/usr/sbin
here=$(mktemp -d) && chmod 755 "$here" && cd "$here"
pids=()
end() { for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done; wait; cd /; rm -rf "$here"; }
trap end EXIT

mkdir state spool && dd if=/dev/urandom of=munge.key bs=128 count=1 status=none && chmod 400 munge.key
host=$(hostname -s)
cat > slurm.conf <<EOF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$here/munge.socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
PlugStackConfig=/dev/null
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF=$here/slurm.conf
munged --foreground --force --key-file="$here/munge.key" --socket="$here/munge.socket" --pid-file="$here/munged.pid" \
    --log-file="$here/munged.log" --seed-file="$here/munged.seed" > munged.out 2>&1 & pids+=($!)
for _ in $(seq 50); do [ -S munge.socket ] && break; sleep 0.2; done
slurmctld -D -L "$here/slurmctld.log" > slurmctld.out 2>&1 & pids+=($!)
slurmd -D -N "$host" -L "$here/slurmd.log" > slurmd.out 2>&1 & pids+=($!)
for _ in $(seq 150); do sinfo -h -o %T 2> /dev/null | grep -q idle && break; sleep 0.4; done
sinfo -h -o %T | grep -q idle || { tail -n 20 slurmctld.log slurmd.log slurmctld.out slurmd.out; exit 1; }

cat > toy.py <<'EOF'
import random
random.seed(3)
with open("toy.csv", "w") as file:
    print("id,seq,label,gene", file=file)
    for i in range(400):
        sequence = "".join(random.choices("ACGT", k=60))
        label = i % 2
        print(f"x{i},{sequence[:20] + ('TATAAA' if label else '') + sequence[20:]},{label},g{i // 4}", file=file)
EOF
"$python" toy.py
cat > toy.toml <<'EOF'
name = "toy_motif"
kind = "classification"
classes = ["plain", "motif"]
description = "Random DNA, half of it with TATAAA."
citation = "none"
licence = "CC0-1.0"
species = ["none"]
assembly = ["none"]
[source]
table = "toy.csv"
sequence = "seq"
group = "gene"
id = "id"
[split]
rule = "by_group"
valid = 0.2
test = 0.3
EOF
printf 'partition = "here"\nbundle_minutes = 0.02\ncpus = 1\nmemory_gb = 1\nminutes = 10\n[gpu]\ngpus = 0\n' > slurm.toml
grid=(--task toy.toml --mode from_scratch --seeds 0,1,2 --no-audit --tracking-uri none --quiet)
for model in length gc_content kmer_logreg onehot_linear kmer_xgboost cnn; do grid+=(--model $model); done
export OMP_NUM_THREADS=1
"$baserate" run "${grid[@]}" --results serial
"$baserate" run "${grid[@]}" --results jobs --executor slurm --slurm slurm.toml
for _ in $(seq 600); do  # the first job that runs is put back into the queue, as a preempted one is
    running=$(squeue -h -t R -o %A | head -n 1) && [ -n "$running" ] && break; sleep 0.1
done
[ -z "$running" ] || { sleep 3; scontrol requeue "$running" && echo "requeued job $running" || true; }
for _ in $(seq 600); do [ -z "$(squeue -h)" ] && break; sleep 0.5; done
squeue -h
"$python" - <<'EOF' || { tail -n 5 jobs/.slurm/*/*logs/*; exit 1; }
import json
from pathlib import Path
def contents(results):
    found = {}
    for file in Path(results).glob("toy_motif@1/*/record.json"):
        value = json.loads(file.read_text())
        for own in ("seconds", "peak_memory_mb", "environment", "digest"):
            value.pop(own)
        found[file.parent.name] = value, (file.parent / "predictions.parquet").read_bytes()
    return found
serial, jobs = contents("serial"), contents("jobs")
assert len(serial) == 6 and serial.keys() == jobs.keys(), (sorted(serial), sorted(jobs))
different = [name for name in serial if serial[name] != jobs[name]]
assert not different, different
assert not list(Path("jobs/.leases").iterdir())
print(f"{len(jobs)} records of Slurm's jobs are those of a serial run")
EOF
"$baserate" run "${grid[@]}" --results jobs --executor slurm --slurm slurm.toml && [ -z "$(squeue -h)" ]
echo "and the same command again submitted nothing"
