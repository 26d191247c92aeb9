#!/usr/bin/env python3
"""Fails if a crate has an import cycle between modules, or one imports a module not below it.

    .ci/imports.py [FOLDER ...]     the crates to check; without any, all crates of the repository

A file and its folder are one module, so a child may use its parents' items, and they its own. Every
other import is one between two modules beside each other: if `aws/secrets.rs` imports
`lambda/config.rs`, then `aws` imports `lambda`; if `lambda/http/request.rs` imports
`lambda/deadline.rs`, then `lambda/http` imports `lambda/deadline`.

An import is a `use` of another file's item, or a path such as `crate::conflicts::Table` in the
code. A name that is re-exported counts as an import of the file that defines it. Test modules and
test files are left out.
"""

import re
import sys
from pathlib import Path

SKIPPED = {"target", "node_modules", "fuzz"}
# The layers of a crate, from top to bottom; CONTRIBUTING.md draws them. A module imports only modules
# of the layers below its own.
LAYERS = {
    "shared": ("problems", "conflicts", "sunshine puzzel", "identity", "aws", "http", "lambda id"),
    "functions/clean-conflicts": (
        "run",
        "process",
        # The modules that read, decide and act.
        "facts decide act",
        "checking config context event report",
        "interrupted",
        "archive",
        "evidence outcome plan",
        "api_key gauges stop",
    ),
}


def without_comments_and_tests(text):
    text = re.sub(r'r#"(?:.|\n)*?"#|"(?:\\.|[^"\\])*"', '""', text)
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    kept, position = "", 0
    for found in re.finditer(r"#\[cfg\((?:any\()?test[^\]]*\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*([{;])", text):
        if found.start() < position:
            continue
        kept += text[position:found.start()]
        position = found.end()
        if found.group(1) == "{":
            depth = 1
            while depth and position < len(text):
                depth += {"{": 1, "}": -1}.get(text[position], 0)
                position += 1
    return kept + text[position:]


def uses(tree, prefix=()):
    """The (path, name) pairs of the tree of a `use` item; the name is the one it gives."""
    tree = tree.strip()
    opened = tree.find("{")
    if opened >= 0 and tree.endswith("}"):
        head = tuple(part for part in tree[:opened].split("::") if part.strip())
        depth, start, inner = 0, 0, tree[opened + 1 : -1]
        for index, char in enumerate(inner + ","):
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "," and depth == 0:
                if inner[start:index].strip():
                    yield from uses(inner[start:index], prefix + tuple(part.strip() for part in head))
                start = index + 1
        return
    path, _, alias = tree.partition(" as ")
    parts = prefix + tuple(part.strip() for part in path.split("::"))
    if parts and parts[-1] == "self" and len(parts) > 1:
        parts = parts[:-1]
    if parts:
        yield parts, alias.strip() or parts[-1]


class Crate:
    def __init__(self, source):
        self.source = source
        self.files, self.reexports, self.imports = {}, {}, {}
        for file in sorted(source.rglob("*.rs")):
            relative = file.relative_to(source)
            parts = relative.with_suffix("").parts
            if parts[0] in ("bin", "main") or "tests" in parts:
                continue
            if parts[-1] in ("lib", "mod"):
                parts = parts[:-1]
            self.files[parts] = relative
        for module, relative in self.files.items():
            self.read(module, (source / relative).read_text())

    def read(self, module, text):
        text = without_comments_and_tests(text)
        self.reexports[module], paths = {}, []
        for public, tree in re.findall(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", text):
            for path, name in uses(tree):
                paths.append(path)
                if public:
                    self.reexports[module][name] = path
        rest = re.sub(r"\buse\s+[^;]+;", "", text)
        paths += [tuple(path.split("::")) for path in re.findall(r"\b(?:crate|self|super)(?:::\w+)+", rest)]
        # A path that begins with a child module, such as `request::body`.
        paths += [tuple(path.split("::")) for path in re.findall(r"(?<![:\w])[a-z_]\w*(?:::\w+)+", rest)]
        self.imports[module] = paths

    def absolute(self, module, path):
        if path[0] == "crate":
            return path[1:]
        if path[0] in ("self", "super"):
            base, rest = module, path
            while rest and rest[0] in ("self", "super"):
                base = base[:-1] if rest[0] == "super" else base
                rest = rest[1:]
            return base + rest
        child = module + path[:1]
        return child + path[1:] if child in self.files else None

    def defining(self, module, path, seen=()):
        """The module that defines what `path`, as `module` writes it, names."""
        if (module, path) in seen:
            return None
        full = self.absolute(module, path)
        if full is None:
            return None
        owner = full
        while owner not in self.files:
            owner = owner[:-1]
        rest = full[len(owner):]
        if rest:
            again = self.reexports[owner].get(rest[0])
            if again:
                found = self.defining(owner, again + rest[1:], seen + ((module, path),))
                return found if found is not None else None
        return owner

    def siblings(self):
        """The imports between modules beside each other: a line each, by their two modules."""
        found = {}
        for module, paths in self.imports.items():
            for target in {self.defining(module, path) for path in paths} - {None}:
                depth = 0
                while module[: depth + 1] == target[: depth + 1] and depth < len(module):
                    depth += 1
                # Otherwise one of them is the other's parent.
                if depth < min(len(module), len(target)):
                    line = f"  {self.source / self.files[module]} imports {self.source / self.files[target]}"
                    found.setdefault((module[: depth + 1], target[: depth + 1]), []).append(line)
        return found

    def not_downwards(self, layers):
        """The imports of modules that are not in a layer below, a line each."""
        layer = {(name,): number for number, names in enumerate(layers) for name in names.split()}
        for name in sorted({module[:1] for module in self.files if module} ^ set(layer)):
            yield f"  {name[0]} is a module without a layer, or in a layer without being a module"
        for (module, target), lines in self.siblings().items():
            if layer.get(module, -1) >= layer.get(target, len(layers)):
                yield from lines

    def cycles(self):
        imports = self.siblings()
        graph = {}
        for module, target in imports:
            graph.setdefault(module, set()).add(target)
        index, low, stack, found = {}, {}, [], []

        def visit(node):
            index[node] = low[node] = len(index)
            stack.append(node)
            for target in graph.get(node, ()):
                if target not in index:
                    visit(target)
                    low[node] = min(low[node], low[target])
                elif target in stack:
                    low[node] = min(low[node], index[target])
            if low[node] == index[node]:
                cycle = []
                while True:
                    cycle.append(stack.pop())
                    if cycle[-1] == node:
                        break
                if len(cycle) > 1:
                    found.append(cycle)

        for node in graph:
            if node not in index:
                visit(node)
        for cycle in found:
            ends = [ends for ends in sorted(imports) if set(ends) <= set(cycle)]
            yield [line for pair in ends for line in sorted(imports[pair])]


def main(folders):
    if not folders:
        manifests = Path(".").rglob("Cargo.toml")
        folders = [it.parent for it in manifests if not SKIPPED & set(it.parts)]
    failed, checked = False, 0
    for folder in sorted(map(Path, folders)):
        if not (folder / "src").is_dir():
            continue
        checked += 1
        crate = Crate(folder / "src")
        for lines in crate.cycles():
            failed = True
            print(f"{folder}: import cycle between modules:", *lines, sep="\n", file=sys.stderr)
        layers = LAYERS.get(folder.as_posix())
        lines = list(crate.not_downwards(layers)) if layers else []
        if lines:
            failed = True
            print(f"{folder}: not as LAYERS in .ci/imports.py says:", *lines, sep="\n", file=sys.stderr)
    print(f"the imports of {checked} crates checked")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
