#!/usr/bin/env bash
# Source in the root of a checkout, on a machine with torch 2.11 and CUDA and without a network:
#     . environments/gpu/install.sh
# Installs what was carried and this project into $SITE, and puts it before the machine's packages.
SITE="${SITE:-/tmp/site}"
unset PYTHONDONTWRITEBYTECODE
mkdir -p "$SITE"
for part in .gpu-wheels-1 .gpu-wheels-2; do
    if ls "$part"/*.whl > /dev/null 2>&1; then
        python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
            --target "$SITE" "$part"/*.whl
    fi
done
rm -rf "$SITE"/engine_ext*
python3 -m pip install -q --no-index --no-deps --no-build-isolation --no-compile --no-cache-dir \
    --upgrade --target "$SITE" .
python3 -m compileall -q -j 0 "$SITE/sglang/srt" "$SITE/sglang/jit_kernel" "$SITE/transformers" \
    "$SITE/fastapi" "$SITE/openai" "$SITE/pydantic" > /dev/null 2>&1
export PYTHONPATH="$SITE:$PWD/environments/gpu/standins:$PWD"
export SGLANG_SKIP_SGL_KERNEL_VERSION_CHECK=1 SGLANG_IS_FLASHINFER_AVAILABLE=false
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
