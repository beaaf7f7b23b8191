#!/bin/sh
# Deletes files that must differ between instances, or must not be in the image.
# It is the last provisioner: a later one would leave its own files.
set -eu
: "${PACKER_BUILD_NAME:?is not set: this script empties the machine it runs on, so only Packer runs it}"
ROOT="${ROOT:-}"

# Packer's temporary key. Each instance gets its own keys from cloud-init at its first boot.
rm -f "$ROOT"/home/*/.ssh/authorized_keys "$ROOT/root/.ssh/authorized_keys"
# Host keys shared by all instances would let any one of them pose as another.
rm -f "$ROOT"/etc/ssh/ssh_host_*
# Empty, not absent: systemd writes a new one at boot.
if [ -e "$ROOT/etc/machine-id" ]; then
    : >"$ROOT/etc/machine-id"
fi
rm -rf "$ROOT/tmp/unit" "$ROOT/tmp/packages.txt"
rm -f "$ROOT"/root/.bash_history "$ROOT"/home/*/.bash_history
