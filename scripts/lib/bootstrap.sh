# Sourced by every entry: brings a right Node, the packages and what is built from sources, each only when it changed.
# Says what it does on stderr; stdout belongs to the command. Needs no root.

leat_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
leat_toolchain="$leat_root/.toolchain"
export SKIP_FFMPEG=true
# What Node compiled once it takes from here: programs start a quarter faster. In the checkout, since nobody else writes there.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$leat_toolchain/compile-cache}"

leat_say() {
  printf '[%3ds] %s\n' "$SECONDS" "$*" >&2
}

leat_fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

leat_sha256() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}

# Hash of the names and contents of all files under the given paths, without what a build writes there.
leat_hash_files() {
  (
    cd "$leat_root" || exit 1
    find "$@" -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -print0 2>/dev/null | LC_ALL=C sort -z |
      if command -v sha256sum >/dev/null 2>&1; then xargs -0 sha256sum; else xargs -0 shasum -a 256; fi | leat_sha256
  ) | cut -c1-64
}

# Sources run as they are: that needs a Node which strips types by itself (22.18, 23.6 and later).
leat_node_is_right() {
  local version major minor
  leat_node_version="$("$1" --version 2>/dev/null)" || return 1
  version="${leat_node_version#v}"
  major="${version%%.*}"
  minor="${version#*.}"
  minor="${minor%%.*}"
  case "$major" in
    '' | *[!0-9]*) return 1 ;;
    22) [ "$minor" -ge 18 ] ;;
    23) [ "$minor" -ge 6 ] ;;
    *) [ "$major" -ge 24 ] ;;
  esac
}

leat_find_node() {
  if leat_node_is_right node; then
    case "$leat_node_version" in
      v22.* | v23.*) export NODE_OPTIONS="${NODE_OPTIONS:-} --disable-warning=ExperimentalWarning" ;;
    esac
    return
  fi
  local system machine package
  system="$(uname -s | tr '[:upper:]' '[:lower:]')"
  case "$(uname -m)" in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) leat_fail "Node 24 is needed and there is no package of it for $(uname -m): install it by hand and run this again" ;;
  esac
  package="node-$system-$machine"
  if ! leat_node_is_right "$leat_toolchain/node_modules/$package/bin/node"; then
    leat_need_npm
    leat_say "Bring Node 24 (this machine has $(node --version 2>/dev/null || echo none))"
    mkdir -p "$leat_toolchain"
    printf '{ "private": true }\n' >"$leat_toolchain/package.json"
    leat_quietly node npm install --prefix "$leat_toolchain" --no-save --no-package-lock --no-fund --no-audit \
      --no-update-notifier "$package@24"
    leat_node_is_right "$leat_toolchain/node_modules/$package/bin/node" ||
      leat_fail "npm brought no usable Node 24 in $leat_toolchain: remove that folder and run this again"
  fi
  PATH="$leat_toolchain/node_modules/$package/bin:$PATH"
  export PATH
}

leat_need_npm() {
  command -v npm >/dev/null 2>&1 || leat_fail "npm is missing. Install it: $(leat_as_root apt-get install -y npm)"
}

leat_as_root() {
  if [ "$(id -u)" -eq 0 ]; then echo "$*"; else echo "sudo $*"; fi
}

# Runs a command with its output in a log, which is shown when it fails.
leat_quietly() {
  local log="$leat_toolchain/$1.log"
  shift
  if ! (cd "$leat_root" && "$@") >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    leat_fail "Failed: $* (all of its output: $log)"
  fi
}

leat_stamp_is() {
  [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

leat_install_packages() {
  local stamp="$leat_root/node_modules/.leat-installed" wanted
  wanted="$(leat_sha256 <"$leat_root/package-lock.json")"
  if leat_stamp_is "$stamp" "$wanted"; then return; fi
  # Somebody may have installed them by hand: what is right already must not be removed under a running process.
  if ! node "$leat_root/scripts/lib/check-installed.ts" "$leat_root"; then
    leat_need_npm
    leat_say "Install packages"
    leat_quietly install leat_npm_ci
    node "$leat_root/scripts/lib/check-installed.ts" "$leat_root" ||
      leat_fail "npm ci left packages out (see $leat_toolchain/install.log): remove node_modules and run this again"
  fi
  printf '%s\n' "$wanted" >"$stamp"
}

# Where a registry lacks the packages of other platforms, npm 11 says that the lockfile is incomplete (EUSAGE) and
# installs nothing. The other way to follow a lockfile without writing one does not mind.
leat_npm_ci() {
  local options=(--no-fund --no-audit --no-update-notifier)
  npm ci "${options[@]}" 2>&1 | tee "$leat_toolchain/npm-ci.log"
  if [ "${PIPESTATUS[0]}" -eq 0 ]; then return 0; fi
  grep -q EUSAGE "$leat_toolchain/npm-ci.log" || return 1
  npm install --no-save "${options[@]}"
}

leat_build_contracts() {
  [ -n "$(find "$leat_root/contracts" -name "*.sol" -print -quit 2>/dev/null)" ] || return 0
  local stamp="$leat_root/artifacts/.leat-built" wanted
  wanted="$(leat_hash_files contracts hardhat.config.ts package-lock.json)"
  if leat_stamp_is "$stamp" "$wanted"; then return; fi
  leat_say "Compile contracts"
  # Without the tests of the contracts, which take longer than they do: scripts/test compiles those.
  leat_quietly contracts node_modules/.bin/hardhat build --no-tests
  printf '%s\n' "$wanted" >"$stamp"
}

leat_build_web() {
  [ -f "$leat_root/node/web/vite.config.ts" ] || return 0
  local stamp="$leat_toolchain/web-built" wanted
  wanted="$(leat_hash_files node/web sdk package-lock.json)"
  if leat_stamp_is "$stamp" "$wanted" && [ -d "$leat_root/node/web/dist" ]; then return; fi
  leat_say "Build pages"
  leat_quietly web npm run --silent build:web
  printf '%s\n' "$wanted" >"$stamp"
}

# Two commands at once must not install into each other. The file names who holds it, for whoever waits.
leat_lock() {
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>>"$leat_toolchain/lock"
  if ! flock -n 9; then
    leat_say "Wait for $(cat "$leat_toolchain/lock"): it sets this checkout up, which takes minutes the first time"
    flock 9
  fi
  printf '%s (process %d)\n' "$0" "$$" >"$leat_toolchain/lock"
}

leat_unlock() {
  if command -v flock >/dev/null 2>&1; then exec 9>&-; fi
}

leat_bootstrap() {
  mkdir -p "$leat_toolchain"
  leat_lock
  leat_find_node
  leat_install_packages
  leat_build_contracts
  leat_build_web
  leat_unlock
}
