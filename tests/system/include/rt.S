# SPDX-License-Identifier: Apache-2.0 OR MIT

# Run-time of the programs: start in direct mode, mapped mode through windows,
# console, exception entries, power-off. One binary runs on QEMU's `virt`
# board and on lvz-sim, whose memory map is the same. With EFI defined it is an
# image that the EFI program (efi/main.c) loads anywhere, enters in direct mode
# at its first byte, and gets back with what it printed in memory.

.include "test.inc"

.equ UART, UNCACHED | 0x1fe001e0
.equ UART_LSR, 5
.equ UART_LSR_THRE, 0x20
# Sleep control of the board's event device; its device tree calls this
# register `poweroff` and wants SLP_EN with type S5 there.
.equ SLEEP_CTL, UNCACHED | 0x100e001c
.equ SLEEP_S5, 0x34
# What an image for EFI prints: the count of characters, then the characters.
.equ CONSOLE_COUNT, 0
.equ CONSOLE_TEXT, 16

    .section .text.start, "ax"
    .globl _start
_start:
    .ifdef  EFI
    b       2f
    .balign 8
# `struct image` of efi/main.c.
efi_return: .dword 0
    .dword  console - _start
    .dword  image_end - _start
2:
    .endif
    li.d    $t0, DMW_CACHED
    csrwr   $t0, DMW0
    li.d    $t0, DMW_UNCACHED
    csrwr   $t0, DMW1
    csrwr   $zero, DMW2
    csrwr   $zero, DMW3
    # Direct mode ignores the upper address bits, so the jump into the window
    # comes before mapped mode.
    la.pcrel $t0, 1f
    PHYS    $t0
    li.d    $t1, CACHED
    or      $t0, $t0, $t1
    jr      $t0
1:  li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    la.pcrel $sp, stack_end
    csrwr   $zero, ECFG
    csrwr   $zero, EUEN
    csrwr   $zero, TCFG
    li.d    $t0, 1
    csrwr   $t0, TICLR
    csrwr   $zero, ESTAT
    csrwr   $zero, ASID
    csrwr   $zero, TLBRERA
    li.d    $t0, 14
    csrwr   $t0, STLBPS
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY
    la.pcrel $t0, refill_entry
    PHYS    $t0
    csrwr   $t0, TLBRENTRY
    invtlb  0, $zero, $zero
    bl      main
    b       finish

    .text

# The end of every program: prints `end CHECKS FAILURES` and powers off.
    .globl finish
finish:
    la.pcrel $a0, end_text
    bl      puts
    la.pcrel $t0, counters
    ld.d    $a0, $t0, 0
    bl      puthex
    li.d    $a0, ' '
    bl      putc
    la.pcrel $t0, counters
    ld.d    $a0, $t0, 8
    bl      puthex
    bl      newline
    .globl power_off
power_off:
    .ifdef  EFI
    la.pcrel $t0, efi_return
    ld.d    $t1, $t0, 0
    li.d    $t0, CRMD_DIRECT
    csrwr   $t0, CRMD
    jr      $t1
    .else
    li.d    $t0, SLEEP_CTL
    li.d    $t1, SLEEP_S5
    st.b    $t1, $t0, 0
1:  idle    0
    b       1b
    .endif

# $a0: character. Uses $t0, $t1.
    .globl putc
putc:
    .ifdef  EFI
    la.pcrel $t0, console
    ld.d    $t1, $t0, CONSOLE_COUNT
    addi.d  $t1, $t1, 1
    st.d    $t1, $t0, CONSOLE_COUNT
    # What is too much overwrites the beginning.
    bstrpick.d $t1, $t1, 15, 0
    add.d   $t0, $t0, $t1
    st.b    $a0, $t0, CONSOLE_TEXT - 1
    ret
    .else
    li.d    $t0, UART
1:  ld.bu   $t1, $t0, UART_LSR
    andi    $t1, $t1, UART_LSR_THRE
    beqz    $t1, 1b
    st.b    $a0, $t0, 0
    ret
    .endif

# $a0: text with a terminating zero. Uses $t0-$t3, $a0.
    .globl puts
puts:
    move    $t2, $a0
    move    $t3, $ra
1:  ld.bu   $a0, $t2, 0
    beqz    $a0, 2f
    bl      putc
    addi.d  $t2, $t2, 1
    b       1b
2:  jr      $t3

