# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs lvz-sim from /kvm-la/packages, uses it, upgrades it and takes it away.
# Arguments: the versions of old.deb and new.deb, then what runs the program if this
# computer cannot.
old=$1
new=$2
shift 2

# Boots a kernel until a line of the console says that it is there.
boots() {
    expected=$1
    shift
    says "$expected" "$@" run --memory 512M --kernel /kvm-la/boot/kernel --initrd /kvm-la/boot/initrd \
        --append 'console=ttyS0 kvm-la.say=ttyS1' --serial1 -
}
completes() {
    bash -c '. /usr/share/bash-completion/completions/lvz-sim.bash && complete -p lvz-sim' &&
        grep -q '^#compdef lvz-sim' /usr/share/zsh/vendor-completions/_lvz-sim &&
        grep -q 'lvz-sim' /usr/share/fish/vendor_completions.d/lvz-sim.fish
}

# Each document that the program's texts name is there.
documented() {
    named=$(grep -ao 'docs/[a-z]*[.]md' /usr/bin/lvz-sim | sort -u)
    echo "$named"
    [ -n "$named" ] || return 1
    for name in $named; do
        [ -f "/usr/share/doc/lvz-sim/${name#docs/}" ] || return 1
    done
}

# Boots a kernel until the limit cuts it off, under the emulator "$@".
begins_to_boot() {
    "$@" /usr/bin/lvz-sim run --memory 512M --kernel /kvm-la/boot/kernel \
        --append 'console=ttyS0 earlycon' --max-instructions 100M
    [ $? = 124 ]
}

files >/tmp/before
check install dpkg --install /kvm-la/packages/old.deb
check installed is_installed lvz-sim "$old"
check unharmed is_unharmed lvz-sim
check version says '^lvz-sim ' "$@" /usr/bin/lvz-sim --version
check man-page says 'snapshot-out' man lvz-sim-run
check man-page-of-commands says 'lvz-sim-run' man lvz-sim
check completions completes
check documents documented
check copyright says 'common-licenses/Apache-2.0' cat /usr/share/doc/lvz-sim/copyright
if [ $# = 0 ]; then
    check boot boots '^KVM-LA-GUEST power-off' lvz-sim
else
    # An emulator below makes this slow: as far as the kernel's first words.
    check boot says 'Linux version' begins_to_boot "$@"
fi
check upgrade dpkg --install /kvm-la/packages/new.deb
check upgraded is_installed lvz-sim "$new"
check version-after-upgrade says '^lvz-sim ' "$@" /usr/bin/lvz-sim --version
check remove dpkg --remove lvz-sim
check purge dpkg --purge lvz-sim
check nothing-left nothing_is_left lvz-sim
