"""Load balancers that carry traffic: listeners on loopback, health checks, draining.

Knows nothing of moto or the API: `plan` has the input, `data_plane` carries it out and reports
the health of each member.
"""
