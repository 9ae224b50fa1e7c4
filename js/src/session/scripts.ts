// What runs in the sandbox: a shell for each line, which takes over the state that the one before has left. The arguments of a
// script are values, never code, but for the line itself. Names of its own begin with `__shoreline`, and are not kept.

/**
 * Makes the directory of a shell, and saves its first state. The arguments are the scripts that restore the state in bash and
 * in sh, and the one that runs a line.
 */
export const OPEN = String.raw`
mask=$(umask)
umask 077
d=$(mktemp -d "${"${TMPDIR:-/tmp}"}/.shoreline-shell-XXXXXXXX") || exit
if command -v bash >/dev/null 2>&1; then kind=bash script=$1; else kind=sh script=$2; fi
printf %s "$script" >"$d/setup" && printf %s "$3" >"$d/run" || exit
printf '%s %s\n' "$kind" "$d"
set --
if [ $kind = bash ]; then exec bash --noprofile --norc "$d/run" "umask $mask"; else exec sh "$d/run" "umask $mask"; fi
`;

/** Runs a line. The shell's messages count lines from this one. */
export const RUN = String.raw`. "${"${0%/*}"}/setup"; eval "$__shoreline_set$1"; { __shoreline_code=$?; __shoreline_save; } 3>&2 2>/dev/null; exit "$__shoreline_code"
`;

/**
 * Restores the state in bash. The trap for EXIT saves it after `exit` too; that of a line that sets one of its own is saved
 * when the line has returned. With that trap, bash 5.2 misses a SIGINT that comes while it starts a program; a trap for INT
 * sees it. A variable that a line has unset must not come back from the environment.
 */
export const BASH = String.raw`
__shoreline_dir=${"${0%/*}"} __shoreline_set= __shoreline_saved=
__shoreline_save() {
  [ -z "$__shoreline_saved" ] || return 0
  __shoreline_saved=1 __shoreline_set=$SHELLOPTS __shoreline_ifs=$IFS
  set +eux -f
  IFS=:
  __shoreline_list=
  for __shoreline_name in $__shoreline_set; do
    case $__shoreline_name in
    braceexpand | hashall | interactive-comments) ;;
    *) __shoreline_list="$__shoreline_list -o $__shoreline_name" ;;
    esac
  done
  IFS=$'\n'
  {
    printf 'cd -- %q\numask %s\n' "$PWD" "$(umask)"
    for __shoreline_name in $(shopt -p); do
      case $__shoreline_name in *login_shell | *restricted_shell) ;; *) printf '%s\n' "$__shoreline_name" ;; esac
    done
    for __shoreline_name in $(compgen -v); do
      case $__shoreline_name in
      __shoreline_* | BASH | BASH_[ACELSV]* | BASHOPTS | BASHPID | COMP_WORDBREAKS | DIRSTACK | EPOCH* | EUID | FUNCNAME) ;;
      GROUPS | HISTCMD | IFS | LINENO | OPTERR | PIPESTATUS | PPID | RANDOM | SECONDS | SHELLOPTS | SRANDOM | UID | _) ;;
      *) declare -p "$__shoreline_name" ;;
      esac
    done
    for __shoreline_name in $(compgen -A function); do
      case $__shoreline_name in __shoreline_*) continue ;; esac
      declare -f "$__shoreline_name"
      case $(declare -F "$__shoreline_name"; declare -Fx) in *" -fx $__shoreline_name"*) printf 'export -f %q\n' "$__shoreline_name" ;; esac
    done
    alias -p
    printf 'IFS=%q\n__shoreline_set=%q\n' "$__shoreline_ifs" "${"${__shoreline_list:+set$__shoreline_list; }"}"
  } >"$__shoreline_dir/state.$$" && command -p mv -f -- "$__shoreline_dir/state.$$" "$__shoreline_dir/state" ||
    printf 'shoreline: the state of the shell could not be saved\n' >&3
}
if [ -f "$__shoreline_dir/state" ]; then
  for __shoreline_name in $(compgen -v); do
    case $__shoreline_name in
    __shoreline_* | BASH* | EUID | IFS | PPID | SHELLOPTS | UID) ;;
    *) unset -v "$__shoreline_name" ;;
    esac
  done
  . "$__shoreline_dir/state"
fi
__shoreline_interrupt() {
  __shoreline_save
  trap - INT EXIT
  kill -INT $$
}
trap '{ __shoreline_save; } 3>&2 2>/dev/null' EXIT
trap '{ __shoreline_interrupt; } 3>&2 2>/dev/null' INT
`;

/** Restores the state in a shell that cannot print its functions, which are not kept. */
export const SH = String.raw`
__shoreline_set= __shoreline_saved=
__shoreline_save() {
  [ -z "$__shoreline_saved" ] || return 0
  set +eux
  __shoreline_pwd=$PWD
  { set && export -p && printf 'umask %s\n' "$(umask)"; } >"${"${0%/*}"}/state.$$" &&
    command -p mv -f -- "${"${0%/*}"}/state.$$" "${"${0%/*}"}/state" ||
    printf 'shoreline: the state of the shell could not be saved\n' >&3
  __shoreline_saved=1
}
if [ -f "${"${0%/*}"}/state" ]; then
  . "${"${0%/*}"}/state"
  cd -- "$__shoreline_pwd"
fi
trap '{ __shoreline_save; } 3>&2 2>/dev/null' EXIT
`;
