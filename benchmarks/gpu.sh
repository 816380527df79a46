#!/usr/bin/env bash
# Everything that needs a GPU, in under 9 minutes, into one JSON. benchmarks/README.md says what it measures.
#
#   benchmarks/gpu.sh [--dry-run] [--out FILE] [--seconds N] [--data FOLDER] [--only A,B]
#
# It needs a Python from 3.11 on with torch (PYTHON, else python3), and no network: what else is missing is taken from
# benchmarks/wheels, if benchmarks/wheels.sh filled it, and goes into a folder of its own that is removed at the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(command -v "${PYTHON:-python3}") || { echo "gpu.sh: no Python at ${PYTHON:-python3}: set PYTHON" >&2; exit 2; }
[[ $python = /* ]] || python=$PWD/$python
"$python" -c 'import sys, torch' 2>/dev/null || { echo "gpu.sh: $python has no torch: set PYTHON" >&2; exit 2; }

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
export PYTHONPATH="$root:$site${PYTHONPATH:+:$PYTHONPATH}"

# Into a folder and without dependencies, so that torch and what the machine has beside it stay as they are.
install() {
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$site" "$@"
}

wheels=$(compgen -G "$root/benchmarks/wheels/*.whl" || true)
if [[ -n $wheels ]] && ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))'; then
    echo "gpu.sh: benchmarks/wheels is for Python 3.12, and $python is another: not taken" >&2
elif [[ -n $wheels ]]; then
    mapfile -t files <<<"$wheels"
    install "${files[@]}"
fi
# The exporters are found by the metadata of an installed package.
if ! "$python" -c 'from importlib.metadata import version; version("hopgraph")' 2>/dev/null; then
    install --no-build-isolation "$root" || echo "gpu.sh: hopgraph cannot be installed without hatchling: no exporter will be found" >&2
fi

status=0
case " $* " in
*" --dry-run "*) ;;
*) "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || status=$? ;;
esac
[[ $status = 0 ]] || { echo "gpu.sh: torch sees no GPU: --dry-run needs none" >&2; exit 2; }
"$python" -m benchmarks.gpu "$@"
