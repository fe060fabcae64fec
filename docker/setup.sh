#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that Kyso needs, and only those that are missing.
#
#   docker/setup.sh run     what the appliance itself needs
#   docker/setup.sh image   what building and running the image here takes
#   docker/setup.sh test    what the appliance needs, and the independent readers and the compiler that the tests use
#
# It changes nothing else on the machine. With nothing missing it ends in a few milliseconds and asks for no rights.
set -euo pipefail

declare -A packages=(
  # python3-venv: the virtual environment · softhsm2: the demo's PKCS#11 module · fonts-liberation2: stamps in Vietnamese
  # libseccomp2: the sandbox's system-call filter
  [run]="python3-venv softhsm2 fonts-liberation2 libseccomp2"
  # poppler-utils, mupdf-tools, qpdf, openssl, xmlsec1: second opinions · opensc: pkcs11-tool · gcc with libp11-kit-dev:
  # a PKCS#11 module that fails on demand · pcscd, vsmartcard-vpcd, opensc-pkcs11: a PIV card · swtpm, libtpm2-pkcs11-1,
  # libtss2-tcti-swtpm0: a TPM · opencryptoki, p11-kit: two more roads to a key (see hsm/README.md) · chromium: pages
  # nginx: a proxy before the service
  [test]="poppler-utils mupdf-tools qpdf openssl xmlsec1 opensc gcc libc6-dev libp11-kit-dev pcscd vsmartcard-vpcd
    opensc-pkcs11 swtpm libtpm2-pkcs11-1 libtss2-tcti-swtpm0 opencryptoki p11-kit p11-kit-modules chromium nginx"
  # mmdebstrap: the base system, checked by Debian's keys · buildah: the stages · podman, runc: running it
  [image]="mmdebstrap debian-archive-keyring buildah podman runc"
)

case "${1:-run}" in
  run) wanted="${packages[run]}" ;;
  test) wanted="${packages[run]} ${packages[test]}" ;;
  image) wanted="${packages[image]}" ;;
  *) echo "usage: $0 run|test|image" >&2; exit 64 ;;
esac

fail() { echo "kyso: $*" >&2; exit 69; }

# A Python from elsewhere than Debian brings its own venv, and Debian's package would not help it.
provided() {
  case "$1" in
    python3-venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null ;;
    softhsm2) [ -e /usr/lib/softhsm/libsofthsm2.so ] && command -v softhsm2-util >/dev/null ;;
    fonts-liberation2) compgen -G '/usr/share/fonts/truetype/liberation2/LiberationSerif-Regular.ttf' >/dev/null ;;
    # Ubuntu has it only as a snap: there the tests of pages say that they are skipped.
    chromium) command -v chromium >/dev/null || ! grep -qx "ID=debian" /etc/os-release ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac
}

"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "Python 3.11 or newer is needed; install it, or name it: make PYTHON=python3.12 run"
command -v dpkg-query >/dev/null ||
  fail "this is neither Debian nor Ubuntu. Install by hand what these packages bring, then call make again: $wanted"

missing=()
for package in $wanted; do
  provided "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "run as root, once: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
command -v apt-get >/dev/null || fail "apt-get is not here; install by hand: ${missing[*]}"

echo "kyso: installing Debian packages: ${missing[*]}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
quietly() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1; }
# A tool of the tests that is a service elsewhere (nginx, pcscd) is not started here: they start their own.
asleep=/usr/sbin/policy-rc.d
if [ "${1:-run}" = test ] && [ ! -e "$asleep" ]; then
  trap 'rm -f "$log"; "${as_root[@]}" rm -f "$asleep"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 0755 /dev/stdin "$asleep"
fi
quietly apt-get -q update || { tail -5 "$log" >&2; echo "kyso: the package lists could not be renewed; going on" >&2; }
quietly apt-get -q -y --no-install-recommends install "${missing[@]}" ||
  { tail -20 "$log" >&2; fail "these packages could not be installed: ${missing[*]}"; }
