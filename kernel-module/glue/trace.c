// SPDX-License-Identifier: GPL-2.0
/* Defines the events of trace/kvm_la_trace.h. */

#include <linux/tracepoint.h>
