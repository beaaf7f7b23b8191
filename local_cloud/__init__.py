"""The local cloud: AWS on this machine, on loopback only, with instances that run.

moto's server answers the API in process; `hooks/` restores what it leaves out.
An instance is a directory and the processes started in it, an AMI is a snapshot
of such a directory. Import submodules directly: the server's libraries are an
extra (`ami-pipeline[sandbox]`) and are loaded only by the process that serves.
"""
