"""Auto Scaling's state machine: what a group and its members do next, apart from moto.

Nothing here knows moto or a clock: time is handed in, and `world.World` is what a
group asks of EC2 and Elastic Load Balancing. `hooks.autoscaling` puts it in.
"""
