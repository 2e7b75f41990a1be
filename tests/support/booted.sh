# Turn a copy of this machine's root into one with systemd at work in it, and nothing else; `booted.py` calls it, in
# namespaces of its own. Nothing that is written in it is written here.
#
# $1 an empty folder
# $2 a folder that is to be /run/postgresql
# $3 a Python, its folder, and $4 the packages, and $5 the checkout, which are to be where services see them
set -eu
[ "$$" = 1 ] || { echo "not the first process of a namespace" >&2; exit 1; }
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root="$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$root"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

bind() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
bind "$2" /run/postgresql
bind "$3" /opt/python
bind "$4" /opt/packages
bind "$5" /opt/relay

# Of this machine's own services none starts.
rm -rf "$root"/etc/systemd/system "$root"/usr/lib/systemd/system/*.wants "$root"/usr/lib/systemd/system-generators
mkdir -p "$root/etc/systemd/system"
ln -s /dev/null "$root/etc/systemd/system/systemd-journald.service"
ln -s /dev/null "$root/etc/systemd/system/systemd-udevd.service"
: > "$root/etc/fstab"

cd "$root"
mkdir old
pivot_root . old
umount -l old
exec env -i container=relay-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=0 \
    systemd.unified_cgroup_hierarchy=1
