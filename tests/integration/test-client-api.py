#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public face of libvmclient: what it exports, what it documents, what is installed."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

import harness

FOLDER = os.path.join(harness.BUILD, "libvmclient")
LIBRARY = os.path.join(FOLDER, "libvmclient-1.so")
GIR = os.path.join(FOLDER, "VmClient-1.gir")
HEADERS = os.path.join(harness.SOURCE, "libvmclient")
CORE = "{http://www.gtk.org/introspection/core/1.0}"
C = "{http://www.gtk.org/introspection/c/1.0}"
GLIB = "{http://www.gtk.org/introspection/glib/1.0}"
PUBLIC_HEADERS = [name for name in os.listdir(HEADERS)
                  if name == "vmclient.h" or re.fullmatch(
                      r"vm-client-(capabilities|config|enums|error|machine|manager|options)\.h",
                      name)]


def run(*command, **keys):
    return subprocess.run(command, check=True, text=True, capture_output=True, **keys).stdout


def declared():
    """The functions of the public headers."""
    names = set()
    for header in PUBLIC_HEADERS:
        with open(os.path.join(HEADERS, header), encoding="utf-8") as source:
            text = source.read()
        names |= set(re.findall(r"VM_CLIENT_PUBLIC\s[^;(]*?\b(vm_client_\w+)\(", text))
        names |= {f"{prefix}_get_type"
                  for prefix in re.findall(r"G_DECLARE_FINAL_TYPE\(\w+, (\w+),", text)}
    return names


class SymbolTest(unittest.TestCase):
    def exported(self):
        lines = run("nm", "-D", "--defined-only", LIBRARY).splitlines()
        return [line.split()[-1] for line in lines if line.split()[1] != "A"]

    def test_only_what_is_declared(self):
        exported = self.exported()
        self.assertGreater(len(exported), 100)
        for symbol in exported:
            self.assertRegex(symbol, r"^vm_client_\w+@@VMCLIENT_1$")
        self.assertEqual({symbol.split("@")[0] for symbol in exported}, declared())

    def test_soname_and_needs(self):
        lines = run("readelf", "-d", LIBRARY)
        self.assertIn("[libvmclient-1.so.0]", lines)
        needed = set(re.findall(r"NEEDED.*\[(.*?)\.so", lines))
        needed -= {"libasan", "libubsan"}
        self.assertEqual(needed, {"libgio-2.0", "libgobject-2.0", "libglib-2.0", "libc"})

    def test_headers_name_no_internals(self):
        for header in PUBLIC_HEADERS:
            with open(os.path.join(HEADERS, header), encoding="utf-8") as source:
                for include in re.findall(r'#include\s+["<](.*?)[">]', source.read()):
                    self.assertIn(include, PUBLIC_HEADERS + ["gio/gio.h"], header)


@unittest.skipUnless(os.path.exists(GIR), "this build has no introspection data")
class DocumentationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.namespace = ET.parse(GIR).getroot().find(f"{CORE}namespace")

    def elements(self, *tags):
        for tag in tags:
            yield from self.namespace.iter(tag)

    def test_everything_has_a_comment(self):
        missing = []
        for element in self.elements(*(CORE + tag for tag in (
                "class", "enumeration", "bitfield", "member", "constructor", "method", "function",
                "property")), f"{GLIB}signal"):
            document = element.find(f"{CORE}doc")
            if document is None or len(document.text.split()) < 2:
                missing.append((element.tag.split("}")[1], element.get("name")))
        self.assertEqual(missing, [])

    def test_every_parameter_and_result_has_one(self):
        missing = []
        for element in self.elements(*(CORE + tag for tag in (
                "constructor", "method", "function")), f"{GLIB}signal"):
            name = element.get(f"{C}identifier") or element.get("name")
            for parameter in element.iterfind(f"{CORE}parameters/{CORE}parameter"):
                if parameter.find(f"{CORE}doc") is None:
                    missing.append((name, parameter.get("name")))
            result = element.find(f"{CORE}return-value")
            kind = result.find(f"{CORE}type")
            if (kind is None or kind.get("name") != "none") and result.find(f"{CORE}doc") is None:
                missing.append((name, "result"))
        self.assertEqual(missing, [])

    def test_all_functions_are_introspectable(self):
        seen = set()
        for element in self.elements(*(CORE + tag for tag in ("constructor", "method",
                                                              "function"))):
            self.assertNotEqual(element.get("introspectable"), "0", element.get("name"))
            seen.add(element.get(f"{C}identifier"))
        types = {name for name in declared() if name.endswith("_get_type")}
        self.assertEqual(seen, declared() - types)

    def test_strings_and_handles_have_owners(self):
        for element in self.elements(*(CORE + tag for tag in ("constructor", "method",
                                                              "function"))):
            result = element.find(f"{CORE}return-value")
            self.assertIsNotNone(result.get("transfer-ownership"), element.get("name"))


@unittest.skipIf("VMSERVICE_SANITIZED" in os.environ, "a sanitized library needs its runtime")
@unittest.skipUnless(shutil.which("pkg-config"), "needs pkg-config")
class InstalledTest(unittest.TestCase):
    """A program outside of the tree builds against what is installed."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vmclient-install-")
        self.addCleanup(shutil.rmtree, self.folder)
        run("meson", "install", "-C", harness.BUILD, "--no-rebuild", "--destdir", self.folder,
            "--tags", "devel,runtime")
        self.packages = []
        for folder, _, files in os.walk(self.folder):
            if "vmclient-1.pc" in files:
                self.packages.append(folder)

    def flags(self, *what):
        environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=self.folder,
                           PKG_CONFIG_PATH=self.packages[0])
        text = run("pkg-config", *what, "vmclient-1", env=environment)
        # The sysroot is put before GLib's folders too, which are not in it.
        return [word.replace(f"-I{self.folder}", "-I")
                if not os.path.isdir(word[2:]) else word for word in text.split()]

    def compile(self, *compiler):
        source = os.path.join(harness.SOURCE, "libvmclient", "examples", "run-vm.c")
        run(*compiler, "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", source,
            *self.flags("--cflags"), *self.flags("--libs"), "-o",
            os.path.join(self.folder, "run-vm"))

    def test_c(self):
        self.assertEqual(len(self.packages), 1)
        self.compile("cc", "-std=c11")

    @unittest.skipUnless(shutil.which("c++"), "needs a C++ compiler")
    def test_headers_in_cpp(self):
        source = os.path.join(self.folder, "use.cc")
        with open(source, "w", encoding="utf-8") as out:
            out.write("#include <vmclient.h>\nint main() { g_autoptr(VmClientConfig) c = "
                      "vm_client_config_new(); return c == nullptr; }\n")
        run("c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source,
            *self.flags("--cflags"))

    def test_headers_only_through_the_umbrella(self):
        source = os.path.join(self.folder, "use.c")
        with open(source, "w", encoding="utf-8") as out:
            out.write("#include <vm-client-manager.h>\n")
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            run("cc", "-fsyntax-only", source, *self.flags("--cflags"))
        self.assertIn("Include <vmclient.h> only", caught.exception.stderr)


if __name__ == "__main__":
    unittest.main()
