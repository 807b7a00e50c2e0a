"""Real PostgreSQL servers of several majors for the tests: fetching them, and clusters that are gone afterwards."""

from tests.servers.cluster import RealCluster
from tests.servers.found import available

__all__ = ["RealCluster", "available"]
