"""Load balancers that carry traffic: listeners on loopback, health checks, draining.

Knows nothing of moto or the API: `plan` says what there is to carry, `plane` carries it
and answers how each member is doing.
"""
