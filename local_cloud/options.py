"""The options of the commands and their help texts, for both front ends.

Imports nothing, so that `ami-pipeline --help` stays fast.
"""

from __future__ import annotations

PORT = 5700
ACCOUNT = "123456789012"
"""The account of the user."""
REGION = "us-east-1"
"""The region of clients that name none."""
KINDS = ("auto", "namespaces", "user-namespaces", "plain")
ARCHITECTURES = ("x86_64", "arm64")
CONSISTENCY = "strong"
SESSION_SECONDS = 3600
SUITE = "bookworm"
"""The release of Debian that `rootfs` makes."""
ISOLATION = "AMI_PIPELINE_LOCAL_CLOUD_ISOLATION"
"""The variable that sets the default of `--isolation`."""

HELP = {
    "local-cloud": "Run a local cloud: AWS on this machine, on loopback only.",
    "up": "Start the local cloud.",
    "down": "Stop the local cloud and remove everything it made.",
    "status": "Show the local cloud, its load balancers and its API calls.",
    "env": "Print shell exports for AWS clients, Packer and Terraform.",
    "credentials": "Print new credentials of a role, for credential_process.",
    "make-rootfs": "Make a minimal Debian for `up --rootfs`, with mmdebstrap.",
    "shell": "Open a root shell in an instance.",
    "image": "Add images of publishers to the local cloud.",
    "image-add": "Publish an image in every region, until the local cloud stops.",
    "image-owner": "Account of the publisher, or amazon, aws-marketplace, self.",
    "image-name": "Whole name of the image; a day in it is its creation date.",
    "image-arch": "Architecture of the image.",
    "target": "A folder (root only) or a file that ends with .tar or .tar.gz.",
    "suite": "Release of Debian.",
    "mirror": "Mirror or file of sources, instead of mmdebstrap's own choice.",
    "include": "Package to install beside the minimum; repeatable.",
    "port": "Port of the API and the proxy; 0 chooses a free one.",
    "ssh-port": "Port of SSH on each instance; 0 chooses 22, or 8022.",
    "speed": "Divide AWS's delays by this number.",
    "delay": "Override one delay, such as boot=30 or call=0.08; repeatable.",
    "consistency": "Age of reads: strong, or eventual:SECONDS of AWS's time (10).",
    "seed": "Seed of the age of each read; the same seed gives the same ages.",
    "role": "Judge the calls of a role by a policy: NAME=policy.json; repeatable.",
    "session-seconds": "Seconds until a session of a role expires.",
    "as-role": "Use new credentials of this role of `up --role`.",
    "role-name": "The name of a role of `up --role`.",
    "isolation": "How to confine the processes of an instance.",
    "rootfs": "Root of each instance: a folder or a tar of a Linux system.",
    "foreground": "Stay in the foreground and print the log; Ctrl-C stops it.",
}
