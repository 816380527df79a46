#!/usr/bin/env bash
# Fills benchmarks/wheels with what benchmarks/gpu.sh takes there: wheels for Python 3.12 on Linux, x86_64, as constraints.txt pins them.
#
#   benchmarks/wheels.sh [--all]
#
# Without --all it is what a machine with torch, timm and lightning usually lacks, 11 MB. With it, the runtimes too: onnxruntime-gpu and
# TensorRT-RTX, hundreds of megabytes. torch is never among them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
packages=(
    pydantic pydantic_core annotated-types typing-inspection typing_extensions # specs
    lightning-fabric lightning-utilities                                       # training
    datasets dill multiprocess kornia kornia_rs                                # data
    hatchling packaging pathspec pluggy trove-classifiers                      # to install hopgraph itself
)
case "${1:-}" in
"") ;;
--all) packages+=(onnxruntime-gpu tensorrt_rtx_cu13 tensorrt_rtx_cu13_bindings tensorrt_rtx_cu13_libs) ;;
*) echo "wheels.sh: $1 is not known: there is --all" >&2; exit 2 ;;
esac

platforms=()
for version in 2_34 2_31 2_28 2_27 2_26 2_24 2_17 2_12 2_5; do
    platforms+=(--platform "manylinux_${version}_x86_64")
done
mkdir -p "$root/benchmarks/wheels"
rm -f "$root"/benchmarks/wheels/*.whl
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
    "${platforms[@]}" --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
    --constraint "$root/constraints.txt" --dest "$root/benchmarks/wheels" "${packages[@]}"
du -sh "$root/benchmarks/wheels"
