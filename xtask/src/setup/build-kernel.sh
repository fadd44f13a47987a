# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds a kernel with Rust in the working directory, its build tree.
# Arguments: the number of jobs, then make and what every run of it is told.
#
# To Kbuild the Rust crates are part of the preparation: they are compiled one
# after the other, by compilers that use one CPU, and nothing else begins before
# they are done. The drivers do not need them, so they are built meanwhile. A
# variable on make's command line overrides the configuration in makefiles only:
# what the C compiler sees is the same, and the last make finds it built.
#
# The crates that the macros are made of run a few seconds and are not in the
# kernel, but Kbuild has them optimised at length: a rustc before the real one
# leaves that out. Under its name, since Kbuild compares commands by their text.
set -e
jobs=$1
shift
"$@" -j"$jobs" CONFIG_RUST= prepare
mkdir macros
cat >macros/rustc <<'EOF'
#!/bin/sh
case " $* " in
*" --crate-type rlib -O "*) set -- "$@" -Copt-level=0 -Cdebug-assertions=no ;;
esac
PATH=${PATH#*:} exec rustc "$@"
EOF
chmod +x macros/rustc
PATH=$PWD/macros:$PATH "$@" -j"$jobs" prepare &
rust=$!
# Preparing writes files that two makes must not write at once. The first is past
# that when it is at the crates.
while kill -0 "$rust" 2>/dev/null && ! [ -d rust ]; do
    sleep 0.1
done
"$@" -j"$jobs" CONFIG_RUST= drivers/
wait "$rust"
"$@" -j"$jobs" vmlinux modules
