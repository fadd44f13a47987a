# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Single steps as a debugger makes them with breakpoints alone: GDB does so on
LoongArch (gdb/loongarch-tdep.c), whatever the target could do itself."""

# Offsets in debuggee_subject (tests/guest/debuggee/main.rs) at which each step of
# one call is. From ll.d (0x20) a step goes behind sc.d, or the pair could not
# succeed; a system call is one step.
SUBJECT_STEPS = [
    0x00, 0x04, 0x08, 0x0C, 0x08, 0x0C, 0x10, 0x48, 0x14, 0x18, 0x1C,
    0x20, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x44,
]  # fmt: skip

# Bytes of the subject.
SUBJECT_SIZE = 0x4C

# Where the subject does its work, before which nothing of a call is visible.
SUBJECT_STORE = 0x1C

# Returns from an exception.
ERTN = 0x06483800

# `idle 0`.
IDLE = 0x06488000

LL = (0x20000000, 0x22000000)
SC = (0x21000000, 0x23000000)
# How many instructions a pair may be apart.
PAIR = 16


def signed(value, bits):
    """A field as a signed number."""
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def target(gdb, pc, word):
    """Where the instruction goes if it is a branch that is taken, else None."""
    def register(number):
        return gdb.register(number)

    opcode = word >> 26
    rj, rd = word >> 5 & 31, word & 31
    offset16 = signed(word >> 10 & 0xFFFF, 16) * 4
    if opcode in (0x10, 0x11):
        zero = register(rj) == 0
        if zero != (opcode == 0x10):
            return None
        return pc + signed((word & 31) << 16 | word >> 10 & 0xFFFF, 21) * 4
    if opcode == 0x13:
        return register(rj) + offset16
    if opcode in (0x14, 0x15):
        return pc + signed((word & 0x3FF) << 16 | word >> 10 & 0xFFFF, 26) * 4
    if 0x16 <= opcode <= 0x1B:
        a, b = register(rj), register(rd)
        if opcode in (0x18, 0x19):
            a, b = signed(a, 64), signed(b, 64)
        taken = [a == b, a != b, a < b, a >= b, a < b, a >= b][opcode - 0x16]
        return pc + offset16 if taken else None
    return None


def after(gdb, pc):
    """Where the next step of the selected thread ends."""
    word = gdb.word(pc)
    if word & 0xFF000000 in LL:
        for behind in range(pc + 4, pc + 4 * PAIR, 4):
            if gdb.word(behind) & 0xFF000000 in SC:
                return behind + 4
    jump = target(gdb, pc, word)
    return pc + 4 if jump is None else jump & 0xFFFF_FFFF_FFFF_FFFF
