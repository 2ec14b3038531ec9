#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can be wrong with a generate job: one clear line, exit 1 or 2, nothing left behind.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
mkdir clean
"$BUILD/tests/random-model" clean/model || exit 1

fault () { # NAME CODE PATTERN OPTION...: of a run that may write below work/ only, and must leave nothing there
  local name=$1 code=$2 pattern=$3
  shift 3
  mkdir work
  exits "$name" "$code" "$pattern" timeout 30 "$CLI" generate --prompt "a circle" "$@"
  none "$name: leaves nothing" "$(find work -mindepth 1)"
  rm -rf work
}
broken () { # NAME PATTERN COMMAND...: on a model that COMMAND damaged, in the folder model
  local name=$1 pattern=$2
  shift 2
  rm -rf model
  cp -r clean/model model
  "$@"
  fault "$name" 1 "$pattern" --model model --output work/clip.mp4
}
edit () { # FILE SED-SCRIPT
  sed -i "$2" "model/$1"
}
weights=model/transformer.safetensors
vae=model/vae/diffusion_pytorch_model.safetensors

fault "an unknown model" 2 'There is no model “nonesuch”; known are: .*; say --model PATH$' --model nonesuch --output work/clip.mp4
fault "a model path that is not there" 1 'no/such' --model no/such --output work/clip.mp4
fault "a model that is no card" 1 'is not known to this version' --model clean/model/text/config.json --output work/clip.mp4
broken "a card that is cut off" 'model.json' truncate -s -20 model/model.json
broken "a card with an unknown member" '“colour” is not known' edit model.json 's/"title"/"colour"/'
broken "a card without its VAE" '“vae” is missing' edit model.json '/"vae"/d'
broken "a card with an unknown network" 'knows no transformer “Sora”; it knows STDiT' edit model.json 's/STDiT/Sora/'
broken "a card with absurd numbers" '“hidden_size” must be' edit model.json 's/"hidden_size": 32/"hidden_size": 1e300/'
broken "a card that claims another depth" 'has no tensor “blocks.2' edit model.json 's/"depth": 2/"depth": 3/'
broken "a card that claims another width" 'in the checkpoint, the model wants|divide' edit model.json 's/"hidden_size": 32/"hidden_size": 64/'
broken "a card that claims a gigantic width" 'in the checkpoint, the model wants|memory|divide' edit model.json 's/"hidden_size": 32/"hidden_size": 16384/'
broken "captions longer than the transformer reads" 'captions are longer' edit model.json 's/"length": 32/"length": 33/'
broken "a missing configuration" 'config.json' rm model/vae/config.json
broken "a configuration of another network" 'another width|must be|wants' edit text/config.json 's/"d_model": 32/"d_model": 64/'
broken "missing weights" 'transformer.safetensors' rm $weights
broken "truncated weights" 'transformer.safetensors' truncate -s 200000 $weights
broken "empty weights" 'transformer.safetensors' truncate -s 0 $weights
broken "a header that claims to be endless" 'transformer.safetensors' bash -c "printf '\377\377\377\177' | dd of=$weights bs=1 seek=4 conv=notrunc status=none"
broken "weights that are noise" 'transformer.safetensors' dd if=/dev/urandom of=$weights bs=1000 count=200 status=none
broken "weights of another network" 'STDiT' cp $vae $weights
broken "a VAE in the text encoder's place" 'T5' cp $vae model/text/model.safetensors
broken "a FIFO as weights" 'regular file' bash -c "rm $weights; mkfifo $weights"
broken "a FIFO as the vocabulary" 'regular file' bash -c 'rm model/text/spiece.model; mkfifo model/text/spiece.model'
broken "a FIFO as the card" 'regular file' bash -c 'rm model/model.json; mkfifo model/model.json'
broken "a vocabulary that would take minutes to read" 'spiece.model.*more than' truncate -s 100G model/text/spiece.model
broken "a vocabulary that is noise" 'spiece.model' dd if=/dev/urandom of=model/text/spiece.model bs=1000 count=20 status=none

# All bits set is a NaN in fp32: the watchdog names the node that makes the first one out of finite numbers, or the weights.
nan () {
  dd if=/dev/zero bs=1 count=3000 status=none | tr '\0' '\377' | dd of=$weights bs=1 seek=$(($(stat -c %s $weights) - 3000)) conv=notrunc status=none
}
broken "weights that are not numbers" 'overflowed at [a-z0-9_.]+ \([a-z_]+\)|“[a-z0-9_.]+” holds a number that is not finite' nan

m=clean/model
for number in 0 -1 -999999999999999999999 99999999999999999999 nan inf 1e3 4.5 0x10 '' ' 4'; do
  for option in frames steps fps count seed; do
    [[ $option$number == seed0 ]] && continue
    fault "--$option “$number”" 2 "$option" --model $m --output work/clip.mp4 "--$option=$number"
  done
done
for number in -1 nan -nan inf 1e9 1e400 0x10 1,5 '' x; do
  fault "--guidance “$number”" 2 "guidance" --model $m --output work/clip.mp4 "--guidance=$number"
done
for size in 0x0 64 64x 64x64x64 63x64 -64x64 99999x64 nanxnan; do
  fault "--size $size" 2 "size" --model $m --output work/clip.mp4 --size=$size
