/* SPDX-License-Identifier: GPL-2.0 */
/* What the module's Rust code sees of the kernel beyond the kernel crate. */

#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/hrtimer.h>
#include <kvm/iodev.h>

#include <asm/fpu.h>
#include <asm/lbt.h>
#include <asm/pgalloc.h>

#include "glue.h"
#include "kvm_la_trace.h"
