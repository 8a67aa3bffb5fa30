"""Raw text to prepared shards: seconds, words a second, CPU seconds, peak memory.

    python benchmarks/prepare_speed.py FOLDER [--repeat N] [--vocabulary V]

FOLDER holds *.train files. --repeat N prepares the text N times over, under other names (10 times strict-small is a
100M-word corpus as far as time and memory go; its number of types stays that of 10M words). Works in a temporary
folder.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from babylm.config.schema import CorpusConfig, TokenizerConfig
from babylm.corpora.build import prepare


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--vocabulary", type=int, default=16_384)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*.train"))
    if not files:
        sys.exit(f"no *.train files in {arguments.folder}")
    with tempfile.TemporaryDirectory() as work:
        raw = Path(work) / "raw"
        raw.mkdir()
        for copy in range(arguments.repeat):
            for file in files:
                (raw / f"{file.stem}_{copy}.train").symlink_to(file.resolve())
        corpus = CorpusConfig(path=str(raw), prepared=str(Path(work) / "prepared"))
        begin, cpu = time.perf_counter(), time.process_time()

        def report(line: str) -> None:
            print(f"{time.perf_counter() - begin:7.1f} s  {line}", flush=True)

        shards = prepare(corpus, TokenizerConfig(vocab_size=arguments.vocabulary), report)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
        begin = time.perf_counter()
        prepare(corpus, TokenizerConfig(vocab_size=arguments.vocabulary))
        again = time.perf_counter() - begin
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        f"{shards.word_count:,} words, {shards.token_count:,} tokens: {seconds:.1f} s ({cpu_seconds:.1f} s of CPU), "
        f"{shards.word_count / seconds:,.0f} words/s; opened again in {again:.2f} s; "
        f"peak memory {usage[0] / 1024:,.0f} MB (children {usage[1] / 1024:,.0f} MB)"
    )


if __name__ == "__main__":
    main()
