#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the program says of itself, of models and of checkpoints.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
golden=$ROOT/tests/data/golden

exits "--version" 0 "^framewright-cli [0-9]+\.[0-9]+\.[0-9]+$" "$CLI" --version
exits "--help names the commands" 0 "^  generate " "$CLI" --help
for command in generate train models inspect bench; do
  exits "$command --help" 0 "^Usage: framewright-cli $command " "$CLI" $command --help
done
"$CLI" help >stdout && "$CLI" --help >stderr
check "help is a command, too" cmp stdout stderr
"$CLI" help train >stdout && "$CLI" train --help >stderr
check "also for another one" cmp stdout stderr
exits "help for what is no command" 2 'unknown command “paint”' "$CLI" help paint
exits "generate --help names the samplers" 0 '^Samplers: .*dpm-solver' "$CLI" generate --help
exits "bench --help names the suites" 0 '^  train-step +forward and backward' "$CLI" bench --help
"$CLI" >stdout 2>stderr
check "no command: code 2" test $? -eq 2
check "no command: help on stderr alone" test -s stderr -a ! -s stdout

says () { # NAME LINE COMMAND...: succeeds, and prints a line that matches
  local name=$1 line=$2
  shift 2
  if timeout 60 "$@" >stdout 2>stderr && grep -qE -- "$line" stdout; then
    pass "$name"
  else
    fail "$name" "no “$line” in: $(head -n 6 stdout stderr)"
  fi
}

"$BUILD/tests/random-model" model
says "models devices tells the path" '^cpu  path (avx2|avx512|amx|ref), ' "$CLI" models devices
says "and the one that is forced" '^cpu  path ref, fp32' env FRAMEWRIGHT_CPU=ref "$CLI" models devices
says "models devices tells the encoders" '^(mp4|webm|mkv)  [a-z0-9_]+( is not installed; it takes the package gstreamer1.0-[a-z]+)?$' "$CLI" models devices
says "and what they lack" '^mp4  x264enc is not installed; it takes the package gstreamer1.0-plugins-ugly$' \
  env GST_PLUGIN_SYSTEM_PATH_1_0="$SCRATCH" GST_PLUGIN_PATH_1_0="$SCRATCH" GST_REGISTRY_1_0="$SCRATCH/registry" "$CLI" models devices
says "also as JSON" '^\{"encoder":"x264enc","format":"mp4","found":(true|false),"package":"gstreamer1.0-plugins-[a-z]+"\}$' \
  "$CLI" models devices --json
says "or that nobody can be asked" '^encoders +Cannot' env FRAMEWRIGHT_MEDIA="$SCRATCH/none" "$CLI" models devices
exits "but not one that no processor has" 1 "FRAMEWRIGHT_CPU" env FRAMEWRIGHT_CPU=mmx "$CLI" models devices
mkdir -p data/models
cp -r model data/models/mine
sed -i 's/"name": "random"/"name": "mine"/' data/models/mine/model.json
says "models list finds a card" '^mine +Random weights' env FRAMEWRIGHT_DATA="$PWD/data" "$CLI" models list
says "models show tells the clip" '^Clip +4 frames, 32x32, 8 a second' env FRAMEWRIGHT_DATA="$PWD/data" "$CLI" models show mine
says "and of a path" '^Name +random' "$CLI" models show model/
says "models verify tells the digests" "^$(sha256sum model/text/spiece.model | cut -c 1-64)  " "$CLI" models verify model/
printf x >>model/transformer.safetensors
exits "and finds a damaged file" 1 "transformer.safetensors" "$CLI" models verify model/

# One bit of a weight changes, and nothing that "ls" would show.
"$BUILD/tests/random-model" stated
weights=stated/transformer.safetensors
digest=$(sha256sum $weights | cut -c 1-64)
sed -i "0,/{/s//{ \"sha256\": { \"transformer.safetensors\": \"$digest\" },/" stated/model.json
draw=("$CLI" generate --model stated/ --prompt x --frames 1 --steps 2 --output)
says "a digest that the card states is right" '^random is whole' "$CLI" models verify stated/
says "also for clips" '^once.png$' "${draw[@]}" once.png
touch -r $weights before
printf '%b' "\\0$(printf %o $(($(tail -c 1 $weights | od -An -tu1) ^ 1)))" \
  | dd of=$weights bs=1 seek=$(($(stat -c %s $weights) - 1)) conv=notrunc status=none
touch -r before $weights
exits "a flipped bit is found before a clip is drawn" 1 'transformer.safetensors.*damaged or was replaced' "${draw[@]}" twice.png
exits "and by models verify" 1 'its sha256 is [0-9a-f]{64} instead of' "$CLI" models verify stated/
sed -i "s/$(sha256sum $weights | cut -c 1-64)/$digest/" "$XDG_CACHE_HOME/framewright/sha256.json"
exits "which believes no cache" 1 'its sha256 is [0-9a-f]{64} instead of' "$CLI" models verify stated/

