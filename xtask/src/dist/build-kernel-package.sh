# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Builds the kernel of a package from the distribution's configuration, /kvm-la/out/config,
# and installs it into /kvm-la/out/root. If there is a file /kvm-la/out/modules in lsmod's
# form, the kernel has those modules alone and no debug information.
# Arguments: the number of jobs, then make and what every run of it is told.
set -e
jobs=$1
shift
out=/kvm-la/out
set_options() { /kvm-la/linux/scripts/config --file .config "$@"; }
external() { "$@" M=/kvm-la/module/kernel-module; }

cp $out/config .config
# Modules are not signed: the distribution's key is not here, and a key made for each
# build would make each package another. Under lockdown Linux loads none of them.
set_options --module KVM --set-str LOCALVERSION -kvm-la \
    --disable MODULE_SIG_ALL --set-str MODULE_SIG_KEY '' --set-str SYSTEM_TRUSTED_KEYS ''
# The root with the compilers has no zstd; EFI unpacks gzip as well.
set_options --disable KERNEL_ZSTD --enable KERNEL_GZIP
if [ -e $out/modules ]; then
    set_options --disable DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT --enable DEBUG_INFO_NONE
fi
"$@" olddefconfig
if [ -e $out/modules ]; then
    yes '' | "$@" LSMOD=$out/modules localmodconfig
fi
for option in CONFIG_KVM=m CONFIG_RUST=y; do
    grep -q "^$option\$" .config || {
        echo "the distribution's configuration does not allow $option"
        exit 1
    }
done

"$@" -j"$jobs" all
external "$@" -j"$jobs" modules
# Below usr, where Debian has the modules too.
"$@" INSTALL_MOD_PATH=$out/root/usr INSTALL_MOD_STRIP=1 modules_install
external "$@" INSTALL_MOD_PATH=$out/root/usr INSTALL_MOD_STRIP=1 modules_install
release=$(cat include/config/kernel.release)
rm -f "$out/root/usr/lib/modules/$release/build"
depmod --basedir $out/root/usr "$release"
mkdir $out/root/boot
cp "$("$@" -s image_name)" "$out/root/boot/vmlinuz-$release"
cp System.map "$out/root/boot/System.map-$release"
cp .config "$out/root/boot/config-$release"
