#!/usr/bin/env bash
# The deep tier, hours long: every case of every test, many shapes of each kernel, kills at random
# instants, the kernels under sanitizers, random files, settings and command lines, made tables.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python}

"$python" -m pip install tensorboard wandb mlflow-skinny sqlalchemy  # the loggers, whose tests skip without
export SUNHWAN_KILLS=20 SUNHWAN_CAPABILITIES=elman,gru,gru_reset_before,lstm,slstm,mingru,minlstm
"$python" -m pytest -n "${JOBS:-auto}" --dist worksteal --deep
"$python" -m tests.kernels.many --shapes 2000
"$python" -m tests.deep.made_tables 10000
"$python" -m tests.deep.fuzz commands 20000
"$python" -m tests.deep.fuzz files 10000
"$python" -m tests.deep.fuzz settings 5000
native/sanitize.sh
