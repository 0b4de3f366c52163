#!/bin/bash
# First process of new namespaces: hide the machine's own units, settings and accounts, then become systemd.
# $1: folder with the units in units/ and the service's settings in face-model.env and api.key. $2: the checkout.
set -eu
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /mnt
cp -a /etc /mnt/etc
cp "$1/face-model.env" /mnt/etc/
install -D -m 644 "$1/api.key" /mnt/etc/face-model/api.key
rm -rf /mnt/etc/systemd/system
cp -a "$1/units" /mnt/etc/systemd/system
printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' > /mnt/etc/systemd/journald.conf
mkdir -p /mnt/units /mnt/opt/face-model
for unit in basic sysinit sockets multi-user network shutdown umount; do
    printf '[Unit]\nDescription=%s\n' "$unit" > "/mnt/units/$unit.target"
done
cp /lib/systemd/system/systemd-journald* /mnt/units/
mount --bind /mnt/etc /etc
useradd --system face-model
mount --bind "$2" /mnt/opt/face-model
mount --rbind /mnt/opt /opt
mount -t tmpfs tmpfs /lib/systemd/system-generators
mount --bind /mnt/units /lib/systemd/system
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
touch /mnt/console
mount --bind /mnt/console /dev/console
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
container=test exec /lib/systemd/systemd --system --unit=multi-user.target
