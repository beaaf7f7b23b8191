"""Patch CloudWatch: metrics from real traffic, and alarms that evaluate by themselves."""
