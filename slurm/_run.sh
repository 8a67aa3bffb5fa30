# Sourced by the job scripts: run a command of the package, pass SLURM's warning on to it, requeue when it stopped with
# its state saved: run_and_requeue babylm.train configs/strict.yaml ...
PYTHON=${PYTHON:-.venv/bin/python}

run_and_requeue() {
    local child='' asked='' code=0
    # USR1 comes before the time limit: save, and run again. TERM comes from scancel, and from a preemption that requeues
    # the job by itself: save, and leave the rest to SLURM.
    trap 'asked=${asked:-USR1}; [[ -n $child ]] && kill -USR1 "$child" 2>/dev/null' USR1
    trap 'asked=TERM; [[ -n $child ]] && kill -TERM "$child" 2>/dev/null' TERM
    "$PYTHON" -m "$@" &
    child=$!
    [[ -n $asked ]] && kill -"$asked" "$child" 2>/dev/null  # a signal that came before the line above
    wait "$child"; code=$?
    # A trapped signal ends `wait` early; a trainer is finishing its step and saving.
    while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
    # 75: stopped with the state saved. Over 128 after a warning: it came before the trainer could
    # listen, or to an evaluation, whose every finished result is a file.
    if [[ $asked == USR1 ]] && (( code == 75 || code > 128 )); then
        # The task's own identity: a bare job id would requeue the whole array.
        local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
        scontrol requeue "${job:-$SLURM_JOB_ID}"
        exit $?
    fi
    exit "$code"
}
