#!/bin/sh
# Installs the application from /tmp. Runs as root on the instance being baked. Install the packages
# that it needs here, for example with: dnf install -y nodejs
#
# $ROOT is empty on AWS. The local cloud sets it where it cannot give an instance a file system
# of its own, so every path of the instance begins with it.
set -eu
ROOT="${ROOT:-}"

# The names become paths and lines of files: check them, in case Packer is run by hand.
case "$APP" in '' | *[!a-z0-9-]*) echo "APP must be of a-z 0-9 -" >&2; exit 1 ;; esac
case "$PORT" in '' | *[!0-9]*) echo "PORT must be a number" >&2; exit 1 ;; esac
# An application named ssh must not replace the system's own. If /etc/$APP/env exists, this script
# baked the source image.
if [ -e "$ROOT/usr/lib/systemd/system/$APP.service" ] ||
    { [ -e "$ROOT/etc/$APP" ] && [ ! -e "$ROOT/etc/$APP/env" ]; }; then
    echo "the source image has a service or a folder $APP of its own: choose another name" >&2
    exit 1
fi

# Use the secret here, for example to fetch a package. It is only in this script's environment:
# never write it into the image.
if [ -n "${TOKEN:-}" ]; then
    echo "a token came with this bake and stays out of the image"
fi

install -d -m 0755 "$ROOT/opt/$APP" "$ROOT/etc/$APP" \
    "$ROOT/etc/systemd/system/multi-user.target.wants"
if [ -n "${FILES:-}" ]; then
    set -f -- $FILES
    for path; do
        # All of /tmp would be installed, or the unit with the files.
        case "$(basename "$path")" in . | .. | / | unit) echo "FILES must not be $path" >&2; exit 1 ;; esac
        uploaded="$ROOT/tmp/$(basename "$path")"
        if [ -d "$uploaded" ] && [ $# -eq 1 ]; then
            cp -R "$uploaded/." "$ROOT/opt/$APP/"
        elif [ -d "$uploaded" ]; then
            cp -R "$uploaded" "$ROOT/opt/$APP/"
        else
            install -m 0755 "$uploaded" "$ROOT/opt/$APP/"
        fi
        rm -rf "$uploaded"
    done
    set +f
else
    install -m 0755 "$ROOT/tmp/unit/server.py" "$ROOT/opt/$APP/server.py"
fi
printf 'APP=%s\nVERSION=%s\nENVIRONMENT=%s\nPORT=%s\n' \
    "$APP" "$VERSION" "${ENVIRONMENT:-}" "$PORT" >"$ROOT/etc/$APP/env"
# The command may hold characters that mean something to sed.
run="$(printf '%s' "${RUN:-/usr/bin/env python3 /opt/$APP/server.py}" | sed 's/[\\&|]/\\&/g')"
sed -e "s|@RUN@|$run|" -e "s/@APP@/$APP/g" "$ROOT/tmp/unit/app.service" >"$ROOT/etc/systemd/system/$APP.service"

# `systemctl enable` only creates this link; a file system that is not booted has no systemd.
ln -sf "/etc/systemd/system/$APP.service" \
    "$ROOT/etc/systemd/system/multi-user.target.wants/$APP.service"
echo "installed $APP $VERSION"
