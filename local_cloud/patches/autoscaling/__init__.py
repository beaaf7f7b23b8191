"""Replace moto's Auto Scaling with this cloud's own state machine."""