# Models that are added where they lie; each command is a process of its own.
export FRAMEWRIGHT_DATA=$PWD/registered
"$BUILD/tests/random-model" "far away"
cp -r "far away" other
cp -r "far away" whole
sed -i 's/"name": "random"/"name": "other"/' other/model.json
mv other/model.json other/its-card.json
says "models add takes a folder" '^random is added' "$CLI" models add "far away"
says "and a card, which it finds its files from" '^\{"name":"other","state":"added","card":"/' "$CLI" models add other/its-card.json --json
says "an added model is listed" '^random +Random weights' "$CLI" models list
says "with the other" '^\{"name":"other","title":"Random weights.*","default":false,"card":".*/other/its-card.json","fault":null\}$' \
  "$CLI" models list --json
says "and drawn with by its name" '^clip.png$' "$CLI" generate --model other --prompt x --frames 1 --steps 2 --output clip.png
says "models show --json" '^\{"name":"other",.*"frames":4,.*"vae":\{"architecture":"AutoencoderKL",' "$CLI" models show other --json
says "models verify --json" '^\{"name":"other","file":".*/other/.*","sha256":"[0-9a-f]{64}","stated":false\}$' "$CLI" models verify --json other
says "tells the end" '^\{"name":"other","state":"whole",' "$CLI" models verify --json other
says "models devices --json" '^\{"device":"cpu","path":"[a-z0-9]+","precision":"(bf16|fp32)","processors":[0-9]+\}$' "$CLI" models devices --json
exits "no name is added twice" 2 'There is a model “random” already, at .*far away' "$CLI" models add whole
ls -lR other "far away" >before
says "models remove" '^random is removed' "$CLI" models remove random
says "models remove --json" '^\{"name":"other","state":"removed","card":null\}$' "$CLI" models remove other --json
ls -lR other "far away" >after
check "the model itself stays" cmp before after
none "nothing but what comes along is there any more" "$("$CLI" models list 2>stderr | grep -v "^pocket ")"
exits "what was removed is gone" 2 'There is no model “random”' "$CLI" models remove random
"$CLI" models add other/its-card.json >stdout
mv other elsewhere
says "a model that went away is told" '^\? +cannot be used: .*its-card.json' "$CLI" models list
says "and can be removed" '^other is removed' "$CLI" models remove other
cp -r "far away" registered/models/fixed
exits "a model that lies among the registered ones is not removed" 2 'was not added but lies' "$CLI" models remove fixed
check "and stays" test -f registered/models/fixed/model.json
rm -rf registered/models/*
ln -s ../../whole registered/models/linked
says "a link made by hand, in a folder that is named relatively" '^linked|^random +Random' env FRAMEWRIGHT_DATA=registered "$CLI" models list
says "leads to its model" '^Card +registered/models/../../whole/model.json' env FRAMEWRIGHT_DATA=registered "$CLI" models show linked
sed 's/"title": "/&\\u001b[31m\\r/' whole/model.json >hostile.json
sed -i 's/"weights": "/&whole\//' hostile.json
"$CLI" models add "$PWD/hostile.json" >stdout && "$CLI" models list >shown && "$CLI" models show random >>shown
check "a card's text does not reach the terminal as it is" grep -q 'random .*[[]31m' shown
none "no control character does" "$(tr -d '\n' <shown | grep -P '[\x00-\x1f]')"
rm -rf registered

exits "models add of what is not there" 1 'nowhere.*No such file' "$CLI" models add nowhere
exits "models add of an empty path" 1 'Cannot open' "$CLI" models add ''
exits "models add of weights alone" 1 'one network of a model \(STDiT' "$CLI" models add "far away/transformer.safetensors"
exits "models add of a folder of weights alone" 1 'one network of a model \(.*VAE' "$CLI" models add "far away/vae"
mkdir hollow
mkfifo pipe
head -c 100000 /dev/urandom >noise.bin
for path in hollow pipe noise.bin /dev/zero /dev/null; do
  exits "models add of $path" 1 'is no model' "$CLI" models add "$path"
done
echo '{"prompt": "x"}' >recipe.json
exits "models add of other JSON" 1 'not known to this version' "$CLI" models add recipe.json
rm "far away/transformer.safetensors"
exits "models add of a model that lacks weights" 1 'transformer.safetensors' "$CLI" models add "far away"
exits "models add of nothing" 2 'takes one path' "$CLI" models add
exits "models add with an unknown option" 2 'unknown option' "$CLI" models add --copy model
none "nothing was registered by all this" "$(ls registered 2>ls.log)"
exits "models add where nothing can be written" 1 'Cannot write' env FRAMEWRIGHT_DATA=/proc "$CLI" models add whole
unset FRAMEWRIGHT_DATA

# What is no model is told by what it is, wherever a model is named.
"$BUILD/tests/random-model" parts
for what in "generate --prompt x --output never.png --model" "models show" "models verify"; do
  # shellcheck disable=SC2086
  exits "${what%% --prompt*} of weights alone" 1 'one network of a model \(STDiT.*model.json' "$CLI" $what parts/transformer.safetensors
  # shellcheck disable=SC2086
  exits "${what%% --prompt*} of a folder of weights alone" 1 'one network of a model \(.*VAE.*model.json' "$CLI" $what parts/vae
done
exits "generate with noise for a model" 1 'noise.bin.*is no model' "$CLI" generate --prompt x --output never.png --model ./noise.bin
# A program that was moved out of its build folder does not see the models of the source tree.
mkdir moved && cp "$CLI" moved/
exits "generate where no model is known" 2 'There is no model “pocket”; known are: .*; say --model PATH$' \
  env FRAMEWRIGHT_DATA="$PWD" XDG_DATA_HOME="$PWD" "moved/${CLI##*/}" generate --prompt x --output never.png

