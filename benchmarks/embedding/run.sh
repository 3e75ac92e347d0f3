#!/bin/sh
# How long the textbook's agent takes to act, and how large it is, where docs/embedding.md has it. On one core, which should be idle.
#
#     benchmarks/embedding/run.sh
#
# Needs cc, rustc with the targets wasm32-unknown-unknown and thumbv7em-none-eabihf, Node.js, and a Python with onnxruntime and
# numpy ($PYTHON; python3 by default). What is missing is left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
examples=$root/crates/quarl/examples/embedding
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --release --manifest-path "$root/Cargo.toml" --package quarl-cli --package quarl --bin quarl --example latency
binaries=${CARGO_TARGET_DIR:-$root/target}/release
cp "$here"/latency.* "$examples"/*.rs "$work"
cd "$work"
"$binaries/quarl" train --quiet --out run > /dev/null
for format in rust c onnx; do
    "$binaries/quarl" export run --format "$format" > /dev/null
done
pin=
if command -v taskset > /dev/null; then pin="taskset --cpu-list 0"; fi
attempt() { "$@" || echo "left out: $*"; }

rustc --edition 2024 -O latency.rs -o latency_rs
cc -O2 latency.c -o latency_c -lm
attempt rustc --edition 2024 -O --crate-type cdylib --target wasm32-unknown-unknown -C strip=symbols web.rs -o agent.wasm
attempt rustc --edition 2024 -O -C panic=abort --crate-type lib --emit obj --target thumbv7em-none-eabihf microcontroller.rs -o agent.o
attempt $pin "$binaries/examples/latency" run/model.safetensors
attempt $pin ./latency_rs
attempt $pin ./latency_c
attempt $pin "${PYTHON:-python3}" latency.py
attempt $pin node latency.js
ls -l run/model.safetensors agent.rs agent.h agent.onnx agent.wasm agent.o | awk '{ print $5, "bytes:", $NF }'
attempt size agent.o
