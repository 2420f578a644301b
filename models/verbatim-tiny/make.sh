#!/bin/sh
# Makes models/verbatim-tiny.gguf again: vocabulary, held-out prompts, training, export, checks, evaluation.
#
#   models/verbatim-tiny/make.sh                80 minutes of two processor cores; goes on where it was stopped
#   models/verbatim-tiny/make.sh --miniature    the same in five minutes, into work/miniature: the answers are poor
#
# Needs the library (npm run setup), Python 3.9 or later with PyTorch 1.13 or later and NumPy; on Debian:
# apt install python3-torch libopenblas0-pthread. PYTHON names the interpreter, MINUTES the time of the training
# (processor time per thread); while a file of the name PAUSE_FILE exists, the training sleeps.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
"$python" -c 'import numpy, torch' || exit 1

if [ "${1:-}" = --miniature ]; then
  work=work/miniature
  model=$work/verbatim-tiny.gguf
  mkdir -p "$work"
  rm -f "$work/checkpoint.pt"
  vocabulary=$work/vocabulary.json
  "$python" tokenizer.py "$vocabulary" --texts 3000
  set -- --minutes "${MINUTES:-3}" --hurry 4
  limit=3
else
  work=work
  model=../verbatim-tiny.gguf
  mkdir -p "$work"
  # A finished training is not gone on with: remove work/checkpoint.pt to begin anew.
  vocabulary=vocabulary.json
  [ -e "$work/checkpoint.pt" ] || "$python" tokenizer.py "$vocabulary"
  set -- --minutes "${MINUTES:-80}"
  limit=400
fi

"$python" heldout.py
"$python" check.py
"$python" -u train.py --work "$work" --vocabulary "$vocabulary" ${PAUSE_FILE:+--pause-file "$PAUSE_FILE"} "$@"
"$python" export.py --checkpoint "$work/checkpoint.pt" --vocabulary "$vocabulary" --out "$model"
"$python" agreement.py "$vocabulary"
npx tsx agreement.ts "$model"
npx tsx evaluate.ts "$model" --limit "$limit"
