"""From the API's models to the traffic plane: what the load balancers are to carry.

`classic` and `version2` read moto's two kinds of load balancer, `rules` and `members`
what they are made of; `follower` puts it together after each change and hands it over.
The hooks decide what the models say; nothing here answers an API call.
"""
