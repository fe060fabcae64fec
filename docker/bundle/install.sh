#!/usr/bin/env bash
# Installs Kyso from the bundle that this script lies in, without a network.
#
#   ./install.sh                     Debian packages, users, /opt/kyso, systemd units; as root. Starts nothing.
#   ./install.sh --only-python DIR   the program alone, into DIR, on a machine that has the packages; no root needed
#
# Each version has a folder of its own and /opt/kyso is a link to the newest: to go back, turn the link and restart.
set -euo pipefail
cd "$(dirname "$0")"

fail() { echo "kyso: install: $*" >&2; exit 69; }

sha256sum --quiet --strict --check SHA256SUMS || fail "the bundle is damaged"
version="$(basename wheels/kyso-*.whl | cut -d- -f2)"

program() {
  local folder="$1"
  "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] != ('"$(wheel_python)"'))' ||
    fail "this bundle is for Python $(wheel_python | tr , .), which ${PYTHON:-python3} is not"
  "${PYTHON:-python3}" -m venv "$folder"
  local pip=("$folder/bin/python" -m pip --isolated --quiet --disable-pip-version-check install --no-index)
  "${pip[@]}" --find-links wheels --only-binary :all: --no-deps --require-hashes -r requirements.lock
  "${pip[@]}" --no-deps wheels/kyso-*.whl # its sum was checked above
  "$folder/bin/python" -m pip --isolated --quiet uninstall --yes pip setuptools
  "$folder/bin/kyso" --version
}

# "3,11" from the name of a wheel that is bound to one Python.
wheel_python() { basename wheels/uvloop-*.whl | sed -E 's/.*-cp([0-9])([0-9]+)-cp.*/\1,\2/'; }

# apt with nothing but this bundle as its source; what the machine has already, it keeps.
packages() {
  [ -e debian/Packages ] || { echo "kyso: install: no Debian packages in this bundle; going on" >&2; return; }
  local lists; lists="$(mktemp -d)"
  mkdir -p "$lists/lists/partial"
  echo "deb [trusted=yes] file:$PWD/debian ./" >"$lists/sources.list"
  local apt=(apt-get -q -y -o "Dir::Etc::sourcelist=$lists/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$lists/lists" -o APT::Sandbox::User=root --no-install-recommends)
  export DEBIAN_FRONTEND=noninteractive
  "${apt[@]}" update >/dev/null
  "${apt[@]}" "$@" install --no-upgrade $(cat debian/wanted)
  rm -rf "$lists"
}

case "${1:-}" in
  --only-python)
    program "${2:?a folder}" ;;
  --try-packages) # for the test: what apt would do
    packages --simulate "${@:2}" ;;
  "")
    [ "$(id -u)" -eq 0 ] || fail "run as root"
    packages
    [ ! -e "/opt/kyso-$version" ] || fail "/opt/kyso-$version is there already"
    install -D -m 0644 systemd/kyso.sysusers /usr/lib/sysusers.d/kyso.conf
    systemd-sysusers kyso.conf
    program "/opt/kyso-$version"
    install -d /usr/share/kyso
    install -m 0644 -t /usr/share/kyso sbom.cdx.json THIRD-PARTY.md SECURITY.md
    install -D -m 0644 -t /etc/systemd/system systemd/kyso.service systemd/kyso-keepers.service
    # The service's own, and the keepers', through which the service's group only passes.
    install -d -o kyso -g kyso -m 0700 /var/lib/kyso
    install -d -o kyso-keeper -g kyso -m 0710 /var/lib/kyso-keepers
    ln -sfn "kyso-$version" /opt/kyso
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    cat <<'NEXT' ;;
Installed. Next (docker/README.md, First set-up):
  sudo -u kyso-keeper env KYSO_HOME=/var/lib/kyso-keepers /opt/kyso/bin/kyso setup --for kyso
  systemctl enable --now kyso-keepers
  sudo -u kyso env KYSO_HOME=/var/lib/kyso /opt/kyso/bin/kyso setup --keepers /var/lib/kyso-keepers
  systemctl enable --now kyso
NEXT
  *)
    echo "usage: $0 [--only-python DIR]" >&2; exit 64 ;;
esac
