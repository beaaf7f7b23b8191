"""Export deployments as OpenTelemetry traces."""
