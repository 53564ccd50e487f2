#!/bin/bash
# Two machines of four GPUs, one torchrun on each. Not run by the tests: no Slurm and no GPU was at hand.
#   sbatch examples/slurm.sh deepseek-ai/DeepSeek-R1-Distill-Qwen-7B train.jsonl /scratch/$USER/run
# Submit it again after a time limit or a failure: it goes on from the last checkpoint.
#SBATCH --job-name=tersely
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@1800
set -euo pipefail

model=$1 task=$2 out=$3
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# --signal above reaches torchrun half an hour before the limit; --shutdown-timeout leaves the step time to end and save.
srun --kill-on-bad-exit=1 torchrun \
    --nnodes "$SLURM_NNODES" --nproc-per-node 4 \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "$head:29500" \
    --shutdown-timeout 1500 \
    -m tersely train --model "$model" --task "$task" --recipe paper-7b --out "$out"
