#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
bench.py BUILD [NAME...] [--json FILE]: numbers against another monitor, taken in one run, in turns.
They are printed and written; nothing is asserted. Runs inside a session of ./run try.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import start

BENCHES = {"start": start.run}


def peer_name():
    text = subprocess.run(["qemu-system-x86_64", "--version"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    return "QEMU microvm " + text.split()[3]


class Results:
    """Rows of a table, as performance figures are written down: medians unless named otherwise."""

    def __init__(self):
        self.rows = []
        self.peer = peer_name()

    def add(self, metric, unit, ours, peer=None, goal=None, peer_name=None, share=False):
        """
        ours, peer: lists of figures; goal: words. ratio: how many times ours the peer is; with share,
        how many times the peer ours is.
        """
        mine = statistics.median(ours)
        other = statistics.median(peer) if peer else None
        self.rows.append({
            "metric": metric, "unit": unit, "ours": mine, "ours_min": min(ours),
            "peer": other, "peer_min": min(peer) if peer else None,
            "peer_name": (peer_name or self.peer) if peer else None,
            "ratio": (mine / other if share else other / mine) if peer and mine and other else None,
            "goal": goal, "n": len(ours),
        })

    def print(self):
        def text(value):
            if value is None:
                return "-"
            return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"

        print(f"{'metric':<52}{'unit':<7}{'ours':>10}{'min':>10}{'peer':>12}{'min':>12}"
              f"{'ratio':>8}{'n':>5}  goal; peer")
        for row in self.rows:
            print(f"{row['metric']:<52}{row['unit']:<7}{text(row['ours']):>10}"
                  f"{text(row['ours_min']):>10}{text(row['peer']):>12}{text(row['peer_min']):>12}"
                  f"{text(row['ratio']):>8}{row['n']:>5}  {row['goal'] or '-'}"
                  f"; {row['peer_name'] or '-'}")


def main():
    parser = argparse.ArgumentParser(prog="./run bench", description="numbers, not tests")
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"no bench {name}; there are: {', '.join(BENCHES)}")
    results = Results()
    for name in options.names or BENCHES:
        BENCHES[name](os.path.abspath(options.build), results)
    results.print()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results.rows, file, indent=4)
            file.write("\n")


if __name__ == "__main__":
    main()
