# Sourced by the job scripts: run the trainer, pass SLURM's warning on to it, requeue when it stopped with its state saved.
PYTHON=${PYTHON:-.venv/bin/python}

run_and_requeue() {
    local trainer='' asked='' code=0
    trap 'asked=1; [[ -n $trainer ]] && kill -USR1 "$trainer" 2>/dev/null' USR1 TERM
    "$PYTHON" -m babylm.train "$@" &
    trainer=$!
    wait "$trainer"; code=$?
    # A trapped signal ends `wait` early; the trainer is finishing its step and saving.
    while kill -0 "$trainer" 2>/dev/null; do wait "$trainer"; code=$?; done
    # 75: stopped with the state saved. Over 128 after a warning: it came before the trainer could listen.
    if (( code == 75 )) || [[ -n $asked && $code -gt 128 ]]; then
        # The task's own identity: a bare job id would requeue the whole array.
        local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
        scontrol requeue "${job:-$SLURM_JOB_ID}"
        exit $?
    fi
    exit "$code"
}
