"""Published objectives, one a file, by the name that ``Objective(method=...)`` and a configuration use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tersely.objective.methods.acoer import Acoer
from tersely.objective.methods.alp import Alp
from tersely.objective.methods.arlcp import Arlcp
from tersely.objective.methods.base import Method
from tersely.objective.methods.cosine import Cosine
from tersely.objective.methods.dapo_overlong import DapoOverlong
from tersely.objective.methods.dot import Dot
from tersely.objective.methods.gr3 import Gr3
from tersely.objective.methods.grpo_lead import GrpoLead
from tersely.objective.methods.hapo import Hapo
from tersely.objective.methods.kimi import Kimi
from tersely.objective.methods.l1_exact import L1Exact
from tersely.objective.methods.l1_max import L1Max
from tersely.objective.methods.laconic import Laconic
from tersely.objective.methods.laser import Laser
from tersely.objective.methods.laser_d import LaserD
from tersely.objective.methods.leash import Leash
from tersely.objective.methods.linear import Linear
from tersely.objective.methods.o1_pruner import O1Pruner
from tersely.objective.methods.paper import Paper
from tersely.objective.methods.prime_rl import PrimeRl
from tersely.objective.methods.shorterbetter import ShorterBetter
from tersely.objective.methods.truncation import Truncation

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {
        "paper": Paper,
        "linear": Linear,
        "truncation": Truncation,
        "dot": Dot,
        "kimi": Kimi,
        "l1-exact": L1Exact,
        "l1-max": L1Max,
        "cosine": Cosine,
        "dapo-overlong": DapoOverlong,
        "laser": Laser,
        "laser-d": LaserD,
        "shorterbetter": ShorterBetter,
        "grpo-lead": GrpoLead,
        "acoer": Acoer,
        "laconic": Laconic,
        "arlcp": Arlcp,
        "o1-pruner": O1Pruner,
        "prime-rl": PrimeRl,
        "alp": Alp,
        "hapo": Hapo,
        "leash": Leash,
        "gr3": Gr3,
    }
)
"""What a method is: a whole group in, rewards out."""
