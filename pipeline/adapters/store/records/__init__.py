"""Keep the records of a store: environments, deployments, images and what was proven."""
