#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can be wrong with a training: one clear line, exit 1 or 2, and what was saved before stays whole.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
recipe=$ROOT/tests/data/recipes/tiny.json

# train FOLDER OPTION...: the small recipe with few steps, its text stage with many if LONG is set.
cat >train <<END
#!/usr/bin/env bash
exec "$CLI" train --recipe "$recipe" --set "output=\$1" --set stages.vae.steps=4 --set stages.text.steps=\${LONG:-4} \\
  --set stages.images.steps=4 --set stages.clips.steps=4 --set save_seconds=0 "\${@:2}"
END
chmod +x train

# fails NAME CODE PATTERN COMMAND...: as exits of tap.sh, for what may take longer.
fails () {
  local name=$1 code=$2 pattern=$3 status
  shift 3
  timeout 120 "$@" >stdout 2>stderr </dev/null
  status=$?
  if [[ $status == "$code" && $(wc -l <stderr) == 1 ]] && grep -qE -- "^framewright-cli: .*($pattern)" stderr; then
    pass "$name"
  else
    fail "$name" "exit $status instead of $code, or not one line with “$pattern”: $(tail -n 5 stderr)"
  fi
}
exits "no recipe" 2 '--recipe is missing' "$CLI" train
exits "a recipe that is not there" 1 'No such file' "$CLI" train --recipe nowhere.json
mkfifo fifo.json
exits "a FIFO as recipe" 1 'regular file' "$CLI" train --recipe fifo.json
head -c 500 "$recipe" >cut.json
exits "a recipe that is cut off" 1 'cannot be read' "$CLI" train --recipe cut.json
exits "an override of nothing" 2 'nothing called' "$CLI" train --recipe "$recipe" --set stages.nowhere.steps=1
exits "an unknown key" 2 'unknown key .learning_rate' "$CLI" train --recipe "$recipe" --set stages.vae.learning_rate=1
exits "a batch beyond all memory" 1 'needs .* only|Not enough memory' \
  "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/huge" --set 'stages.vae.data=[{"world":"shapes","size":1024,"frames":64,"batch":4096}]'
none "takes no memory before it is refused" "$(find huge -type f ! -name lock 2>find.log)"
exits "norms that the channels do not allow" 1 'norm|group' "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/norms" --set stages.vae.model.norm_num_groups=5

: >file
fails "a file where the folder should be" 1 'Cannot make the folder' ./train file
if [[ $(id -u) != 0 ]]; then
  mkdir readonly && chmod 500 readonly
  fails "a folder that cannot be written" 1 'Cannot make the folder' ./train readonly
else
  fails "a folder that cannot be written" 1 'Cannot make the folder' ./train /proc/framewright
fi

check "a training to damage" ./train work
fails "starting again over it" 2 'resume continues it, --force starts over' ./train work
rm work/tiny/state/clips.done
fails "going on with another recipe" 2 'finished by another recipe' ./train work --resume --set seed=8
rm work/tiny/vae/diffusion_pytorch_model.safetensors
fails "a missing result of an earlier stage" 1 'diffusion_pytorch_model' ./train work --resume
# Shards that were copied there, or that an earlier run left, whose index a reader of the folder would take.
shards=work/tiny/images/diffusion_pytorch_model
mv $shards.safetensors $shards-00001-of-00002.safetensors
echo '{"weight_map": {"nothing": "diffusion_pytorch_model-00002-of-00002.safetensors"}}' >$shards.safetensors.index.json
check "starting over mends it" ./train work --force
check "and leaves no older weights" test "$(ls work/tiny/images)" = diffusion_pytorch_model.safetensors
rm work/tiny/state/clips.done work/tiny/images/diffusion_pytorch_model.safetensors
fails "missing weights to begin with" 1 'tiny/images.*holds no checkpoint' ./train work --resume

# The text stage of this one is stopped after some of its many steps.
export LONG=100000
stop () { # OPTION...: a training that is interrupted once its state is there
  ./train stopped "$@" >out 2>&1 &
  local job=$!
  until [[ -e stopped/tiny/state/text.safetensors ]]; do
    sleep 0.05
    kill -0 $job || return 1
  done
  sleep 1
  kill -INT $job
  wait $job
  [[ $? == 130 ]]
}
check "a training that is stopped" stop
state=stopped/tiny/state/text.safetensors
cp $state sound
LONG=99999 fails "a changed recipe with old state" 2 'belongs to another recipe' ./train stopped --resume
fails "two trainings in one folder" 1 'Another process is training' flock stopped/tiny/state/lock ./train stopped --resume
truncate -s -100 $state
fails "a state that is cut off" 1 'damaged, --force starts over' ./train stopped --resume
cp sound $state
sed -i 's/"step":"[0-9]/"step":"x/' $state
fails "a state without its step" 1 'damaged; --force starts over' ./train stopped --resume
cp sound $state
sed -i 's/"variance"/"variancf"/' $state
fails "a state without an array" 1 'damaged; --force starts over' ./train stopped --resume
head -c 3000 /dev/urandom >$state
fails "a state that is noise" 1 'damaged, --force starts over' ./train stopped --resume
cp sound $state

# No file may grow beyond some blocks: what a full disk does to a state, without a disk.
fails "a state that no longer fits" 1 'File too large' bash -c 'trap "" XFSZ; ulimit -f 100; exec ./train stopped --resume'
check "leaves the one before" cmp sound $state
none "and nothing beside it" "$(find stopped/tiny -name '.*' ! -name .)"

full () { # a file system with no room left
  mkdir -p small && mount -t tmpfs -o size=2m tmpfs small && cp -r stopped/tiny small/tiny || return 77
  dd if=/dev/zero of=small/ballast bs=1k 2>dd.log
  ./train small --resume
  local code=$?
  cmp sound small/tiny/state/text.safetensors || return 78
  return $code
}
export -f full
if unshare -m bash -c 'mkdir -p small && mount -t tmpfs tmpfs small' 2>unshare.log; then
  fails "a full disk leaves the state before" 1 'No space left' unshare -m bash -c full
else
  skip "a full disk leaves the state before" "file systems cannot be mounted here"
fi
check "it can still be continued" stop --resume
finish
