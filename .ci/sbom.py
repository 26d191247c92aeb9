"""Reduces an SBOM (first argument) to the crates of `cargo tree` (standard input), and writes it (second).

cargo-cyclonedx uses `cargo metadata`, which merges the features of all functions and includes
optional dependencies that are never enabled (such as `ring`, which nothing links).
A crate that is missing is an error.
"""

import json
import sys

source, destination = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    sbom = json.load(file)
# Lines are "name v1.2.3", possibly followed by "(proc-macro)", "(*)" or a path.
linked = {tuple(line.split()[:2]) for line in sys.stdin if line.strip()}


def crate(component):
    return component["name"], "v" + component["version"]


function = sbom["metadata"]["component"]
missing = linked - {crate(it) for it in [function, *sbom["components"]]}
if missing:
    sys.exit(f"{destination}: not in the SBOM: {sorted(missing)}")
sbom["components"] = [it for it in sbom["components"] if crate(it) in linked]
kept = {it["bom-ref"] for it in [function, *sbom["components"]]}
sbom["dependencies"] = [
    {**it, "dependsOn": [ref for ref in it.get("dependsOn", []) if ref in kept]}
    for it in sbom["dependencies"]
    if it["ref"] in kept
]
with open(destination, "w", encoding="utf-8") as file:
    json.dump(sbom, file, indent=2)
print(f"{destination}: {len(kept)} crates")
