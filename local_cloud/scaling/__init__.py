"""The state machine of Auto Scaling: the next steps of groups and their members.

Pure: nothing here knows moto or a clock. The caller passes the time, and `ports.Ports` is the
interface to EC2 and Elastic Load Balancing. `patches.autoscaling` connects it to moto.
"""
