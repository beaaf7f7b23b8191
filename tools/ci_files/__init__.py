"""Run docs/ci unchanged in runners that speak for GitHub and GitLab, on a local cloud."""
