"""Benchmarks: one command prints one table of ratios, measured side by side in the same run.

    python -m bench                    all rows
    python -m bench moves reads        the rows of some topics
    python -m bench --quick            sizes cut down: does everything still run?
    python -m bench --json             the same as JSON
    PEERS=1 python -m bench            also against Langfuse's and MLflow's own programs

Rates of one machine say little on another, and little on the same one an hour later. So each
row runs next to a yardstick, in short rounds that take turns, and what counts is the ratio.

`BENCH_ARTIFACTS` sets the size of the large store of the topic `scale` (1,000,000); it is built
once into `.bench/` and kept. The peers are installed there too, into an environment of their
own. Everything listens on the loopback interface alone.
"""
