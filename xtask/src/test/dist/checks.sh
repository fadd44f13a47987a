# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# What the scripts of the suite `dist` begin with: each check prints what its command
# prints, then "KVM-LA-DIST passed NAME" or "KVM-LA-DIST failed NAME: WHY".
set -u

# check NAME COMMAND...: the command ends with status 0.
check() {
    name=$1
    shift
    echo "+ $*"
    "$@" >/tmp/out 2>&1 </dev/null
    status=$?
    cat /tmp/out
    if [ $status = 0 ]; then
        echo "KVM-LA-DIST passed $name"
    else
        echo "KVM-LA-DIST failed $name: status $status"
    fi
}

# Whether a command says what a pattern of grep names.
says() {
    pattern=$1
    shift
    "$@" >/tmp/said 2>&1 </dev/null
    said=$?
    cat /tmp/said
    [ $said = 0 ] && grep -q -- "$pattern" /tmp/said
}

# The version of a package that is installed and configured.
is_installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' "$1")" = "installed $2" ]
}

# No file of a package is missing or changed.
is_unharmed() {
    harm=$(dpkg --verify "$1")
    echo "$harm"
    [ -z "$harm" ]
}

# All files, but for those that the system's own tools keep.
files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /tmp \
        -o -path /kvm-la -o -path /mnt \) -prune -o -print | sort
}

# No file is there that `files` did not find at first, and dpkg has forgotten the
# package. Files may be gone: other packages' scripts tidy up too.
nothing_is_left() {
    files >/tmp/after
    new_files=$(comm -13 /tmp/before /tmp/after)
    echo "$new_files"
    [ -z "$new_files" ] && ! dpkg-query --status "$1"
}