done
fault "a size that does not suit the model" 2 'multiple of 8, such as 32 or 40' --model $m --output work/clip.mp4 --size 34x32
fault "too few steps for the sampler" 2 'dpm-solver takes 2 to 1000' --model $m --output work/clip.mp4 --steps 1
fault "seeds beyond the last" 2 'would go beyond 9007199254740991' --model $m --output work --seed 9007199254740990 --count 3
fault "noise of another kind" 2 'torch-cpu noise only' --model $m --output work/clip.mp4 --noise torch-cuda
fault "an unknown sampler" 2 'known are' --model $m --output work/clip.mp4 --sampler euclid
fault "a device that is not there" 1 'no device' --model $m --output work/clip.mp4 --device cuda
fault "an empty output" 2 'empty' --model $m --output ''
fault "an unknown ending" 2 '.mp4, .webm' --model $m --output work/clip.avi
fault "a folder that is not there" 1 'nowhere' --model $m --output work/nowhere/clip.mp4
fault "a file in the folder's place" 1 'Cannot' --model $m --output clean/model/model.json/clip.mp4
fault "a folder where nobody can write" 1 'Cannot' --model $m --output /proc/clip.mp4
fault "previews where nobody can write" 1 'Cannot' --model $m --output work/clip.mp4 --preview-dir /proc
fault "a name that is too long" 1 'File name too long' --model $m --output "work/$(printf 'x%.0s' {1..252}).mp4" --memory 1M
fault "many frames in one picture" 2 'one frame' --model $m --output work/clip.png
fault "a recipe that is not there" 1 'nowhere.json' --model $m --output work/clip.mp4 --from nowhere.json
fault "a recipe that is a card" 1 'recipe' --model $m --output work/clip.mp4 --from $m/model.json
# What is in the way of any clip is found before the first is begun, and so before the memory is found too little.
mkdir several several/003.mp4
: >several/002.json
ln -s nowhere several/001.mp4
for clip in 001.mp4 002.json; do
  exits "several clips, where $clip is there" 2 "several/$clip” exists" "$CLI" generate --model $m --prompt x --count 3 --output several/ --memory 1M
  rm several/$clip
done
exits "several clips, where 003.mp4 is a folder" 2 'several/003.mp4”: a folder of that name exists' \
  "$CLI" generate --model $m --prompt x --count 3 --output several/ --memory 1M --force
none "nothing was written" "$(find several -type f)"
mkdir previews
echo mine >previews/clip.png.step-0002.png
preview () { # OPTION...
  exits "$1" "$2" "$3" "$CLI" generate --model $m --prompt x --steps 2 --frames 1 --preview-dir previews "${@:4}"
}
preview "previews that are there" 2 'previews/clip.png.step-0002.png” exists' --output clip.png
check "are not written over" grep -qx mine previews/clip.png.step-0002.png
preview "previews of another clip" 0 other.png --output other.png
preview "previews that may be written over" 0 clip.png --output clip.png --force
exits "a place for journals where nobody can write" 0 'cannot be saved, so --resume would begin again: .*/proc/' \
  env XDG_STATE_HOME=/proc/state "$CLI" generate --model $m --prompt x --steps 3 --frames 1 --output unsaved.png
check "is told once" test "$(wc -l <stderr)" = 1
mkfifo pipe
exits "a pipe as output" 2 'pipe' "$CLI" generate --model $m --prompt x --output pipe --force
exits "a device as output" 2 'device|ending' "$CLI" generate --model $m --prompt x --output /dev/full

# A disk that fills up while the clip is written: 16 kB are left.
small=$SCRATCH/small
mkdir "$small"
full () {
  mount -t tmpfs -o size=32k tmpfs "$small" && head -c 28000 /dev/zero >"$small/ballast" || return 77
  timeout 30 "$CLI" generate --model $m --prompt x --frames 64 --size 64x64 --steps 2 --output "$small/clip.mp4"
}
export -f full
export m small
if unshare -m true 2>unshare.log && unshare -m bash -c 'mount -t tmpfs tmpfs "$small"' 2>unshare.log; then
  exits "a full disk" 1 'No space' unshare -m bash -c full
  exits "leaves nothing on it" 0 '^ballast $' unshare -m bash -c 'full 2>/dev/null; ls -A "$small" | tr "\n" " "'
else
  skip "a full disk" "file systems cannot be mounted here"
fi

empty=$SCRATCH/empty
mkdir "$empty"
bare () { # ENDING: without any of GStreamer's plugins
  GST_PLUGIN_SYSTEM_PATH_1_0=$empty GST_PLUGIN_PATH_1_0=$empty GST_REGISTRY_1_0=$SCRATCH/registry \
    timeout 30 "$CLI" generate --model $m --prompt x --frames 1 --steps 2 --output "bare.$1"
}
export -f bare
export empty
exits "no encoder for MP4" 1 'install the package gstreamer1.0-plugins-ugly' bash -c 'bare mp4'
exits "no encoder for WebM" 1 'install the package gstreamer1.0-plugins-good' bash -c 'bare webm'
exits "pictures need none" 0 '^bare.png$' bash -c 'bare png'
exits "no media process" 1 'media process' env FRAMEWRIGHT_MEDIA="$empty/none" "$CLI" generate --model $m --prompt x --output never.mp4
finish
