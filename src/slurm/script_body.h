// The part of a batch script that is the same for all: bash, after the settings trireme, out,
// worlds, others, max_requeues and launch().
#pragma once

namespace trireme {

inline constexpr char kScriptHead[] =
    R"(# Written by `trireme slurm`: hand it to sbatch. It renders until all is done, goes back into
# the queue when Slurm wants the nodes, and may be handed in again whatever happened.
)";

inline constexpr char kScriptBody[] = R"BASH(
say() { printf '[slurm] %s\n' "$*" >&2; }

# What the output folder holds, by its own account: srun may say 0 of ranks that never started.
look() {
  counts=$("$trireme" status "$out" --json 2>/dev/null | tr -d '[:space:]' |
    sed 's/"shards":{[^}]*"open":\([0-9]*\)[^}]*}/"open":\1/')
}
count() { if [[ $counts =~ \"$1\":([0-9]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi; }
settled() { echo $(($(count done) + $(count failed) + $(count skipped))); }
finished() {
  (($(count total) > 0 && $(settled) >= $(count total))) && [[ $counts == *'"open":0'[,}]* ]]
}

# USR1 is the wish to stop, and the one signal that both launchers hand on to their ranks: srun and
# mpirun kill theirs when they get TERM. It may come more than once.
launchers=() asked=no heard=no
pass_on() { local pid; for pid in "${launchers[@]}"; do kill -USR1 "$pid" 2>/dev/null; done; }
stop() { asked=yes heard=yes; say "got $1: asking the ranks to stop"; pass_on; }
trap 'stop USR1' USR1
trap 'stop TERM' TERM

# A signal ends `wait` early, with a code that says nothing of the launcher.
await() { while heard=no; wait "$1"; ended=$?; [[ $heard == yes ]]; do :; done; }

# How much a code says: done, stopped, a lost rank or node, too many failed, a mistake or a full
# disk that another run would meet again.
weight() {
  case $1 in
    0) echo 0 ;;
    85) echo 1 ;;
    76) echo 3 ;;
    64 | 65 | 66 | 70 | 73 | 74 | 77 | 78) echo 4 ;;
    *) echo 2 ;;
  esac
}

# By us, as sites need not have set RequeueExit=85. A job that Slurm has ended already is one that a
# user cancelled, and stays so, or one that Slurm puts back itself, unless its time was up.
requeue() {
  if ((restarts >= max_requeues)); then
    say "requeued $restarts times, as often as is allowed: giving up"
    exit 75
  fi
  local now
  now=$(scontrol show job "$SLURM_JOB_ID")
  if [[ $now =~ JobState=(COMPLETING|CANCELLED) && $now != *Reason=TimeLimit* ]]; then
    exit "$code"
  fi
  trap - USR1 TERM
  scontrol requeue "$SLURM_JOB_ID" || exit "$code"
  sleep 300 # Slurm ends this run before
}

readonly restarts=${SLURM_RESTART_COUNT:-0}
look
before=$(settled)
said=$(mktemp) || exit 73
for ((world = 0; world < worlds; ++world)); do
  [[ $asked == no ]] || break
  launch >>"$said" &
  launchers+=($!)
  [[ $asked == no ]] || pass_on
done
code=0
[[ $asked == no || ${#launchers[@]} -gt 0 ]] || code=85
for pid in "${launchers[@]}"; do
  await "$pid"
  (($(weight "$ended") <= $(weight "$code"))) || code=$ended
done
cat "$said"
mine=no
! grep -qF -e "$out" "$said" || mine=yes # the program names the folder at its end
rm -f "$said"
look
say "run $((restarts + 1)) of job $SLURM_JOB_ID ended with $code:" \
  "$(settled) of $(count total) samples"

(($(weight "$code") < 3)) || exit "$code"
if finished; then exit 0; fi
if [[ $code == 0 && $mine == yes && $others == yes ]]; then exit 0; fi
if [[ $code == 0 ]]; then
  say "nothing went wrong, it was said, but not all is done: the ranks did not start, or lost files"
  code=75
fi
if [[ $asked == yes || $code == 85 ]] || (($(settled) > before)); then requeue; fi
exit "$code" # what made nothing would make nothing again
)BASH";

}  // namespace trireme
