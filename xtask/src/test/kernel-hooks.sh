# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs a maintainer script of the kernel's package with hooks below /hooks:
# $0 NAME TEXT.
set -e
name=$1 text=$2

# Makes a hook that notes where it is and what it is given: PLACE NAME [END].
hook() {
    mkdir -p "/hooks/$1/$name.d"
    cat >"/hooks/$1/$name.d/$2" <<END
#!/bin/sh
echo "$1/$2: \$DEB_MAINT_PARAMS: \$*" >>/hooks/noted
$3
END
    chmod 755 "/hooks/$1/$name.d/$2"
}

# Runs the script and compares what its hooks noted.
check() {
    : >/hooks/noted
    sh -c "$text" sh configure 6.0 2>/dev/null
    if [ "$(cat /hooks/noted)" != "$1" ]; then
        echo "$name ran '$(cat /hooks/noted)' and not '$1'"
        exit 1
    fi
}

given=": configure 6.0: 7.0 /boot/vmlinuz-7.0"
mkdir /hooks
check ""
hook usr initial
hook usr menu
check "usr/initial$given
usr/menu$given"
hook etc initial
check "etc/initial$given
usr/menu$given"
rm -r /hooks/usr
check "etc/initial$given"
hook etc initial "exit 1"
if sh -c "$text" sh configure 6.0 2>/dev/null; then
    echo "$name succeeded though a hook failed"
    exit 1
fi
