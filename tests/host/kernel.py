# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernel, fetched with the machine's own apt and unpacked into a cache, not installed."""

import fcntl
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import tempfile

import cpio

META_PACKAGE = "linux-image-amd64"
# What the cache keeps of 390 MB of modules: these, and what they depend on.
HOST_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "kvm_amd"]
GUEST_MODULES = ["button", "evdev", "pvpanic-mmio"]


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "vmservice")
    os.makedirs(path, exist_ok=True)
    return path


def extract_vmlinux(bzimage):
    """The ELF inside a bzImage (Linux Documentation/arch/x86/boot.rst, payload_offset)."""
    sectors = bzimage[0x1F1] or 4
    if bzimage[0x202:0x206] != b"HdrS":
        raise ValueError("not a bzImage")
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = bzimage[start : start + length - 4]
    if payload.startswith(b"\xfd7zXZ"):
        image = lzma.decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        image = gzip.decompress(payload)
    else:
        raise ValueError(f"kernel compressed in an unknown way: {payload[:6].hex()}")
    if not image.startswith(b"\x7fELF"):
        raise ValueError("no ELF inside the bzImage")
    return image


class Modules:
    """The modules below a directory, by name."""

    def __init__(self, directory):
        self.paths = {}
        for root, _, files in os.walk(directory):
            for name in files:
                if name.endswith(".ko"):
                    self.paths[name[:-3].replace("_", "-")] = os.path.join(root, name)

    def load_order(self, *names):
        """Paths of the modules and of all that they depend on, each after what it needs."""
        order = []
        for name in names:
            path = self.paths[name.replace("_", "-")]
            if path in order:
                continue
            with open(path, "rb") as file:
                # .modinfo holds NUL-terminated "key=value" strings.
                depends = file.read().split(b"\0depends=", 1)[1].split(b"\0", 1)[0].decode()
            for before in self.load_order(*filter(None, depends.split(","))):
                if before not in order:
                    order.append(before)
            order.append(path)
        return order


class Kernel:
    """An unpacked kernel: files vmlinuz (bzImage) and vmlinux (ELF with a PVH note), modules."""

    def __init__(self, directory):
        self.directory = directory
        self.vmlinuz = os.path.join(directory, "vmlinuz")
        self.vmlinux = os.path.join(directory, "vmlinux")
        self.modules = Modules(os.path.join(directory, "modules"))


def add_modules(archive, order):
    """Puts modules into an archive, with the file /modules/order that says how to load them."""
    for path in order:
        archive.copy(f"/modules/{os.path.basename(path)}", path)
    archive.file("/modules/order", "".join(os.path.basename(path) + "\n" for path in order).encode())


def write_guest_initramfs(linux, guest_cpio, path):
    """The test guest's archive as the build made it, with this kernel's modules behind it."""
    archive = cpio.Archive()
    add_modules(archive, linux.modules.load_order(*GUEST_MODULES))
    with open(path, "wb") as file:
        with open(guest_cpio, "rb") as first:
            file.write(first.read())
        archive.write(file)


def _output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _candidate():
    """Package name and version of the newest kernel that apt knows."""
    for line in _output("apt-cache", "depends", "--important", META_PACKAGE).splitlines():
        word = line.split(":")[-1].strip()
        if line.strip().startswith("Depends:") and word.startswith("linux-image-"):
            shown = _output("apt-cache", "show", "--no-all-versions", word)
            fields = dict(row.split(": ", 1) for row in shown.splitlines() if ": " in row)
            return word, fields["Version"]
    raise RuntimeError(f"apt knows no {META_PACKAGE}: run apt-get update")


def _unpack(package, version, target):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
        os.chmod(work, 0o755)
        subprocess.run(
            ["apt-get", "-q", "download", f"{package}={version}"],
            cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        (deb,) = [name for name in os.listdir(work) if name.endswith(".deb")]
        subprocess.run(["dpkg", "-x", deb, "root"], cwd=work, check=True)
        release = package.removeprefix("linux-image-")
        ready = os.path.join(work, "ready")
        os.mkdir(ready)
        shutil.move(f"{work}/root/boot/vmlinuz-{release}", f"{ready}/vmlinuz")
        shutil.move(f"{work}/root/lib/modules/{release}/kernel", f"{ready}/all")
        os.mkdir(f"{ready}/modules")
        for module in Modules(f"{ready}/all").load_order(*HOST_MODULES, *GUEST_MODULES):
            shutil.move(module, f"{ready}/modules")
        shutil.rmtree(f"{ready}/all")
        with open(f"{ready}/vmlinuz", "rb") as file:
            image = extract_vmlinux(file.read())
        with open(f"{ready}/vmlinux", "wb") as file:
            file.write(image)
        os.rename(ready, target)


def fetch():
    """The newest kernel of the machine's release, from the cache when it is there."""
    package, version = _candidate()
    cache = cache_directory()
    target = os.path.join(cache, f"{package}_{version}")
    with open(os.path.join(cache, "kernel.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            print(f"fetching {package} {version}", flush=True)
            _unpack(package, version, target)
    return Kernel(target)


if __name__ == "__main__":
    print(fetch().directory)
