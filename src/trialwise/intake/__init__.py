"""What trialwise fetches by itself, into landing: pages of HTTP APIs, files of watched folders."""

from trialwise.intake.fetched import Fetched, pull_all, watch_all
from trialwise.intake.folders import Watched, watch
from trialwise.intake.pulls import FirstPage, Pulled, first_page, pull
from trialwise.intake.source import folder_names, http_names
from trialwise.intake.standing import STALE_AFTER, Standing, standings

__all__ = [
    "STALE_AFTER",
    "Fetched",
    "FirstPage",
    "Pulled",
    "Standing",
    "Watched",
    "first_page",
    "folder_names",
    "http_names",
    "pull",
    "pull_all",
    "standings",
    "watch",
    "watch_all",
]
