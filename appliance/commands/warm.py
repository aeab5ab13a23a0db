"""A cold kernel cache becomes a warm one, so that no start has to wait for the compiler."""

from __future__ import annotations

import time

import click

from appliance.commands.options import aside, load_kernels


@click.command(name="warm")
def command() -> None:
    """Compile the kernels into the cache, for the next start to be quick.

    Takes about 10 s on a laptop, a minute on a Pi, and well below a second when all is compiled. The cache is the
    folder NUMBA_CACHE_DIR, or next to the program.

    \b
    Examples:
      hipbar warm
      NUMBA_CACHE_DIR=/var/cache/hipbar/kernels hipbar warm
    """
    aside("compiling what is not compiled yet: up to a minute")
    began_s = time.monotonic()
    load_kernels()
    click.echo(f"kernels ready after {time.monotonic() - began_s:.1f} s")