# $a0: number, printed as 0x and no leading zeros. Uses $t0-$t4, $a0.
    .globl puthex
puthex:
    move    $t2, $a0
    move    $t3, $ra
    li.d    $a0, '0'
    bl      putc
    li.d    $a0, 'x'
    bl      putc
    clz.d   $t4, $t2
    srli.d  $t4, $t4, 2
    slli.d  $t4, $t4, 2
    sll.d   $t2, $t2, $t4
    li.d    $t0, 64
    sub.d   $t4, $t0, $t4
    bnez    $t4, 1f
    li.d    $t4, 4
1:  srli.d  $a0, $t2, 60
    slti    $t0, $a0, 10
    addi.d  $a0, $a0, '0'
    bnez    $t0, 2f
    addi.d  $a0, $a0, 'a' - '0' - 10
2:  bl      putc
    slli.d  $t2, $t2, 4
    addi.d  $t4, $t4, -4
    bnez    $t4, 1b
    jr      $t3

newline:
    li.d    $a0, '\n'
    b       putc

# $a0: name, $a1: got, $a2: wanted.
    .globl check
check:
    move    $t5, $ra
    move    $t6, $a0
    move    $a3, $a1
    la.pcrel $t0, counters
    ld.d    $t1, $t0, 0
    addi.d  $t1, $t1, 1
    st.d    $t1, $t0, 0
    bne     $a1, $a2, 1f
    la.pcrel $a0, ok_text
    bl      puts
    move    $a0, $t6
    bl      puts
    bl      newline
    jr      $t5
1:  ld.d    $t1, $t0, 8
    addi.d  $t1, $t1, 1
    st.d    $t1, $t0, 8
    la.pcrel $a0, fail_text
    bl      puts
    move    $a0, $t6
    bl      puts
    la.pcrel $a0, got_text
    bl      puts
    move    $a0, $a3
    bl      puthex
    la.pcrel $a0, want_text
    bl      puts
    move    $a0, $a2
    bl      puthex
    bl      newline
    jr      $t5

# $a0: name, $a1: value.
    .globl show
show:
    move    $t5, $ra
    move    $t6, $a0
    la.pcrel $a0, val_text
    bl      puts
    move    $a0, $t6
    bl      puts
    li.d    $a0, ' '
    bl      putc
    move    $a0, $a1
    bl      puthex
    bl      newline
    jr      $t5

# $a0: where the next exception or refill goes on. Clears the record.
    .globl arm_trap
arm_trap:
    la.pcrel $t0, trap_area
    st.d    $zero, $t0, TR_COUNT
    st.d    $zero, $t0, TR_RCOUNT
    li.d    $t1, -1
    st.d    $t1, $t0, TR_ESTAT
    st.d    $t1, $t0, TR_ERA
    st.d    $t1, $t0, TR_BADV
    st.d    $t1, $t0, TR_BADI
    st.d    $t1, $t0, TR_PRMD
    st.d    $t1, $t0, TR_CRMD
    st.d    $t1, $t0, TR_TLBEHI
    st.d    $t1, $t0, TR_RBADV
    st.d    $t1, $t0, TR_RERA
    st.d    $t1, $t0, TR_REHI
    st.d    $t1, $t0, TR_RPRMD
    st.d    $t1, $t0, TR_RCRMD
    st.d    $t1, $t0, TR_RESTAT
    st.d    $a0, $t0, TR_RESUME
    ret

# General exceptions and interrupts, ECFG.VS = 0.
    .balign 4096
    .globl trap_entry
trap_entry:
    csrwr   $t0, SAVE0
    csrwr   $t1, SAVE1
    .globl trap_common
trap_common:
    la.pcrel $t0, trap_area
    csrrd   $t1, CRMD
    st.d    $t1, $t0, TR_CRMD
    csrrd   $t1, ESTAT
    st.d    $t1, $t0, TR_ESTAT
    csrrd   $t1, ERA
    st.d    $t1, $t0, TR_ERA
    csrrd   $t1, BADV
    st.d    $t1, $t0, TR_BADV
    csrrd   $t1, BADI
    st.d    $t1, $t0, TR_BADI
    csrrd   $t1, PRMD
    st.d    $t1, $t0, TR_PRMD
    csrrd   $t1, TLBEHI
    st.d    $t1, $t0, TR_TLBEHI
    ld.d    $t1, $t0, TR_COUNT
    addi.d  $t1, $t1, 1
    st.d    $t1, $t0, TR_COUNT
    ld.d    $t1, $t0, TR_HOOK
    beqz    $t1, trap_resume
    jr      $t1
