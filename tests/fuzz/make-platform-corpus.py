#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the named inputs of the boot, device and console targets into corpus/.

They are binary; this is their readable form. Run it after a change and commit what it writes."""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name + ".bin")).write_bytes(bytes(data))


# --- boot-elf: the header, its segments, then the bytes that they name ---

PT_LOAD, PT_NOTE = 1, 4
ADDRESS = 0x100000


def note(name=b"Xen\0", kind=18, content=struct.pack("<I", ADDRESS + 16), align=4):
    def pad(data):
        return data + bytes(-len(data) % align)

    header = struct.pack("<III", len(name), len(content), kind)
    return pad(pad(header + name) + content)


def elf(notes=note(), loads=((ADDRESS, b"\x90" * 64, 128),), kind=2, machine=62, ident=b"\2\1\1",
        align=4, **fields):
    n_segments = len(loads) + (1 if notes is not None else 0)
    at = 64 + 56 * n_segments
    segments, body = b"", b""
    if notes is not None:
        segments += struct.pack("<IIQQQQQQ", PT_NOTE, 4, at, 0, 0, len(notes), len(notes), align)
        body += notes
    for address, content, size in loads:
        segments += struct.pack("<IIQQQQQQ", PT_LOAD, 5, at + len(body), 0, address, len(content),
                                size, 4096)
        body += content
    header = b"\x7fELF" + ident + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0, fields.get("phoff", 64), 0, 0, 64,
        fields.get("phentsize", 56), fields.get("phnum", n_segments), 0, 0, 0)
    return header + segments + body


def make_elf():
    write("boot-elf", "empty", b"")
    write("boot-elf", "magic-only", b"\x7fELF")
    write("boot-elf", "exec", elf())
    write("boot-elf", "dyn", elf(kind=3))
    write("boot-elf", "entry-of-8-bytes", elf(note(content=struct.pack("<Q", ADDRESS))))
    write("boot-elf", "entry-beyond-4-gib", elf(note(content=struct.pack("<Q", 1 << 32 | ADDRESS))))
    write("boot-elf", "entry-of-3-bytes", elf(note(content=b"abc")))
    write("boot-elf", "entry-outside", elf(note(content=struct.pack("<I", 4096))))
    write("boot-elf", "linux", elf(note(b"Linux\0", 0x100, bytes(8), 8) + note(align=8), align=8))
    write("boot-elf", "xen-guest-os", elf(note(kind=6, content=b"linux\0") + note()))
    write("boot-elf", "other-notes-first", elf(note(b"GNU\0", 3, bytes(20)) + note()))
    write("boot-elf", "note-ends-outside", elf(note()[:-4] + b""))
    write("boot-elf", "note-name-huge", elf(struct.pack("<III", 0xffffffff, 4, 18) + bytes(16)))
    write("boot-elf", "note-content-huge", elf(struct.pack("<III", 4, 0xfffffff0, 18) + bytes(16)))
    write("boot-elf", "notes-too-long", elf(bytes(16388)))
    write("boot-elf", "no-note", elf(None))
    write("boot-elf", "no-segments", elf(phnum=0))
    write("boot-elf", "too-many-segments", elf(phnum=129))
    write("boot-elf", "segments-outside", elf(phoff=1 << 40))
    write("boot-elf", "odd-segment-size", elf(phentsize=32))
    write("boot-elf", "32-bit", elf(ident=b"\1\1\1"))
    write("boot-elf", "no-class", elf(ident=b"\7\1\1"))
    write("boot-elf", "big-endian", elf(ident=b"\2\2\1"))
    for name, machine in (("i386", 3), ("arm", 40), ("arm64", 183), ("riscv", 243), ("ppc", 21),
                          ("s390", 22), ("unknown", 999)):
        write("boot-elf", "machine-" + name, elf(machine=machine))
    for name, kind in (("rel", 1), ("core", 4), ("unknown", 9)):
        write("boot-elf", "type-" + name, elf(kind=kind))
    write("boot-elf", "low-segment", elf(loads=((0x1000, b"low", 3),)))
    write("boot-elf", "high-segment", elf(loads=((ADDRESS, b"a" * 64, 1 << 40),)))
    write("boot-elf", "wrapping-segment", elf(loads=((2**64 - 16, b"a" * 64, 64),)))
    write("boot-elf", "file-larger-than-memory", elf(loads=((ADDRESS, b"a" * 64, 63),)))
    write("boot-elf", "overlap", elf(loads=((ADDRESS, b"a" * 64, 64), (ADDRESS + 63, b"b", 1))))
    write("boot-elf", "neighbours", elf(loads=((ADDRESS, b"a" * 64, 64), (ADDRESS + 64, b"b", 1))))
    write("boot-elf", "empty-segment", elf(loads=((ADDRESS, b"a" * 64, 64), (0, b"", 0))))
    write("boot-elf", "truncated", elf()[:-1])


# --- boot-bzimage: 1, then the setup header from offset 0x1f1 of the file on ---

def setup_header(**fields):
    value = {
        "setup_sects": 1, "root_flags": 0, "syssize": 0x100, "ram_size": 0, "vid_mode": 0,
        "root_dev": 0, "boot_flag": 0xaa55, "jump": 0x6aeb, "header": 0x53726448, "version": 0x20f,
        "realmode_swtch": 0, "start_sys_seg": 0, "kernel_version": 0, "type_of_loader": 0,
        "loadflags": 1, "setup_move_size": 0, "code32_start": ADDRESS, "ramdisk_image": 0,
        "ramdisk_size": 0, "bootsect_kludge": 0, "heap_end_ptr": 0, "ext_loader_ver": 0,
        "ext_loader_type": 0, "cmd_line_ptr": 0, "initrd_addr_max": 0x7fffffff,
        "kernel_alignment": 0x100000, "relocatable_kernel": 1, "min_alignment": 20,
        "xloadflags": 3, "cmdline_size": 2047, "hardware_subarch": 0, "hardware_subarch_data": 0,
        "payload_offset": 0, "payload_length": 0, "setup_data": 0, "pref_address": 0x100000,
        "init_size": 0x10000, "handover_offset": 0, "kernel_info_offset": 0,
    }
    value.update(fields)
    return struct.pack("<BHIHHHHHIHIHHBBHIIIIHBBIIIBBHIIQIIQQIII", *value.values())


def make_bzimage():
    def write_header(name, **fields):
        write("boot-bzimage", name, b"\1" + setup_header(**fields))

    write_header("plain")
    write_header("old-protocol", version=0x20b)
    write_header("short-header", jump=0x20eb)
    write_header("long-header", jump=0xffeb)
    write_header("no-boot-flag", boot_flag=0)
    write_header("zimage", loadflags=0)
    write_header("32-bit", xloadflags=2)
    write_header("initrd-below-2-gib", xloadflags=1)
    write_header("no-alignment", kernel_alignment=0)
    write_header("odd-alignment", kernel_alignment=3)
    write_header("huge-alignment", kernel_alignment=0x80000000)
    write_header("default-setup-sectors", setup_sects=0)
    write_header("many-setup-sectors", setup_sects=255)
    write_header("no-payload", syssize=0)
    write_header("huge-payload", syssize=0xffffffff)
    write_header("small-init-size", init_size=0xfff)
    write_header("huge-init-size", init_size=0xffffffff)
    write_header("low-address", pref_address=0)
    write_header("low-and-fixed", pref_address=0x1000, relocatable_kernel=0)
    write_header("wrapping-address", pref_address=2**64 - 1)
    write_header("wrapping-and-fixed", pref_address=2**64 - 1, relocatable_kernel=0)
    write("boot-bzimage", "cut-header", b"\1" + setup_header()[:40])
    for name, offset, magic in (
            ("gzip", 0, b"\x1f\x8b"), ("xz", 0, b"\xfd7zXZ"), ("zstd", 0, b"\x28\xb5\x2f\xfd"),
            ("lz4", 0, b"\x04\x22\x4d\x18"), ("bzip2", 0, b"BZh"), ("script", 0, b"#!/bin/sh\n"),
            ("cpio", 0, b"070701"), ("qcow2", 0, b"QFI\xfb"), ("efi", 0, b"MZ"),
            ("zboot", 0, b"MZ\0\0zimg"), ("arm64", 0x38, b"ARM\x64"), ("riscv", 0x38, b"RSC\5"),
            ("boot-sector", 0x1fe, b"\x55\xaa"), ("text", 0, b"hello\n"), ("empty", 0, b"")):
        write("boot-bzimage", "is-" + name, b"\0" + bytes(offset) + magic)


# --- boot-cmdline: limit, room, image end, initrd's highest address, then the text ---

def make_cmdline():
    def write_case(name, limit, room, end, top, text):
        write("boot-cmdline", name, struct.pack("<HHHH", limit, room, end, top) + text)

    write_case("fits", 2047, 4096, 0x100, 0xffff, b"console=ttyS0")
    write_case("just-fits", 5, 6, 0x100, 0xffff, b"12345")
    write_case("beyond-limit", 4, 100, 0x100, 0xffff, b"12345")
    write_case("beyond-room", 100, 5, 0x100, 0xffff, b"12345")
    write_case("no-room", 100, 0, 0x100, 0xffff, b"1")
    write_case("empty", 0, 1, 0x100, 0xffff, b"")
    write_case("embedded-nul", 100, 100, 0x100, 0xffff, b"ab\0cd")
    write_case("initrd-low", 100, 100, 0x100, 0x1ff, b"initrd")
    write_case("initrd-nowhere", 100, 100, 0x3ff, 0x3fe, b"initrd")
    write_case("initrd-above-image", 100, 100, 0x3ff, 0xffff, b"initrd")
    write_case("image-at-the-top", 100, 100, 0x400, 0xffff, b"initrd")
    write_case("no-address", 100, 100, 0, 0, b"initrd")
    write("boot-cmdline", "too-short", b"1234567")


# --- devices: operation, port, width, value ---

WRITE, READ, RECEIVE, BUTTON, RESET = 0, 2, 3, 4, 5
SERIAL, PM, PAYLOAD, I8042, PVPANIC = 0, 8, 16, 24, 25
THR, IER, FCR, LCR, MCR, LSR, MSR, SCR = range(8)


def out(port, value, width=1):
    return bytes((WRITE, port, width, value))


def inb(port, width=1):
    return bytes((READ, port, width, 0))


def receive(n):
    return bytes((RECEIVE, 0, 0, n))


def make_devices():
    write("devices", "nothing", b"")
    write("devices", "autoconfig",
          out(IER, 0) + out(IER, 15) + inb(IER) + out(MCR, 0x1a) + inb(MSR) + out(MCR, 0) +
          out(LCR, 0xbf) + inb(FCR) + out(LCR, 0) + out(FCR, 1) + inb(FCR) + out(LCR, 0x80) +
          out(THR, 1) + out(IER, 0) + inb(THR) + inb(IER) + out(LCR, 3) + out(SCR, 0x5a) +
          inb(SCR) + inb(LCR) + inb(MCR))
    write("devices", "receive-without-fifo", out(IER, 1) + receive(3) + inb(FCR) + inb(THR) +
          inb(THR) + receive(1) + inb(LSR))
    for level in range(4):
        write("devices", f"trigger-{level}", out(FCR, 1 | level << 6) + out(IER, 1) + receive(3) +
              inb(FCR) + receive(20) + inb(FCR) + inb(THR) * 17 + inb(FCR))
    write("devices", "loopback", out(FCR, 1) + out(MCR, 0x1f) + out(IER, 15) + out(THR, 65) * 17 +
          inb(FCR) + inb(LSR) + inb(FCR) + inb(THR) * 16 + inb(FCR) + inb(FCR) + inb(MSR) +
          receive(2) + out(MCR, 0x1b) + inb(MSR) + out(MCR, 0))
    write("devices", "loopback-without-fifo", out(MCR, 0x10) + out(THR, 65) * 2 + inb(LSR) +
          inb(THR))
    write("devices", "transmitter-interrupt", out(IER, 2) + inb(FCR) + out(THR, 65) + inb(FCR) +
          out(IER, 0) + out(IER, 2))
    write("devices", "fifo-cleared", out(FCR, 1) + receive(40) + out(FCR, 3) + receive(40) +
          out(FCR, 0) + receive(2) + out(FCR, 2))
    write("devices", "read-only-registers", out(LSR, 255) + out(MSR, 255) + inb(LSR) + inb(MSR))
    for width in range(9):
        write("devices", f"width-{width}",
              b"".join(out(port, 0x34, width) + inb(port, width) for port in range(32)))
    write("devices", "reset-in-the-middle", out(FCR, 1) + out(IER, 15) + receive(40) +
          bytes((BUTTON, 0, 0, 0)) + bytes((RESET, 0, 0, 0)) + inb(LSR) + inb(PM + 4))
    write("devices", "power-button", bytes((BUTTON, 0, 0, 0)) * 2 + inb(PM + 4) + inb(PM + 4, 4))
    write("devices", "sleep-types", b"".join(out(PM, 0x20 | kind << 2) for kind in range(8)) +
          out(PM, 0x14) + out(PM + 1, 0x80) + out(PM + 2, 0x42) + out(PM + 2, 0x41))
    write("devices", "payload", out(PAYLOAD, 0, 4) + out(PAYLOAD, 1, 4) + out(PAYLOAD + 4, 7, 4) +
          out(PAYLOAD, 1, 1) + out(PAYLOAD + 1, 1, 4) + inb(PAYLOAD, 8))
    write("devices", "panic", b"".join(out(PVPANIC, value) for value in range(8)) + inb(PVPANIC))
    write("devices", "reset-command", out(I8042, 0xfe) + out(I8042, 0xd1) + inb(I8042))


# --- console: operation and socket, argument ---

OUTPUT, TURN, ATTACH, CLOSE, DRAIN, TYPE, SHUTDOWN, ROOM, FLUSH = 0, 2, 4, 6, 7, 9, 11, 12, 14
READER, WRITER, THIEF, SCROLLBACK = 0, 1, 3, 4


def do(operation, argument=0, socket=0):
    return bytes((operation | socket << 4, argument))


def make_console():
    write("console", "nothing", b"")
    write("console", "print", do(OUTPUT, 1) + do(ATTACH, SCROLLBACK) + do(TURN) + do(DRAIN, 9) +
          do(OUTPUT, 4) + do(TURN) + do(CLOSE) + do(TURN))
    write("console", "overrun", do(ATTACH) + do(OUTPUT, 255) * 3 + do(TURN) + do(DRAIN, 255) * 9)
    write("console", "never-drained", do(ATTACH) + (do(OUTPUT, 20) + do(TURN)) * 900 +
          (do(DRAIN, 255) + do(TURN)) * 100 + do(FLUSH))
    write("console", "gone-while-full", do(ATTACH) + (do(OUTPUT, 20) + do(TURN)) * 900 +
          do(CLOSE) + do(OUTPUT, 3) + do(TURN))
    write("console", "typing", do(ATTACH, WRITER) + do(TYPE, 9) + do(TURN) + do(ROOM, 99) +
          do(TURN) + do(ROOM, 99) + do(TURN))
    write("console", "second-writer", do(ATTACH, WRITER) + do(ATTACH, WRITER, 1) + do(TURN))
    write("console", "steal", do(ATTACH, WRITER) + do(TYPE, 9) + do(ATTACH, THIEF, 1) +
          do(TYPE, 9, 1) + do(TURN) + do(ROOM, 255) + do(TURN) + do(DRAIN, 9) + do(CLOSE, 0, 1) +
          do(TURN))
    write("console", "steal-from-a-full-one", do(ATTACH, WRITER) + (do(OUTPUT, 20) + do(TURN)) * 900 +
          do(ATTACH, THIEF, 1) + do(TURN) + (do(DRAIN, 255) + do(TURN)) * 99)
    write("console", "typed-and-left", do(ATTACH, WRITER) + do(TYPE, 255) + do(CLOSE) + do(TURN) +
          (do(ROOM, 255) + do(TURN)) * 20)
    write("console", "left-for-another", do(ATTACH, WRITER) + do(TYPE, 255) + do(CLOSE) + do(TURN) +
          do(ATTACH, WRITER, 1) + do(TYPE, 1, 1) + do(TURN) + (do(ROOM, 255) + do(TURN)) * 20)
    for how, name in ((0, "read"), (1, "write"), (2, "both")):
        write("console", "shutdown-" + name, do(ATTACH, WRITER) + do(ATTACH, READER, 1) +
              do(SHUTDOWN, how) + do(SHUTDOWN, how, 1) + do(OUTPUT, 2) + do(TURN) + do(TYPE, 3) +
              do(TURN) + do(ROOM, 255) + do(TURN))
    write("console", "flush-at-the-end", do(ATTACH, READER, 2) + do(OUTPUT, 9) + do(FLUSH) +
          do(OUTPUT, 200))
    write("console", "all-sockets", b"".join(do(ATTACH, SCROLLBACK, n) for n in range(8)) +
          do(OUTPUT, 5) + do(TURN) + b"".join(do(CLOSE, 0, n) for n in range(8)))
    write("console", "log-rotates", (do(OUTPUT, 30) + do(TURN)) * 60)


make_elf()
make_bzimage()
make_cmdline()
make_devices()
make_console()
