"""CloudWatch of the local cloud: what is measured each minute, and what alarms make of it.

A minute is one of the cloud's: `--speed` shortens it. A timestamp is the wall clock's.
"""