# Goes on where TRY said; $t0 = trap_area.
    .globl trap_resume
trap_resume:
    ld.d    $t1, $t0, TR_RESUME
    beqz    $t1, unexpected
    st.d    $zero, $t0, TR_RESUME
    csrwr   $t1, ERA
    csrwr   $zero, PRMD
    li.d    $t1, CRMD_RUN
    csrwr   $t1, CRMD
    csrrd   $t0, SAVE0
    csrrd   $t1, SAVE1
    ertn

# An exception that no TRY expected: says so and ends the program.
unexpected:
    li.d    $t1, CRMD_RUN
    csrwr   $t1, CRMD
    la.pcrel $a0, unexpected_text
    PHYS    $a0
    li.d    $t1, CACHED
    or      $a0, $a0, $t1
    bl      puts
    csrrd   $a0, ESTAT
    bl      puthex
    la.pcrel $a0, era_text
    bl      puts
    csrrd   $a0, ERA
    bl      puthex
    la.pcrel $a0, badv_text
    bl      puts
    csrrd   $a0, BADV
    bl      puthex
    la.pcrel $a0, tlbrera_text
    bl      puts
    csrrd   $a0, TLBRERA
    bl      puthex
    la.pcrel $a0, tlbrbadv_text
    bl      puts
    csrrd   $a0, TLBRBADV
    bl      puthex
    bl      newline
    b       power_off

# TLB refills; direct mode.
    .balign 4096
    .globl refill_entry
refill_entry:
    csrwr   $t0, TLBRSAVE
    csrwr   $t1, SAVE2
    la.pcrel $t0, trap_area
    csrrd   $t1, CRMD
    st.d    $t1, $t0, TR_RCRMD
    csrrd   $t1, ESTAT
    st.d    $t1, $t0, TR_RESTAT
    csrrd   $t1, TLBRBADV
    st.d    $t1, $t0, TR_RBADV
    csrrd   $t1, TLBRERA
    st.d    $t1, $t0, TR_RERA
    csrrd   $t1, TLBREHI
    st.d    $t1, $t0, TR_REHI
    csrrd   $t1, TLBRPRMD
    st.d    $t1, $t0, TR_RPRMD
    ld.d    $t1, $t0, TR_RCOUNT
    addi.d  $t1, $t1, 1
    st.d    $t1, $t0, TR_RCOUNT
    ld.d    $t1, $t0, TR_RHOOK
    beqz    $t1, 1f
    # Hooks are stored as window addresses; direct mode drops the top bits.
    PHYS    $t1
    jr      $t1
# Goes on where TRY said; $t0 = trap_area.
    .globl refill_resume
refill_resume:
1:  ld.d    $t1, $t0, TR_RESUME
    beqz    $t1, unexpected
    st.d    $zero, $t0, TR_RESUME
    ori     $t1, $t1, 1
    csrwr   $t1, TLBRERA
    csrwr   $zero, TLBRPRMD
    csrrd   $t1, SAVE2
    csrrd   $t0, TLBRSAVE
    ertn

# Refill hook: walks three levels as Linux does on 16 KiB pages and returns to
# the interrupted instruction.
    .globl refill_walk
refill_walk:
    csrrd   $t0, PGD
    lddir   $t0, $t0, 3
    lddir   $t0, $t0, 1
    ldpte   $t0, 0
    ldpte   $t0, 1
    tlbfill
    csrrd   $t1, SAVE2
    csrrd   $t0, TLBRSAVE
    ertn

    .section .rodata
ok_text:         .asciz "ok "
fail_text:       .asciz "FAIL "
got_text:        .asciz " got="
want_text:       .asciz " want="
val_text:        .asciz "val "
end_text:        .asciz "end "
unexpected_text: .asciz "FAIL unexpected-exception estat="
era_text:        .asciz " era="
badv_text:       .asciz " badv="
tlbrera_text:    .asciz " tlbrera="
tlbrbadv_text:   .asciz " tlbrbadv="

    .bss
    .ifdef  EFI
    .balign 16
console:    .space CONSOLE_TEXT + 0x10000
    .endif
    .balign 16
    .globl trap_area
trap_area:  .space TR_SIZE
counters:   .space 16
    .balign 16
stack:      .space 16384
stack_end:
