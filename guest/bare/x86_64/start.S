/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entry by the PVH protocol (Xen docs/misc/pvh.pandoc): 32-bit protected mode, paging off, flat
 * segments, %ebx = struct hvm_start_info. Then long mode (Intel SDM vol. 3A, 10.8.5) with page
 * tables that the assembler has filled, so that the first instructions are few.
 */

#define PTE_PRESENT_WRITE 0x003
#define PTE_HUGE          0x080
#define CR0_PE_WP_PG      0x80010001
#define CR4_PAE           0x20
#define MSR_EFER          0xc0000080
#define EFER_LME          0x100
#define SELECTOR_CODE64   0x08
#define SELECTOR_DATA     0x10
#define SELECTOR_CODE32   0x18

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 8, 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .quad   bare_start

        .section .text.start, "ax"
        .code32
        .globl  bare_start
bare_start:
        cld
        mov     %ebx, %esi
        mov     $__bss_start, %edi
        mov     $__bss_words, %ecx
        xor     %eax, %eax
        rep stosl
        mov     $__stack_top, %esp
        call    enter_long_mode
        ljmp    $SELECTOR_CODE64, $1f
        .code64
1:      mov     %esi, %edi
        xor     %ebp, %ebp
        call    x86_main
        hlt

        .code32
enter_long_mode:
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $bare_pml4, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        lgdt    gdt_register
        mov     %cr0, %eax
        or      $CR0_PE_WP_PG, %eax
        mov     %eax, %cr0
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        ret

/* Processors other than the first: real mode, CS:IP = CPU_TRAMPOLINE >> 4 : 0. */
        .globl  bare_trampoline, bare_trampoline_end
        .code16
bare_trampoline:
        cli
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   (gdt_register_low - bare_trampoline)
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $SELECTOR_CODE32, $processor_start
gdt_register_low:
        .word   gdt_end - gdt - 1
        .long   gdt
bare_trampoline_end:

        .code32
processor_start:
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     bare_processor_stack, %esp
        call    enter_long_mode
        ljmp    $SELECTOR_CODE64, $1f
        .code64
1:      xor     %ebp, %ebp
        call    processor_main
        hlt

/* One entry per vector; those for which the processor pushes no error code push a 0 (SDM 6.13). */
        .globl  bare_vectors
        .balign 16
bare_vectors:
        vector = 0
        .rept   BARE_VECTORS
        .balign 16
        .if     vector != 8 && !(vector >= 10 && vector <= 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
        push    $0
        .endif
        push    $vector
        jmp     interrupt_common
        vector = vector + 1
        .endr

interrupt_common:
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        cld
        mov     %rsp, %rdi
        call    interrupt_dispatch
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp
        iretq

        .data
        .balign 8
gdt:    .quad   0
        .quad   0x00209b0000000000      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
        .quad   0x00cf9b000000ffff      /* 32-bit code */
gdt_end:
gdt_register:
        .word   gdt_end - gdt - 1
        .long   gdt

/* The low 4 GiB one to one in pages of 2 MiB; bare_map() adds to it. */
        .balign 4096
        .globl  bare_pml4
bare_pml4:
        .quad   bare_pdpt + PTE_PRESENT_WRITE
        .fill   511, 8, 0
        .globl  bare_pdpt
bare_pdpt:
        .quad   page_directories + PTE_PRESENT_WRITE
        .quad   page_directories + 0x1000 + PTE_PRESENT_WRITE
        .quad   page_directories + 0x2000 + PTE_PRESENT_WRITE
        .quad   page_directories + 0x3000 + PTE_PRESENT_WRITE
        .fill   508, 8, 0
page_directories:
        address = 0
        .rept   4 * 512
        .quad   address + PTE_PRESENT_WRITE + PTE_HUGE
        address = address + 0x200000
        .endr

        .section .note.GNU-stack, "", @progbits
