"""Model what the store remembers: releases, deployments, the environment, its lease."""
