"""What serves at a site, and what else AWS shows of its groups."""

from __future__ import annotations

from botocore.exceptions import ClientError

from tests.e2e.site import Site


def serving(site: Site) -> str:
    return str(site.document()["content"]["serving"])


def other(site: Site) -> str:
    """Return the image that does not serve."""
    kept = site.document()["content"]["releases"][serving(site)]
    return {site.testbed.old: site.testbed.new, site.testbed.new: site.testbed.old}[
        kept["release"]["ami_id"]
    ]


def sources(site: Site, group: str) -> object:
    """Return the traffic sources of a group, or None while it does not exist."""
    try:
        client = site.testbed.cloud.aws("autoscaling")
        return client.describe_traffic_sources(AutoScalingGroupName=group)["TrafficSources"]
    except ClientError:
        return None
