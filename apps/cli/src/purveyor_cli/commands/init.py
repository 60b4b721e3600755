"""``init``: a configuration to start from."""

from __future__ import annotations

from pathlib import Path

import click

from purveyor_cli import exits
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session

__all__ = ["EXAMPLE", "init"]

EXAMPLE = """\
# Configuration of purveyor. Try it:  export DIGITALOCEAN_TOKEN=dop_v1_...  &&  purveyor providers validate

# Who is asked first: default, priority, weighted_round_robin, round_robin, lowest_price, lowest_latency,
# least_inflight, random, capability, explicit.
selection_policy: weighted_round_robin

# Catalogues and whose turn it is are remembered in a folder of yours; another one, or nothing at all:
# state_dir: ~/.local/state/purveyor
# state: memory

# A guard on spending, over all providers together:
# limits: {max_price_per_hour: 2.00, max_instances: 20}

providers:
  - name: do-ams                 # machines are known as do-ams/ID
    type: digitalocean           # 'purveyor plugins' lists the types that are installed
    # enabled: false             # keeps it listed, and never asks it
    # priority: 1                # lower wins; default 0
    weight: 200                  # twice as many machines as with the default of 100
    config:
      token: env:DIGITALOCEAN_TOKEN      # or file:PATH; better not the token itself
      region: ams3                       # for machines that are asked for without a region

  # - name: akamai
  #   type: linode
  #   capabilities: [gpu, ipv6]          # what requests may ask for; default: all that the type can do
  #   config:
  #     token: file:~/.config/purveyor/akamai.token
  #     region: eu                       # a place will do: a city, a country or a continent
  #     timeout: 20                      # seconds for one exchange
"""


@click.command(cls=Command)
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=Path("purveyor.yaml"),
    metavar="FILE",
    help="Where to; default ./purveyor.yaml.",
)
@pass_session
def init(session: Session, path: Path) -> int:
    """Write a commented configuration to start from."""
    if path.suffix not in {".yaml", ".yml"}:
        raise click.UsageError(f"{path} must end in .yaml or .yml: what is written there is YAML")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError:
        raise click.UsageError(
            f"{path} is there already and is not touched; --path writes elsewhere"
        ) from None
    if session.json:
        session.show_json({"path": str(path)})
    session.note(f"Wrote {path}. Set DIGITALOCEAN_TOKEN, then try 'purveyor providers validate'.")
    return exits.OK
