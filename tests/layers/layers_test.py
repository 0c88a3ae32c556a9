#!/usr/bin/env python3
"""The layers test on small trees of its own: it finds what was planted, and
nothing else."""

import pathlib
import tempfile
import unittest

import layers

# What stands in every tree; nothing here is wrong.
CLEAN = {
    "base/bytes.h": "#include <stdint.h>",
    "base/hash.c": '#include "base/bytes.h"\n#include <xxhash.h>',
    "base/addr_posix.h": '#include "base/bytes.h"\n#include <netinet/in.h>',
    "kv/kv.h": '#include "base/bytes.h"',
    "gossip/gossip.h": '#include "kv/kv.h"\n#include "base/bytes.h"',
    "gossip/gossip_blocks.c": "#include <zstd.h>",
    "gossip/gossip_uv.h": '#include "gossip/gossip.h"\n#include <uv.h>',
    "gossip/gossip_uv.c": '#include "gossip/gossip_uv.h"\n#include <errno.h>',
    "shuffle/shuffle.h": '#include "base/bytes.h"',
    "conf/conf.h": '#include "base/bytes.h"',
    "conf/conf_ini.c": '#include "conf/conf.h"\n#include <ini.h>',
    "node/node.h": '#include "gossip/gossip.h"\n#include "shuffle/shuffle.h"\n'
                   '#include "conf/conf.h"\n#include "kv/kv.h"',
    "node/node_json.c": "#include <json-c/json.h>",
    "node/main.c": '#include "gossip/gossip_uv.h"\n#include <signal.h>',
    "tests/unit/any_test.c": '#include "no/such.h"\n#include <uv.h>',
}

# A file, what it includes, and what is said of it.
PLANTED = [
    ("base/x.c", '#include "kv/kv.h"', "base may not include kv"),
    ("kv/x.c", '#include "gossip/gossip.h"', "kv may not include gossip"),
    ("kv/x.h", '#include "conf/conf.h"', "kv may not include conf"),
    ("gossip/x.c", '#include "shuffle/shuffle.h"',
     "gossip may not include shuffle"),
    ("gossip/x.c", '#include "node/node.h"', "gossip may not include node"),
    ("shuffle/x.c", '#include "gossip/gossip.h"',
     "shuffle may not include gossip"),
    ("shuffle/x.h", '#  include "kv/kv.h"', "shuffle may not include kv"),
    ("conf/x.c", '#include "shuffle/shuffle.h"',
     "conf may not include shuffle"),
    ("shuffle/x_uv.c", '#include "conf/conf.h"',
     "shuffle may not include conf"),
    ("gossip/x.c", "#include <uv.h>", "<uv.h> belongs to "),
    ("gossip/x_json.c", "#include <uv.h>", "<uv.h> belongs to "),
    ("conf/x_ini.c", "#include <ini.h>", "<ini.h> belongs to "),
    ("node/x.c", "#include <json-c/json.h>", "<json-c/json.h> belongs to "),
    ("node/x.c", "#include <sodium.h>", "<sodium.h> belongs to "),
    ("gossip/x.c", "#include <zstd.h>", "<zstd.h> belongs to "),
    ("gossip/x.c", "#include <zstd_errors.h>", "<zstd_errors.h> belongs to "),
    ("base/x.c", "#include <xxhash.h>", "<xxhash.h> belongs to "),
    ("base/x.c", "#include <unistd.h>", "a core may not include <unistd.h>"),
    ("kv/x.c", "#include <sys/socket.h>",
     "a core may not include <sys/socket.h>"),
    ("gossip/x.c", "#include <time.h>", "a core may not include <time.h>"),
    ("gossip/x.c", "#include <errno.h>", "a core may not include <errno.h>"),
    ("gossip/x.c", '#include "base/addr_posix.h"',
     "a core may not include the adaptor base/addr_posix.h"),
    ("gossip/x.c", '#include "gossip.h"',
     '"gossip.h" is not a header, named from the root'),
    ("base/x.c", '#include "base/none.h"',
     '"base/none.h" is not a header, named from the root'),
    ("base/x.c", '#include "base/../kv/kv.h"',
     '"base/../kv/kv.h" is a path of one machine'),
    ("gossip/gossip_x_uv.c", "#include </usr/include/uv.h>",
     "</usr/include/uv.h> is a path of one machine"),
    ("base/x.c", "#include HEADER",
     "HEADER is neither a header of ours nor of the system"),
]


class Layers(unittest.TestCase):
    def tree(self, extra):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for path, text in {**CLEAN, **extra}.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n", encoding="utf-8")
        return root

    def test_a_clean_tree_passes(self):
        self.assertEqual(list(layers.violations(self.tree({}))), [])

    def test_each_planted_include_is_found_on_its_line(self):
        for path, include, sentence in PLANTED:
            with self.subTest(path=path, include=include):
                root = self.tree({path: "int x;\n" + include})
                found = list(layers.violations(root))
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:2: {sentence}"),
                                found[0])


if __name__ == "__main__":
    unittest.main()
