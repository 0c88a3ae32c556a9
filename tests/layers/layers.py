#!/usr/bin/env python3
"""Fails on an #include that goes against the arrows between the folders.

    layers.py [ROOT]

A core includes what its arrows allow and what ISO C offers without a clock, a
thread or an errno. An adaptor, told by the end of its name, includes its one
library besides, and may see the system. Tests and generators of documents stand
outside the drawing, and may include anything.
"""

import pathlib
import re
import sys

# An arrow means "may include", and carries on.
ARROWS = {
    "base": {"base"},
    "kv": {"kv", "base"},
    "gossip": {"gossip", "kv", "base"},
    "shuffle": {"shuffle", "base"},
    "conf": {"conf", "base"},
    "node": {"node", "gossip", "shuffle", "conf", "kv", "base"},
}

# Each outside library, and the only files that may include it.
LIBRARIES = {
    r"uv\.h": r".*_uv\.[ch]",
    r"ini\.h": r"conf/conf_ini\.c",
    r"json-c/.*|json\.h": r".*_json\.[ch]",
    r"sodium\.h|sodium/.*": r".*_sodium\.[ch]",
    r"zstd.*\.h": r"gossip/gossip_blocks\.c",
    r"xxhash\.h|xxh3\.h": r"base/hash\.c",
}

# What a core may have of ISO C. Not here: errno, locale, setjmp, signal,
# stdatomic, threads, time.
CORE_HEADERS = {
    "assert.h", "ctype.h", "float.h", "inttypes.h", "limits.h", "math.h",
    "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
    "stdlib.h", "stdnoreturn.h", "string.h",
}

ADAPTOR = re.compile(r".*_(uv|ini|json|sodium|posix)\.[ch]|node/main\.c")
SYSTEM_ADAPTOR = re.compile(r".*_(uv|ini|sodium|posix)\.h")
INCLUDE = re.compile(r"\s*#\s*include\b\s*(.*)")


def judge_ours(path, folder, target, root):
    """What is wrong with `path` including our own `target`, or None."""
    target_folder = target.split("/")[0]
    if not (root / target).is_file() or target_folder not in ARROWS:
        return f'"{target}" is not a header, named from the root'
    if target_folder not in ARROWS[folder]:
        return f"{folder} may not include {target_folder}"
    if SYSTEM_ADAPTOR.fullmatch(target) and not ADAPTOR.fullmatch(path):
        return f"a core may not include the adaptor {target}"
    return None


def judge_outside(path, header):
    """What is wrong with `path` including the system's `header`, or None."""
    for library, files in LIBRARIES.items():
        if re.fullmatch(library, header):
            if re.fullmatch(files, path):
                return None
            return f"<{header}> belongs to {files} alone"
    if header in CORE_HEADERS or ADAPTOR.fullmatch(path):
        return None
    return f"a core may not include <{header}>"


def judge(path, folder, operand, root):
    ours = re.match(r'"([^"]*)"', operand)
    outside = re.match(r"<([^>]*)>", operand)
    if re.match(r'["<]/|.*\.\./', operand):
        return f"{operand} is a path of one machine"
    if ours:
        return judge_ours(path, folder, ours.group(1), root)
    if outside:
        return judge_outside(path, outside.group(1))
    return f"{operand} is neither a header of ours nor of the system"


def violations(root):
    """Each as `FILE:LINE: sentence`, in the order of the files."""
    for folder in ARROWS:
        for file in sorted((root / folder).rglob("*.[ch]")):
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), start=1):
                include = INCLUDE.match(line)
                if not include:
                    continue
                wrong = judge(path, folder, include.group(1), root)
                if wrong:
                    yield f"{path}:{number}: {wrong}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(violations(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
