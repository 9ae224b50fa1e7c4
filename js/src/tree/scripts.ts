// What runs in the sandbox: a POSIX shell and `tar`, GNU's or BusyBox's.

/** The exit codes of these scripts for what is wrong with the path. */
export const NOT_FOUND = 66;
export const IN_THE_WAY = 73;

const BEGIN = String.raw`
die() { printf '%s\n' "$2" >&2; exit "$1"; }
command -v tar >/dev/null 2>&1 || die 127 'tar is not installed in the sandbox: install it, or use writeFile and readFile'
unset TAR_OPTIONS CDPATH
LC_ALL=C
export LC_ALL
`;

/**
 * Takes an archive from standard input. Its arguments are the path, the name of a directory beside it, what the archive has
 * (`tree`, or `one` entry with the name `one`), and the mode of the tree's root. What is new is complete before it gets its
 * name. A directory that is there is extracted into, since a copy beside it would need the space twice.
 */
export const TAKE = `${BEGIN}${String.raw`
target=$1 name=$2 kind=$3 mode=$4
case $(tar --version </dev/null 2>/dev/null) in
*GNU*) made=gnu keep=--no-overwrite-dir ;;
*) made=other keep= ;;
esac
if [ "$kind" = tree ] && [ -d "$target" ]; then
  echo "merge $made"
  umask 0
  tar -C "$target" $keep -x -p -o -f -
  exit
fi
if [ "$kind" = one ] && [ -d "$target" ]; then die ${IN_THE_WAY} "$target is a directory in the sandbox: give the path of the copy"; fi
if [ "$kind" = tree ] && { [ -e "$target" ] || [ -L "$target" ]; }; then die ${IN_THE_WAY} "$target is not a directory in the sandbox"; fi
parent=${"${target%/*}"}/
stage=$parent$name
mkdir -p -- "$parent" && mkdir -m 700 -- "$stage" || exit
# BusyBox's tar sets no modes unless root runs it: a file has the one that it is made with.
umask 0
whole=
case $(mv --help 2>&1) in *-T*) whole=-T ;; esac
echo "new $made"
tar -C "$stage" -x -p -o -f - &&
  if [ "$kind" = one ]; then mv -f $whole -- "$stage/one" "$target" && rmdir -- "$stage"
  else chmod "$mode" "$stage" && mv $whole -- "$stage" "$target"
  fi
status=$?
[ "$status" = 0 ] || { chmod -R u+rwX -- "$stage"; rm -rf -- "$stage"; } 2>/dev/null
exit "$status"
`}`;

/**
 * Makes an archive of a path. Output of a process is text on some servers, and kept in a log: the archive goes by files,
 * of which two wait at most. Standard input has a line for each file that may be made, and ends when all of them were
 * read. The arguments are the path, a name for the directory of the files, whether links are followed and the size is wanted, and
 * GNU's tar's options for what is left out.
 */
export const GIVE = `${BEGIN}${String.raw`
source=$1 name=$2 follow=$3 total=$4
shift 4
if [ -d "$source" ] && { [ -n "$follow" ] || [ ! -L "$source" ]; }; then kind=tree directory=$source member=.
elif [ -e "$source" ] || [ -L "$source" ]; then kind=one directory=${"${source%/*}"}/ member=./${"${source##*/}"}
else die ${NOT_FOUND} "there is no $source in the sandbox"
fi
cd -- "$directory" || exit
case $(tar --version </dev/null 2>/dev/null) in
*GNU*) gnu=1 ;;
*)
  gnu=
  set --
  ;;
esac
[ -z "$follow" ] || set -- -h "$@"
case $TMPDIR in
/*) [ -d "$TMPDIR" ] && [ -w "$TMPDIR" ] || TMPDIR=/tmp ;;
*) TMPDIR=/tmp ;;
esac
spool=$TMPDIR/$name
mkdir -m 700 -- "$spool" || exit
echo "$kind $spool"
if [ -n "$gnu$total" ] && [ -n "$gnu" ] && [ -n "$total" ]; then
  tar "$@" --totals -c -f /dev/null -- "$member" 2>&1 | sed -n 's/^Total bytes written: \([0-9]*\).*/total \1/p'
fi
exec 3<&0
{
  tar "$@" -c -f - -- "$member"
  echo "$?" >"$spool/status"
} | {
  n=0
  while read -r _ <&3; do
    [ "$n" -lt 2 ] || rm -f -- "$spool/$((n - 2))"
    dd bs=65536 count=256 of="$spool/$n" 2>"$spool/note" || { cat "$spool/note" >&2; exit 74; }
    [ -s "$spool/$n" ] || exit 0
    echo "$n"
    n=$((n + 1))
  done
  exit 74
}
copied=$?
status=$(cat "$spool/status")
if [ "$copied" = 0 ]; then
  echo end
  cat <&3 >/dev/null
fi
rm -rf -- "$spool"
[ "$copied" = 0 ] || exit "$copied"
exit "$status"
`}`;

/** Removes what a script that was killed has left. */
export const CLEAN = `chmod -R u+rwX -- "$1" 2>/dev/null; rm -rf -- "$1"`;
