# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the named inputs of the PCI targets into corpus/.

They are binary; this is their readable form. Run it after a change and commit what it writes."""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name + ".bin")).write_bytes(bytes(data))


# --- pci: operation and function, width, offset, value ---

(CONFIG_READ, CONFIG_WRITE, PORT_READ, PORT_WRITE, BAR_READ, BAR_WRITE, SIGNAL, ANYWHERE) = range(8)
COMMAND, BAR0, MSIX, TABLE, PBA = 0x04, 0x10, 0x40, 0x1000, 0x2000
FIRST_SLOT = 3


def do(operation, offset=0, value=0, width=4, function=0):
    return struct.pack("<BBHI", operation | function << 4, width, offset, value)


def on(function=0):
    return do(CONFIG_WRITE, COMMAND, 6, 2, function)


def vector(index, control=0, function=0):
    entry = TABLE + 16 * index
    return (do(BAR_WRITE, entry, 0xfee00000, 4, function) +
            do(BAR_WRITE, entry + 4, 0, 4, function) +
            do(BAR_WRITE, entry + 8, 0x41 + index, 4, function) +
            do(BAR_WRITE, entry + 12, control, 4, function))


def make_pci():
    enable = do(CONFIG_WRITE, MSIX + 2, 0x8000, 2)
    write("pci", "nothing", b"")
    write("pci", "sizing", do(CONFIG_WRITE, BAR0, 0xffffffff) + do(CONFIG_READ, BAR0) +
          do(CONFIG_WRITE, BAR0, 0xc0000000) + on())
    write("pci", "moved", on() + b"".join(
        do(CONFIG_WRITE, BAR0, place) + do(BAR_READ, 8) + do(BAR_WRITE, 0x3ffc, 1)
        for place in (0xc1000000, 0xdfffc000, 0xe0000000, 0, 0xfffff000, 0xc0004000)))
    write("pci", "moved-by-bytes", on() + b"".join(
        do(CONFIG_WRITE, BAR0 + byte, 0xc1 + byte, 1) for byte in range(4)))
    write("pci", "overlap", on(0) + on(1) + on(2) + do(CONFIG_WRITE, BAR0, 0xc0004000, 4, 0) +
          do(BAR_READ, 0, 0, 8, 1) + do(CONFIG_WRITE, BAR0, 0xc0006000, 4, 2) +
          do(BAR_WRITE, 0x2000, 0, 8, 2))
    write("pci", "ports", do(PORT_WRITE, 0, 0x80000000 | FIRST_SLOT << 11 | COMMAND) +
          do(PORT_READ, 0) + do(PORT_WRITE, 4, 6, 2) + do(PORT_READ, 4) + do(PORT_READ, 5, 0, 1) +
          do(PORT_WRITE, 0, 0xffffffff) + do(PORT_READ, 4) + do(PORT_WRITE, 3, 1, 1) +
          do(PORT_READ, 2, 0, 4) + do(PORT_WRITE, 8, 0, 4))
    write("pci", "every-vector", on() + enable + b"".join(vector(i) for i in range(70)) +
          b"".join(do(SIGNAL, i) for i in range(72)))
    write("pci", "pending", on() + enable + do(SIGNAL, 0) + do(SIGNAL, 69) + do(SIGNAL, 0xffff) +
          do(BAR_READ, PBA, 0, 8) + do(BAR_READ, PBA + 8, 0, 8) + vector(69) + vector(0) +
          do(BAR_READ, PBA, 0, 4))
    write("pci", "masks", on() + enable + vector(1) + do(CONFIG_WRITE, MSIX + 2, 0xc000, 2) +
          do(SIGNAL, 1) + do(CONFIG_WRITE, COMMAND, 2, 2) + enable + on() + vector(1, 1) +
          do(SIGNAL, 1) + do(CONFIG_WRITE, MSIX + 2, 0, 2) + do(SIGNAL, 1) + enable)
    write("pci", "message-changes", on() + enable + vector(2) +
          do(BAR_WRITE, TABLE + 40, 0x55) + do(BAR_WRITE, TABLE + 32, 0xfee01000, 8) +
          do(BAR_WRITE, TABLE + 40, 0x1, 8))
    for width in range(17):
        write("pci", f"width-{width}", on() + enable + b"".join(
            do(BAR_WRITE, TABLE + at, 0xa5a5a5a5, width) + do(BAR_READ, TABLE + at, 0, width) +
            do(BAR_READ, PBA + at, 0, width) + do(CONFIG_WRITE, at, 0xffffffff, width) +
            do(CONFIG_READ, at, 0, width) + on() for at in range(0, 24)))
    write("pci", "table-edges", on() + b"".join(
        do(operation, place + at, 0xffffffff, 8) for operation in (BAR_READ, BAR_WRITE)
        for place in (TABLE, TABLE + 70 * 16, PBA, PBA + 16, 0x4000) for at in range(-8, 8)))
    write("pci", "hooks", b"".join(
        do(CONFIG_WRITE, at, 0xffffffff, width) + do(CONFIG_READ, at, 0, width)
        for at in range(0xec, 0x100) for width in (1, 2, 4)))
    write("pci", "beyond", do(CONFIG_READ, 0xfc, 0, 8) + do(CONFIG_WRITE, 0x100, 1) +
          do(CONFIG_READ, 0xffc) + do(CONFIG_WRITE, 0xffe, 1, 4) + do(ANYWHERE, 0xffff, 9, 8) +
          do(ANYWHERE, 0, 9, 4) + do(ANYWHERE, 0x800, 9, 2))
    write("pci", "reset-in-the-middle", on() + enable + vector(3) + do(SIGNAL, 4) +
          do(ANYWHERE, 0, 0, 16) + do(SIGNAL, 3) + on() + enable)


# --- virtio-pci: operation, width, offset, value ---

(READ, WRITE, COMMON_WRITE, SPACE_WRITE, SPACE_READ, TURN, SET_UP, MEMORY) = range(8)
STATUS, Q_SELECT, Q_SIZE, Q_MSIX, Q_ENABLE, Q_RESET = 20, 22, 24, 26, 28, 58
ISR, DEVICE, NOTIFY, VIRTIO_TABLE = 0x1000, 0x2000, 0x3000, 0x4000


def op(operation, offset=0, value=0, width=2):
    return struct.pack("<BBHH", operation, width, offset, value)


def make_virtio_pci():
    run = op(SET_UP, 0x101) + op(TURN)
    write("virtio-pci", "nothing", b"")
    write("virtio-pci", "runs", run + op(WRITE, NOTIFY) + op(TURN))
    # One descriptor at the first ring, made available.
    ring = 0x100 * 64
    chain = (op(MEMORY, ring, 0x1000, 2) + op(MEMORY, ring + 8, 16, 2) +
             op(MEMORY, ring + 0x204, 0, 2) + op(MEMORY, ring + 0x202, 1, 2))
    write("virtio-pci", "one-chain", chain + op(SET_UP, 0x100) + op(TURN) + op(READ, ISR, 0, 1) +
          op(MEMORY, ring + 0x202, 2, 2) + op(WRITE, NOTIFY) + op(TURN) + op(READ, ISR, 0, 1))
    write("virtio-pci", "index-jump", op(MEMORY, ring + 0x202, 0x4000, 2) + op(SET_UP, 0x100) +
          op(TURN) + op(COMMON_WRITE, STATUS, 0, 1) + op(TURN))
    write("virtio-pci", "status-in-any-order", b"".join(
        op(COMMON_WRITE, STATUS, value, 1) + op(TURN)
        for value in (4, 8, 1, 0, 0x80, 2, 0xff, 0, 15, 11, 3)))
    write("virtio-pci", "queue-numbers", run + b"".join(
        op(COMMON_WRITE, Q_SELECT, number) + b"".join(
            op(COMMON_WRITE, field, 1) for field in (Q_SIZE, Q_MSIX, Q_ENABLE, Q_RESET))
        for number in (0, 1, 2, 3, 64, 65, 0x7fff, 0xffff)) + op(TURN))
    write("virtio-pci", "sizes", op(COMMON_WRITE, STATUS, 3, 1) + b"".join(
        op(COMMON_WRITE, Q_SIZE, size) + op(SET_UP, 0x80) + op(TURN) +
        op(COMMON_WRITE, STATUS, 0, 1) + op(TURN) for size in (0, 1, 3, 64, 0x8000, 0x8001)))
    write("virtio-pci", "queue-reset", run + op(COMMON_WRITE, Q_SELECT, 1) +
          op(COMMON_WRITE, Q_RESET, 1) + op(READ, Q_RESET) + op(TURN) + op(READ, Q_RESET) +
          op(COMMON_WRITE, Q_ENABLE, 1) + op(TURN))
    write("virtio-pci", "reset-in-the-middle", chain + run + op(COMMON_WRITE, STATUS, 0, 1) +
          op(COMMON_WRITE, STATUS, 1, 1) + op(TURN) + run)
    write("virtio-pci", "configuration", b"".join(
        op(operation, DEVICE + at, 0x5a5a, width) for operation in (READ, WRITE)
        for at in range(12) for width in (1, 2, 4, 8)) + op(TURN))
    write("virtio-pci", "bar-moves", run + b"".join(
        op(SPACE_WRITE, 0x12, place, 2) + op(WRITE, NOTIFY) for place in (0xc100, 0, 0xdfff, 0xffff,
                                                                         0xe000, 0xc000)) +
          op(SPACE_WRITE, 4, 0, 2) + op(SPACE_WRITE, 4, 6, 2))
    # VIRTIO_PCI_CAP_PCI_CFG: behind four capabilities of 16, 16, 20 and 16 bytes.
    cfg = 0x40 + 16 + 16 + 20 + 16
    write("virtio-pci", "through-configuration-space", b"".join(
        op(SPACE_WRITE, cfg + 4, 0, 1) + op(SPACE_WRITE, cfg + 8, offset, 2) +
        op(SPACE_WRITE, cfg + 10, 0, 2) + op(SPACE_WRITE, cfg + 12, length, 2) +
        op(SPACE_WRITE, cfg + 14, 0, 2) + op(SPACE_READ, cfg + 16, 0, 4) +
        op(SPACE_WRITE, cfg + 16, 1, 4)
        for offset in (0, STATUS, NOTIFY, ISR, 0x7ffc, 0x7fff, 0x8000) for length in (0, 1, 2, 4, 8)))
    write("virtio-pci", "vectors", run + op(SPACE_WRITE, cfg + 22, 0x8000, 2) + b"".join(
        op(WRITE, VIRTIO_TABLE + 16 * i + 12, 0, 4) for i in range(5)) +
          op(COMMON_WRITE, 16, 3) + op(COMMON_WRITE, 16, 4) + op(WRITE, DEVICE + 4, 9) +
          op(TURN) + op(READ, 0x5000, 0, 8))
    for width in range(17):
        write("virtio-pci", f"width-{width}", run + b"".join(
            op(COMMON_WRITE, at, 0xa5a5, width) + op(READ, at, 0, width) for at in range(64)) +
              op(WRITE, NOTIFY + 0xffc, 0, width) + op(READ, ISR, 0, width) + op(TURN))


make_pci()
make_virtio_pci()
