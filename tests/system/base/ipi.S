# SPDX-License-Identifier: Apache-2.0 OR MIT

# The IPI registers of the IOCSR space: status, enable, clear, mailboxes, sending
# to oneself and to another CPU, and the interrupt (Loongson 3A5000 manual 10.1).
#
#@ cpus 2

.include "test.inc"
.include "smp.inc"

.macro IOW reg:req, value:req
    li.d    $t0, \value
    li.d    $t1, \reg
    iocsrwr.w $t0, $t1
.endm
.macro IOR dst:req, reg:req
    li.d    $t1, \reg
    iocsrrd.w \dst, $t1
.endm

# The line from the controller to the core may take a moment.
.macro CHECK_LINE name:req, want:req
    li.d    $t0, 10000
.Lsettle\@:
    addi.d  $t0, $t0, -1
    bnez    $t0, .Lsettle\@
    CHECK_CSR "\name", ESTAT, 1 << IS_IPI, (\want) << IS_IPI
.endm

    .text
    .globl main
main:
    IOW     IPI_CLEAR, 0xffffffff
    IOW     IPI_ENABLE, 0xffffffff
    IOR     $s0, IPI_STATUS
    CHECK   "idle.status", $s0, 0
    CHECK_LINE "idle.estat", 0
    # To oneself: vector 3.
    IOW     IPI_SEND, (1 << 31) | 3
    IOR     $s0, IPI_STATUS
    CHECK   "self.status", $s0, 8
    CHECK_LINE "self.estat", 1
    # A second vector adds to it; clearing one keeps the line up.
    IOW     IPI_SEND, (1 << 31) | 31
    IOR     $s0, IPI_STATUS
    addi.w  $s0, $s0, 0
    CHECK   "both.status", $s0, -0x7ffffff8
    IOW     IPI_CLEAR, 8
    IOR     $s0, IPI_STATUS
    addi.w  $s0, $s0, 0
    CHECK   "one.status", $s0, -0x80000000
    CHECK_LINE "one.estat", 1
    IOW     IPI_CLEAR, 0x80000000
    CHECK_LINE "none.estat", 0
    # By the set register.
    IOW     IPI_SET, 0x10
    IOR     $s0, IPI_STATUS
    CHECK   "set.status", $s0, 0x10
    # The interrupt, with the highest priority: IPI is number 12.
    CSRW    ESTAT, 1
    CSRW    ECFG, (1 << IS_IPI) | 1
    TRY     2f
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
1:  nop
    nop
2:  CHECK_EXC "interrupt", EXC_INT, 1b
    TR      $s0, TR_ESTAT
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "interrupt.is", $s0, (1 << IS_IPI) | 1
    # The status is cleared by its register only.
    csrwr   $zero, ESTAT
    CHECK_LINE "estat_write", 1
    IOW     IPI_CLEAR, 0xffffffff
    csrwr   $zero, ECFG
    # Masked: recorded, no line.
    IOW     IPI_ENABLE, 0
    IOW     IPI_SEND, (1 << 31) | 3
    IOR     $s0, IPI_STATUS
    CHECK   "masked.status", $s0, 8
    CHECK_LINE "masked.estat", 0
    IOW     IPI_CLEAR, 0xffffffff
    IOR     $s0, IPI_ENABLE
    CHECK   "enable.read", $s0, 0
    IOW     IPI_ENABLE, 0xffffffff

    # Mailboxes, word and doubleword.
    li.d    $t0, 0x1122334455667788
    li.d    $t1, IPI_MAILBOX + 0x10
    iocsrwr.d $t0, $t1
    li.d    $t1, IPI_MAILBOX + 0x10
    iocsrrd.d $s0, $t1
    CHECK   "mailbox.d", $s0, 0x1122334455667788
    IOR     $s0, IPI_MAILBOX + 0x14
    CHECK   "mailbox.w", $s0, 0x11223344

    # Another CPU takes one: CPU 1 starts, enables the interrupt and answers.
    START_CPU1 cpu1
    AWAIT   ready, 1
    li.d    $t1, IPI_SEND
    li.d    $t0, IPI_TO_CPU1 | 5
    iocsrwr.w $t0, $t1
    AWAIT   ready, 2
    la.pcrel $s0, seen
    ld.w    $s1, $s0, 0
    CHECK   "cpu1.status", $s1, 0x20
    # It has sent one back.
    IOR     $s1, IPI_STATUS
    CHECK   "back.status", $s1, 0x80
    IOW     IPI_CLEAR, 0xffffffff
    b       finish

cpu1:
    CPU1_SETUP
    la.pcrel $t0, cpu1_entry
    csrwr   $t0, EENTRY
    IOW     IPI_CLEAR, 0xffffffff
    IOW     IPI_ENABLE, 0xffffffff
    CSRW    ECFG, 1 << IS_IPI
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    SIGNAL  ready, 1
1:  b       1b

    .balign 4096
cpu1_entry:
    IOR     $t2, IPI_STATUS
    li.d    $t1, IPI_CLEAR
    iocsrwr.w $t2, $t1
    # A second wake-up, vector 0, may still be on its way.
    li.d    $t3, ~1
    and     $t2, $t2, $t3
    bnez    $t2, 1f
    ertn
1:  la.pcrel $t3, seen
    st.w    $t2, $t3, 0
    # To CPU 0, vector 7.
    IOW     IPI_SEND, (1 << 31) | 7
    SIGNAL  ready, 2
1:  b       1b

    .bss
    .balign 8
ready:  .space 8
seen:   .space 8
