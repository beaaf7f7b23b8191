"""The local cloud: AWS on this machine, on loopback only, with instances that run.

moto's server answers the API in process; `patches/` adds what moto leaves out. An instance is a
directory and the processes started in it, an AMI is a snapshot of such a directory. The package
works without ami-pipeline: `python -m local_cloud`.

Import submodules directly. The server's libraries are an extra (`ami-pipeline[local-cloud]`),
and only the process that serves imports them.
"""
