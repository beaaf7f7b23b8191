"""Turn moto's load balancers into the plan that the traffic data plane carries out.

`classic` and `elbv2` read the two kinds of load balancer, `rules` and `registered` their parts.
`sync` makes a plan after each change and applies it. Nothing here answers an API call.
"""
