#!/bin/bash
# Slurm: sbatch docs/clusters/slurm.sh. One task a GPU, on one node or several; a run that is
# preempted, or loses a process, goes on from its last checkpoint when Slurm starts the job again.
#SBATCH --job-name=suretune
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
MODEL=${MODEL:-/shared/models/Qwen2.5-7B-Instruct}
ROWS=${ROWS:-/shared/rows/train.jsonl}
RUN=${RUN:-/shared/runs/$SLURM_JOB_NAME-$SLURM_JOB_ID}

# Begun before: go on. Both ways every task is the same command; the first one leads.
if [ -f "$RUN/run.json" ]; then
  WHAT=(resume "$RUN")
else
  WHAT=(sft --model "$MODEL" --dataset "$ROWS" --save_steps 50 --output_dir "$RUN")
fi
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))

# srun's status is the highest of its tasks'; --wait ends a step 30 s after the first task has.
srun --kill-on-bad-exit=1 --wait=30 bash -c '
  export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
  export LOCAL_WORLD_SIZE=$SLURM_NTASKS_PER_NODE
  exec suretune "$@"' suretune "${WHAT[@]}"
STATUS=$?

case $STATUS in
  7 | 129 | 130 | 137 | 143) # a process, a hub or the terminal was gone; a signal: worth another try
    if [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
      scontrol requeue "$SLURM_JOB_ID"
    fi
    ;;
esac
exit $STATUS