exits "models show of nothing" 2 "There is no model" "$CLI" models show nothing
exits "models show without a name" 2 "takes one model" "$CLI" models show
exits "models without an action" 2 "too few" "$CLI" models
exits "models with an unknown action" 2 "not “paint”" "$CLI" models paint

kind () { # CASE KIND
  says "$1 is known" "^Kind +$2" "$CLI" inspect "$golden/$1/weights.safetensors"
}
kind opensora/stdit_mask "STDiT video transformer"
kind t5/base "T5 v1.1 text encoder"
kind sdvae/sd_layout "image VAE"
says "inspect counts" '^Content +248 tensors, 0.27 million values' "$CLI" inspect "$golden/sdvae/sd_layout/weights.safetensors"
says "inspect lists" '^f32 +28 +decoder.conv_in.bias$' "$CLI" inspect "$golden/sdvae/sd_layout/weights.safetensors"
says "inspect --json" '^\{"layout":"safetensors","kind":"STDiT .*"safe":true,"complete":true,"lacking":null,.*"shape":\[' "$CLI" inspect --json "$golden/opensora/stdit_mask/weights.safetensors"
without () { # TENSOR FILE: the file again, without this tensor
  python3 - "$@" <<'PY'
import json, struct, sys
name, path = sys.argv[1:]
data = open(path, "rb").read()
size, = struct.unpack("<Q", data[:8])
header, body, kept = json.loads(data[8:8 + size]), data[8 + size:], b""
del header[name]
for tensor in header.values():
    if "data_offsets" in tensor:
        begin, end = tensor["data_offsets"]
        tensor["data_offsets"] = [len(kept), len(kept) + end - begin]
        kept += body[begin:end]
text = json.dumps(header).encode()
open("lacking.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + kept)
PY
}
for file in "$golden"/{opensora/stdit_*,t5/base,t5/odd_dims,sdvae/sd_layout}/weights.safetensors \
  "$golden"/sdvae/namings/weights*.safetensors "$golden/t5/sharded/st"; do
  [[ ! -e $file ]] || "$CLI" inspect "$file" | grep -q '^Complete    yes' || partial+=" $file"
done
none "what is whole is complete" "${partial:-}"
lacks () { # CASE TENSOR: a tensor that others of its kind tell to be missing
  without "$2" "$golden/$1.safetensors"
  says "without $2 a checkpoint is not complete" "^Complete    no: $2 is not in it$" "$CLI" inspect lacking.safetensors
}
lacks opensora/stdit_mask/weights blocks.1.mlp.fc2.bias
lacks opensora/stdit_mask/weights blocks.0.attn_temp.qkv.weight
lacks t5/base/weights encoder.block.1.layer.0.layer_norm.weight
lacks sdvae/sd_layout/weights decoder.up_blocks.1.resnets.2.conv1.weight
lacks sdvae/namings/weights_ldm_names decoder.up.0.block.1.norm2.bias
says "which --json says too" '"safe":true,"complete":false,"lacking":"decoder.up.0.block.1.norm2.bias"' "$CLI" inspect --json lacking.safetensors
says "a checkpoint in shards" '^Layout +.*2 shards' "$CLI" inspect "$golden/t5/sharded/st"
says "bench times a network" '^\{"bench":"t5",.*"median_s":' "$CLI" bench t5 --runs 2 --precision fp32 --json
check "which it prepares first" test "$(sed -n 's/.*"phase":"\([a-z0-9]*\)".*/\1/p' stdout | uniq | tr '\n' ' ')" = "prepare t5 "
check "in runs that are told" grep -q '"step":1,"steps":2' stdout
field () { # NAME: its value in the suite's line
  sed -n "s/^{\"bench\".*\"$1\":\([0-9]*\).*/\1/p" stdout
}
check "and with the memory that it took" test "$(field peak_bytes)" -gt "$(field weight_bytes)" -a \
  "$(field peak_bytes)" -lt $(($(field weight_bytes) + $(field plan_bytes) + 25000000))
exits "bench of nothing" 2 "nothing" "$CLI" bench nothing

for file in "$golden"/pth/hostile/*.pth "$golden"/safetensors/hostile/*.safetensors; do
  "$CLI" inspect "$file" >stdout 2>stderr
  code=$?
  [[ $code == 0 || ($code == 1 && $(wc -l <stderr) == 1) ]] || odd+=" $(basename "$file"):$code"
done
none "a hostile checkpoint is read or refused in one line" "${odd:-}"
none "and none was executed" "$(ls -d /tmp/open_studio_* 2>/dev/null)"
finish
