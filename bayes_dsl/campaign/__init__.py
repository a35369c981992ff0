"""Many idempotent units of work, each in a folder of its own, on local processes or on a Dask cluster."""

from bayes_dsl.campaign.picture import Status, results, status
from bayes_dsl.campaign.running import run
from bayes_dsl.campaign.units import Campaign, Unit, UnitRefused

__all__ = ["Campaign", "Status", "Unit", "UnitRefused", "results", "run", "status"]
