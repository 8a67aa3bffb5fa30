# Sourced by the job scripts: run a command of the package, pass SLURM's warning on to it, requeue when it stopped with
# its state saved: run_and_requeue babylm.train configs/strict.yaml ...
# requeue_after=time_limit: also when the command's own time limit stopped it, without a signal.
# A job of several tasks (sbatch --nodes=2 --ntasks-per-node=4) trains with one process per task: babylm.train alone.
PYTHON=${PYTHON:-.venv/bin/python}

run_and_requeue() {
    local child='' asked='' code=0 term=TERM launch=()
    if [[ $1 == babylm.train ]] && (( ${SLURM_NTASKS:-1} > 1 )); then
        # One task that fails ends the others. srun does not take the number of cores from sbatch.
        launch=(srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}")
        term=USR1  # srun passes USR1 on to the tasks, but kills them itself on TERM
    fi
    # USR1 comes before the time limit: save, and run again. TERM comes from scancel, and from a preemption that requeues
    # the job by itself: save, and leave the rest to SLURM.
    trap 'asked=${asked:-USR1}; [[ -n $child ]] && kill -USR1 "$child" 2>/dev/null' USR1
    trap 'asked=TERM; [[ -n $child ]] && kill -"$term" "$child" 2>/dev/null' TERM
    # For the reader of the log, and for the report: it names the runs that did not begin.
    echo "$ ${PYTHON@Q} -m ${*@Q}"
    "${launch[@]}" "$PYTHON" -m "$@" &
    child=$!
    # A signal that came before the line above.
    case $asked in USR1) kill -USR1 "$child" ;; TERM) kill -"$term" "$child" ;; esac 2>/dev/null
    wait "$child"; code=$?
    # A trapped signal ends `wait` early; a trainer is finishing its step and saving.
    while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
    # 75: stopped with the state saved. Over 128 after a warning: it came before the trainer could
    # listen, or to an evaluation, whose every finished result is a file.
    if [[ $asked == USR1 && ( $code == 75 || $code -gt 128 ) ]] ||
        [[ -z $asked && $code == 75 && ${requeue_after:-} == time_limit ]]; then
        # The task's own identity: a bare job id would requeue the whole array.
        local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
        scontrol requeue "${job:-$SLURM_JOB_ID}"
        exit $?
    fi
    exit "$code"
}
