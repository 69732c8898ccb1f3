#!/usr/bin/env bash
# The tests of the kernels and 500 random programs of use under the address and undefined-behaviour
# sanitizers, once for each instruction set of this processor. Arguments go to pytest. Linux, GCC.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
compiler=${CXX:-g++}

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"
cmake -S native -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Sanitize \
  -DCMAKE_CXX_FLAGS_SANITIZE="-O1 $flags" -DCMAKE_SHARED_LINKER_FLAGS_SANITIZE="$flags"
cmake --build "$build" --parallel "${JOBS:-1}"

export SUNHWAN_LIBRARY="$build/sunhwan_native.so"
export UBSAN_OPTIONS=print_stacktrace=1
export SUNHWAN_KERNEL_SHAPES=${SUNHWAN_KERNEL_SHAPES:-8} GOMP_SPINCOUNT=100
# Python and PyTorch are not instrumented: the runtime must come before them, and their leaks are
# not ours. pytest leaves the file descriptor of a report alone.
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1
runtime=$("$compiler" -print-file-name=libasan.so):$("$compiler" -print-file-name=libstdc++.so)
tests=(tests/kernels tests/citizen/test_programs.py)
sets=$(LD_PRELOAD="$runtime" "$python" -c \
  "from sunhwan.ops.library import library; print(*library().usable)")
for set in $sets; do
  echo "== $set"
  SUNHWAN_INSTRUCTIONS=$set LD_PRELOAD="$runtime" \
    "$python" -m pytest --capture=sys "${@:-${tests[@]}}"
done
