#!/bin/sh
# Makes QuarlHangul.ttf from NanumSquareR.ttf: hangul.sh NanumSquareR.ttf, with fonttools' pyftsubset and python3 on the path.
set -e
here=$(dirname "$0")
pyftsubset "$1" --output-file="$here/QuarlHangul.ttf" \
  --unicodes=U+3131-3163,U+AC00-D7A3 --layout-features= --no-hinting --notdef-outline --no-glyph-names \
  --drop-tables+=GDEF,GPOS,GSUB,VORG,vhea,vmtx,gasp,DSIG,FFTM --name-IDs=0,1,2,3,4,5,6,13,14
# The licence reserves the font's names: what is changed has to be called something else.
python3 - "$here/QuarlHangul.ttf" <<'PY'
import sys
from fontTools.ttLib import TTFont

font = TTFont(sys.argv[1], recalcTimestamp=False)
names = {1: "Quarl Hangul", 2: "Regular", 3: "Quarl Hangul", 4: "Quarl Hangul", 6: "QuarlHangul-Regular"}
for record in list(font["name"].names):
    if record.nameID in names:
        font["name"].setName(names[record.nameID], record.nameID, record.platformID, record.platEncID, record.langID)
font.save(sys.argv[1])
PY
