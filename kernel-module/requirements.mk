# SPDX-License-Identifier: GPL-2.0
#
# Ends make in one line if no kvm.ko can be built against KDIR.

ifneq ($(words $(KDIR)),1)
$(error KDIR is '$(KDIR)', and make knows no file names with spaces: give the directory another name)
endif
ifeq ($(wildcard $(KDIR)/Makefile),)
$(error $(KDIR) is no kernel build directory: name one with KDIR=DIR)
endif

again := and build that kernel again

# The configuration, as Kbuild includes it.
ifeq ($(wildcard $(KDIR)/include/config/auto.conf),)
$(error $(KDIR) has no include/config/auto.conf: configure and build the kernel there first)
endif
include $(KDIR)/include/config/auto.conf

ifneq ($(CONFIG_LOONGARCH),y)
$(error $(KDIR)/.config is for another architecture than LoongArch: name a LoongArch kernel with KDIR=DIR)
endif

oldest := $(shell cat oldest-kernel)
release := $(shell cat $(KDIR)/include/config/kernel.release)
ifneq ($(shell printf '%s\n' $(oldest) $(release) | sort -V | head -n 1),$(oldest))
$(error $(KDIR) has Linux $(release): Linux $(oldest) or later is needed)
endif

ifneq ($(CONFIG_RUST),y)
$(error $(KDIR)/.config lacks CONFIG_RUST=y: set it $(again))
endif
# The kernel's own crates can be used by the compiler alone that made them.
rustc := $(or $(RUSTC),rustc)
built-by := $(subst ",,$(CONFIG_RUSTC_VERSION_TEXT))
ours := $(shell $(rustc) --version 2>/dev/null)
ifneq ($(and $(built-by),$(subst $(built-by),,$(or $(ours),none))),)
$(error $(KDIR) was built by $(built-by), and $(rustc) is $(or $(ours),not there): name that compiler with RUSTC=FILE)
endif
ifeq ($(CONFIG_KVM),y)
$(error $(KDIR)/.config has CONFIG_KVM=y, and no module replaces a KVM that is built in: set CONFIG_KVM=m $(again), or build this one in (kernel-patches/README.md))
endif
ifneq ($(CONFIG_KVM),m)
$(error $(KDIR)/.config lacks CONFIG_KVM=m: set it $(again))
endif

# A build directory apart from its source names that in its Makefile, and so do
# packages of kernel headers.
source := $(shell sed -n 's,^include \(/.*\)/Makefile$$,\1,p' $(KDIR)/Makefile)
source := $(or $(source),$(KDIR))
ifeq ($(wildcard $(source)/virt/kvm/kvm_main.c),)
$(error $(source) has no virt/kvm/kvm_main.c: kernel headers are not enough, name the build directory of a full source tree with KDIR=DIR)
endif

unbuilt := $(filter-out $(wildcard $(KDIR)/*.symvers $(KDIR)/rust/bindings/*.rs), \
	$(KDIR)/Module.symvers $(KDIR)/rust/bindings/bindings_generated.rs)
ifneq ($(unbuilt),)
$(error $(firstword $(unbuilt)) is missing: build the kernel in $(KDIR) first)
endif
