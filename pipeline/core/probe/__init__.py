"""The probe: the pipeline's own requests through the load balancer during a deployment."""
