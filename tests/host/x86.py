#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The emulated x86-64 host: QEMU's TCG with SVM, Debian's kernel, its kvm_amd. Real KVM, on a machine
whose own /dev/kvm cannot boot Linux, or that has none.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cpio
import kernel

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
SHARE = "/run/vmservice-host"
POWER_OFF = "sync; busybox poweroff -f"
# TCG 7.2 lets a guest of the emulated host change the host's XCR0 (no intercept of XSETBV): no XSAVE.
CPU = "max,-xsave"
NO_ANSWER = 125  # the host came to no end: it hung


def build_initramfs(linux, path):
    archive = cpio.Archive()
    archive.copy("/init", os.path.join(HERE, "init"))
    archive.copy("/bin/busybox", BUSYBOX)
    archive.device("/dev/console", 5, 1)
    archive.device("/dev/null", 1, 3)
    kernel.add_modules(archive, linux.modules.load_order(*kernel.HOST_MODULES))
    with open(path, "wb") as file:
        archive.write(file)


class Host:
    """One boot of the emulated host, with a directory shared with it at /run/vmservice-host."""

    def __init__(self, linux, memory_mib=2048, build=None):
        self.linux = linux
        self.build = build  # a build directory (prefix /usr) to install there, or None
        self.memory_mib = memory_mib
        self.directory = tempfile.mkdtemp(prefix="vmservice-host-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def install(self):
        """Installs the build into the stage, which the host sees as part of its root."""
        subprocess.run(
            ["meson", "install", "-C", self.build, "--no-rebuild", "--quiet",
             "--destdir", self.path("stage")],
            check=True, stdout=subprocess.DEVNULL,
        )

    def write_start(self, command, environment, interactive):
        """What the host's first process becomes: runs command, leaves its exit code, powers off."""
        exports = "".join(
            f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()
        )
        terminal = "/dev/ttyS1"
        line = " ".join(shlex.quote(word) for word in command)
        leave = f"echo $? >{SHARE}/exit-code"
        if interactive:
            size = os.get_terminal_size(0)
            setup = f"stty rows {size.lines} cols {size.columns} sane <{terminal}\n"
            run = f"setsid -c -w {line} <{terminal} >{terminal} 2>&1\n{leave}\n"
        else:
            # By a pipe: a program that sees a terminal says more than its caller wants to read.
            setup = f"stty -opost -icanon -echo <{terminal}\n"
            run = f"{{ {line} </dev/null 2>&1; {leave}; }} | cat >{terminal}\n"
        with open(self.path("start"), "w", encoding="utf-8") as file:
            file.write(
                "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                f"export HOME=/root TERM={shlex.quote(os.environ.get('TERM', 'dumb'))}\n"
                f"{exports}{setup}{self.system_up()}cd {shlex.quote(os.getcwd())}\n"
                f"{run}{POWER_OFF}\n"
            )

    def system_up(self):
        if not self.build:
            return ""
        script = shlex.quote(os.path.join(HERE, "system.sh"))
        log = f"{SHARE}/system.log"
        return (f"sh {script} >{log} 2>&1 || {{\n"
                f"cat {SHARE}/*.log >/dev/ttyS1; echo 126 >{SHARE}/exit-code; {POWER_OFF}; }}\n")

    def qemu_command(self, interactive):
        share = "local,security_model=none,multidevs=remap"
        return [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", CPU, "-smp", "1",
            "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot",
            "-kernel", self.linux.vmlinux, "-initrd", self.path("initramfs"),
            "-append", "console=ttyS0 panic=-1 quiet tsc=reliable mitigations=off",
            "-chardev", f"file,id=kernel,path={self.path('kernel.log')}",
            "-serial", "chardev:kernel",
            "-chardev", f"stdio,id=user,signal={'off' if interactive else 'on'}",
            "-serial", "chardev:user",
            "-fsdev", f"{share},id=root,path=/,readonly=on",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", f"{share},id=run,path={self.directory}",
            "-device", "virtio-9p-pci,fsdev=run,mount_tag=run",
        ]

    @staticmethod
    def wait(qemu, patience, output):
        """To its end; False if it takes longer than patience seconds, counted anew while it writes."""
        seen = 0
        while True:
            try:
                qemu.wait(patience)
                return True
            except subprocess.TimeoutExpired:
                size = os.fstat(output.fileno()).st_size if output else seen
                if size == seen:
                    return False
                seen = size

    def run(self, command, environment=None, patience=None, output=None, terminal=True):
        """Boots, runs command, and returns its exit code, or NO_ANSWER. patience: seconds without
        an end and, where there is an output, without a word there."""
        interactive = terminal and output is None and os.isatty(0) and os.isatty(1)
        build_initramfs(self.linux, self.path("initramfs"))
        if self.build:
            self.install()
        self.write_start(command, environment or {}, interactive)
        qemu = subprocess.Popen(
            self.qemu_command(interactive),
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=output,
        )
        try:
            if not self.wait(qemu, patience, output):
                return NO_ANSWER
        finally:
            if qemu.poll() is None:
                qemu.kill()
                qemu.wait()
        try:
            with open(self.path("exit-code"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return NO_ANSWER

    def kernel_log(self):
        with open(self.path("kernel.log"), encoding="utf-8", errors="replace") as file:
            return file.read()


def main():
    """x86.py BUILD [CMD...]: the tree of a build directory on an emulated host, for CMD or a shell."""
    command = sys.argv[2:] or ["/bin/bash", "-i"]
    with Host(kernel.fetch(), build=sys.argv[1]) as host:
        code = host.run(command)
        if code == NO_ANSWER:
            print(host.kernel_log()[-4000:], file=sys.stderr)
            print("the emulated host came to no end", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
