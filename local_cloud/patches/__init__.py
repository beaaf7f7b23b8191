"""Every change that this cloud makes to moto.

Each patch is one decorated function. Its comment names the AWS behavior that it restores and
where AWS documents it. `patching` has the decorator, `install` collects the patches.
"""
