"""Serve AWS's APIs: parse, count and answer calls, and inject faults."""
