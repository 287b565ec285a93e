# Runs the steps of the script that sources it, several at a time. A step is the name of a function,
# or FUNCTION@ARGUMENT. The script sets `steps` and `logs`, the folder for the logs. The output of a
# step is printed when the step ends, and stays in STEP.log.

# `wait -n -p` is the newest feature in use.
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) || {
    echo "$0: running in bash $BASH_VERSION: install bash 5.1 or newer, with brew on macOS" >&2
    exit 1
}
declare -A step_of began seconds cpu result
# The position of the next step in `steps`, and the steps that failed.
next=0 failed=()

# Each step is a separate process group, so that stopping a step also stops its children.
set -m
stop_steps() {
    local pid
    for pid in "${!step_of[@]}"; do
        kill -- "-$pid" 2>/dev/null || true
    done
}
trap 'stop_steps; exit 130' INT TERM
trap stop_steps EXIT

# Starts the next step, if one is left.
start_step() {
    [ "$next" -lt ${#steps[@]} ] || return 0
    local name=${steps[$next]} argument=()
    next=$((next + 1))
    case $name in *@*) argument=("${name#*@}") ;; esac
    : >"$logs/$name.times"
    (
        set +m
        trap 'times >"$logs/$name.times"' EXIT
        set -euo pipefail
        "${name%%@*}" "${argument[@]}"
    ) >"$logs/$name.log" 2>&1 &
    step_of[$!]=$name
    began[$name]=$SECONDS
}

# The seconds of computation of a step, from the second line of `times`: 1m2.3s 0m4.5s.
cpu_of() { awk -F '[ms ]+' 'NR == 2 {printf "%d", $1 * 60 + $2 + $3 * 60 + $4}' "$logs/$1.times"; }

# run_steps AT_ONCE: runs `steps`, and adds those that fail to `failed`. After a failure it stops the
# others, unless `keep_going` is set. It always returns 0, because it must not be called in a
# condition or before `||`: there bash ignores `set -e`, also that of the steps, and a step would
# pass if its last command does.
run_steps() {
    # shellcheck disable=SC2155 # the status does not matter
    local code pid name ignored=$(set -e; false; echo yes)
    [ -z "$ignored" ] || { echo "$0: run_steps is called in a condition" >&2; exit 1; }
    next=0
    for _ in $(seq "$1"); do start_step; done
    while [ ${#step_of[@]} -gt 0 ]; do
        code=0 pid=
        wait -n -p pid "${!step_of[@]}" 2>/dev/null || code=$?
        if [ -z "$pid" ]; then
            # A step ended before the wait.
            for pid in "${!step_of[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
            code=0
            wait "$pid" || code=$?
        fi
        name=${step_of[$pid]}
        unset "step_of[$pid]"
        seconds[$name]=$((SECONDS - began[$name]))
        cpu[$name]=$(cpu_of "$name")
        printf '\n== %s: %s s\n' "$name" "${seconds[$name]}"
        cat "$logs/$name.log"
        result[$name]=passed
        if [ "$code" != 0 ]; then
            result[$name]=FAILED failed+=("$name")
            if [ -z "${keep_going:-}" ]; then
                for pid in "${!step_of[@]}"; do result[${step_of[$pid]}]=stopped; done
                stop_steps
                step_of=()
                return 0
            fi
        fi
        start_step
    done
}
