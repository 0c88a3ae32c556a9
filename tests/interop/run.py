#!/usr/bin/env python3
"""Weft in one cluster with the real chitchat and LaminarDB crates.

    run.py --weft build/release/weft [STORY...]
    run.py --selftest [STORY...]     the foreign peers among themselves
    run.py --list

Builds the peers with cargo, then tells each story and prints its outcome with
the time it took. README.md beside this file says more."""

import argparse
import pathlib
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True  # leave the source tree as it is

import checkpoint_stories
import gossip_stories
import peer_stories
import shuffle_stories
import version_stories
from processes import Failure, World

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WITH_WEFT = [
    *gossip_stories.STORIES,
    *version_stories.STORIES,
    *shuffle_stories.STORIES,
    *checkpoint_stories.STORIES,
]


def main():
    options = parse_arguments()
    stories = peer_stories.STORIES if options.selftest else WITH_WEFT
    stories = chosen(stories, options.stories)
    if options.list:
        for story in stories:
            print(f"{story.__name__:34} {story.__doc__}")
        return 0
    programs = build_peers(options.target_dir, stories)

    failed = sum(not told(story, programs, options.weft) for story in stories)
    print(f"{len(stories) - failed} passed, {failed} failed")
    return 1 if failed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weft", type=pathlib.Path, metavar="PROGRAM",
                        default=ROOT / "build/release/weft")
    parser.add_argument("--target-dir", type=pathlib.Path, metavar="DIR",
                        default=ROOT / "build/interop",
                        help="where cargo builds the peers")
    parser.add_argument("--selftest", action="store_true",
                        help="only the peers, without Weft")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("stories", nargs="*", metavar="STORY")
    options = parser.parse_args()
    # cargo runs elsewhere, so the paths must not depend on where we are.
    options.weft = options.weft.resolve()
    options.target_dir = options.target_dir.resolve()
    if not (options.selftest or options.list or options.weft.is_file()):
        parser.error(f"{options.weft} is not there: build it first")
    return options


def chosen(stories, names):
    known = {story.__name__: story for story in stories}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"run.py: no story {', '.join(unknown)}; --list shows them")
    return [known[name] for name in names] or stories


def build_peers(target_dir, stories):
    """Builds what the stories need; returns the programs' directory."""
    packages = ["interop-chitchat-0-10", "interop-chitchat-0-13"]
    if any(needs_laminar(story) for story in stories):
        packages.append("interop-laminar")
    fetch_crates()
    flags = [flag for package in packages for flag in ("-p", package)]
    cargo("build", "--release", "--offline", "--target-dir", target_dir, *flags)
    return target_dir / "release"


def needs_laminar(story):
    with_laminar = ("shuffle_stories", "checkpoint_stories")
    return story.__module__ in with_laminar or "laminar" in story.__name__


def fetch_crates():
    """From the network only if they are not here yet."""
    try:
        here = cargo("fetch", "--offline", stderr=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        sys.exit("run.py: the peers are Rust programs, and cargo is not here")
    if here.returncode != 0:
        cargo("fetch")


def cargo(verb, *flags, check=True, **pipes):
    command = ["cargo", verb, "--locked", *map(str, flags)]
    done = subprocess.run(command, cwd=HERE, **pipes)
    if check and done.returncode != 0:
        sys.exit(f"run.py: cargo {verb} failed")
    return done


def told(story, programs, weft):
    """Tells one story in a world of its own; true if it went as told."""
    print(f"{story.__doc__} ... ", end="", flush=True)
    start = time.monotonic()
    with World(programs, weft) as world:
        try:
            story(world)
        except Failure as failure:
            report = [f"    {failure}"]
        except Exception:  # a peer that died, a file that ended: same verdict
            report = traceback.format_exc().splitlines()
        else:
            print(f"ok ({time.monotonic() - start:.1f} s)")
            return True
        print(f"FAILED ({time.monotonic() - start:.1f} s) [{story.__name__}]")
        print("\n".join([*report, *world.last_words()]))
        return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the story's world has ended its processes
