#!/usr/bin/env bash
# A stand-in for warmstart-worker: keeps the contract of the run folder without libtorch. STAND_IN chooses what happens.
set -u
if [ "$1" = doctor ]; then
  echo '{"version":"0.1.0","libtorch":"2.13.0","cpu":"stand-in","threads":2,"device":"cpu","reason":"no GPU","cuda":{"library":"not installed","available":false,"devices":0}}'
  exit 0
fi
if [ "$1" = prefetch ]; then
  shift
  trap 'exit 130' TERM
  echo '{"says":"note","text":"downloading from '"${WARMSTART_MIRROR:-the publisher}"'"}'
  for part in 5 40 45 100; do echo '{"says":"progress","what":"'"$1"'","done":'$part'000000,"total":100000000}'; done
  [ "${STAND_IN:-}" = slow ] && while [ $SECONDS -lt 60 ]; do sleep 0.05; done
  code=0
  for item; do
    if [ "${STAND_IN:-}" = fail ] && [ "$item" = cifar100 ]; then
      echo '{"says":"failed","item":"cifar100","error":"cifar100 cannot be downloaded: no such host","help":"set WARMSTART_MIRROR"}'
      code=1
    else
      echo '{"says":"done","item":"'"$item"'","path":"/data/'"$item"'","fetched":true}'
    fi
  done
  exit $code
fi
if [ "$1" = check ]; then
  shift
  [ "${STAND_IN:-}" = no-libtorch ] && { echo "error while loading shared libraries: libtorch_cpu.so" >&2; exit 127; }
  for file; do echo "${STAND_IN_CHECK:-{\"findings\":[]\}}"; done
  exit 0
fi
run=$2
mode=${STAND_IN:-finish}
case $mode in # slow for one experiment alone
  slow-*) if grep -q "\"stem\": \"${mode#slow-}\"" "$run/run.json" 2>/dev/null; then mode=slow; else mode=finish; fi ;;
esac
if [ "$mode" = no-libtorch ]; then
  echo "error while loading shared libraries: libtorch_cpu.so: cannot open shared object file" >&2
  exit 127
fi
if [ "$1" = look ]; then
  [ "$mode" = refused ] && { echo '{"says":"refused","error":"cifar100 is not on this machine","help":"download it"}'; exit 0; }
  parts='"train":{"images":20,"by_class":[15,5]},"validation":{"images":10,"by_class":[5,5]},"test":{"images":4,"by_class":[2,2]}'
  augment='{"rotation":15,"horizontal_flip":true,"zoom":0.1}'
  echo '{"says":"opened","dataset":"emoji98","labels":"fine","classes":["tiger","lion"],'"$parts"',"augment":'"$augment"'}'
  while read -r ask; do
    part=${ask#*'"part":"'}; part=${part%%'"'*}
    if [[ $ask =~ '"number":'([0-9]+) ]]; then
      number=${BASH_REMATCH[1]}
      if [ "$number" -lt 20 ]; then
        echo '{"says":"found","part":"'"$part"'","position":'"$number"'}'
      else
        echo '{"says":"not_there","error":"there is no image '"$number"'"}'
      fi
      continue
    fi
    pictures=
    while [[ $ask =~ '"position":'([0-9]+)(,'"epoch":'([0-9]+))? ]]; do
      ask=${ask#*"${BASH_REMATCH[0]}"}
      epoch=${BASH_REMATCH[3]:-null} position=${BASH_REMATCH[1]}
      label='{"number":8,"name":"large_carnivores"},"fine":{"number":88,"name":"tiger"}'
      pixels='"pixels":{"side":2,"rgb":"/wAAAP8AAAD/////"}'
      [ "$position" = 13 ] && pixels='"error":"is empty"'
      pictures+=',{"position":'"$position"',"epoch":'"$epoch"',"number":'"$position"',"coarse":'"$label"','"$pixels"'}'
    done
    echo '{"says":"pictures","part":"'"$part"'","pictures":['"${pictures#,}"']}'
  done
  exit 0
fi
if [ "$1" = predict ]; then
  pixels=
  case $2 in --*) pixels=',"pixels":{"side":2,"rgb":"/wAAAP8AAAD/////"}'; run=$3; shift ;; esac
  shift 2
  [ "$mode" = no-checkpoint ] && { echo '{"error":"no checkpoint yet","help":"wait"}'; exit 0; }
  images=
  for image; do
    case $image in
      bad*) images+=",{\"image\":\"$image\",\"classes\":[],\"error\":\"is empty\"}" ;;
      *) images+=",{\"image\":\"$image\",\"classes\":[{\"name\":\"tiger\",\"probability\":0.875},{\"name\":\"lion\",\"probability\":0.125}]$pixels}" ;;
    esac
  done
  echo "{\"run\":\"${run##*/}\",\"epoch\":3,\"step\":30,\"images\":[${images#,}]}"
  exit 0
fi
if [ "$1" = export ]; then
  case $mode in
    no-checkpoint) echo '{"kind":"input","error":"no checkpoint yet","help":"wait"}' ;;
    fail) echo '{"kind":"disk","error":"out.safetensors cannot be written: no space left","help":"make room"}' ;;
    *)
      file=${3:-default.safetensors}
      echo "{\"run\":\"${run##*/}\",\"epoch\":3,\"step\":30,\"file\":\"$file\",\"labels\":\"x.labels.json\",\"config\":\"x.config.json\",\"bytes\":1234567,\"sha256\":\"ab\",\"load\":\"import timm\\n\"}"
      ;;
  esac
  exit 0
fi
exec 9>"$run/run.lock"
flock 9
read -r stat </proc/self/stat # of the shell itself: `read` is a builtin
set -- ${stat##*) }
identity="{\"boot_id\":\"$(cat /proc/sys/kernel/random/boot_id)\",\"pid\":$$,\"start_ticks\":${20}}"
[ "${WARMSTART_LAUNCHER:-}" = slurm ] && identity="{\"slurm_job\":$SLURM_JOB_ID,\"restart\":${SLURM_RESTART_COUNT:-0}}"

# As the worker does when it takes a run: it writes itself into run.json.
info=$(sed '/^  "worker"/,/^  }/d' "$run/run.json")
info=${info%\}}; info=${info%$'\n'}; info=${info%,}
printf '%s,\n  "worker": {\n    %s\n  }\n}\n' "$info" "${identity:1:-1}" >"$run/run.json.new" && mv "$run/run.json.new" "$run/run.json"

say() { echo "{\"t\":$EPOCHREALTIME,\"event\":$1}" >>"$run/events.jsonl"; }
# As the worker of a job does at its end: it gives the run back.
release() {
  [ "${WARMSTART_LAUNCHER:-}" = slurm ] || return 0
  printf '%s\n}\n' "$info" >"$run/run.json.new" && mv "$run/run.json.new" "$run/run.json"
}
leave() { say "\"stopped\",\"step\":$step,\"train_time\":1.5"; release; exit 0; }
stopping=
trap 'stopping=1' TERM
trap 'exit 131' QUIT

# A whole checkpoint, of tensors that nobody reads. In a subshell, which takes no signal: bash cannot parse a trap while it expands
# `$(…)` or `<(…)`, so it would lose a TERM.
save() (
  local folder name files=
  folder=$run/ckpt/step-$(printf %08d $step)
  [ -d "$run/ckpt" ] || mkdir "$run/ckpt"
  [ -d "$folder" ] || mkdir "$folder"
  echo model >"$folder/model.safetensors"
  echo optimizer >"$folder/optimizer.safetensors"
  echo '{"step":'$step',"epoch":'$epoch',"batch":0,"sums":{"loss":0,"correct":0,"images":0},"progress":{"best":null,"mark":null,"waited":0},"best_step":'$step',"stopped_early":false,"train_time":1.5,"machine":{"device":"cpu","device_name":"stand-in","threads":2,"libtorch":"2.13","experiment":"x"}}' >"$folder/state.json"
  for name in model.safetensors optimizer.safetensors state.json; do
    read -r hash _ < <(sha256sum "$folder/$name")
    files+=",\"$name\":{\"bytes\":$(wc -c <"$folder/$name"),\"sha256\":\"$hash\"}"
  done
  echo "{\"format\":1,\"step\":$step,\"files\":{${files#,}}}" >"$folder/manifest.json"
)

number=1; step=0; epoch=1
if [ -s "$run/events.jsonl" ]; then
  number=2; step=10; epoch=2
else
  say '"header","format":1,"software":"stand-in"'
fi
resumed=null; [ $number = 1 ] || resumed=10
say "\"attempt\",\"number\":$number,\"worker\":$identity,\"host\":\"h\",\"device\":\"cpu\",\"device_name\":\"stand-in\",\"device_reason\":\"asked for\",\"threads\":2,\"libtorch\":\"2.13\",\"epochs\":3,\"resumed_from\":$resumed"
[ "$mode" = killed ] && kill -9 $$
[ "$mode" = fail ] && { say '"failed","kind":"input","error":"no weights","help":"bring them"'; exit 1; }
say '"dataset","name":"emoji98","train":100,"validation":30,"test":20,"classes":98,"steps_per_epoch":10'
if [ "$mode" = ticks ]; then # Numbered lines in both logs until it is asked to stop.
  say '"phase","phase":"training"'
  while [ -z "$stopping" ] && [ $SECONDS -lt 300 ]; do
    step=$((step + 1))
    say "\"batch\",\"epoch\":2,\"step\":$step,\"batch\":$((step % 10)),\"batches\":10,\"loss\":1.0,\"accuracy\":0.5,\"learning_rate\":0.001,\"images_per_second\":100,\"gradient_norm\":1"
    echo "line $step" >&2
    sleep 0.1
  done
  say '"stopping"'; leave
fi
while [ $epoch -le 3 ]; do
  say '"phase","phase":"training"'
  say "\"batch\",\"epoch\":$epoch,\"step\":$((step + 5)),\"batch\":5,\"batches\":10,\"loss\":1.0,\"accuracy\":0.5,\"learning_rate\":0.001,\"images_per_second\":100,\"gradient_norm\":1"
  [ "$mode" = slow ] && [ $number = 1 ] && [ $epoch = 2 ] && while [ -z "$stopping" ] && [ $SECONDS -lt 60 ]; do sleep 0.05; done
  [ "$mode" = stops ] && [ $number = 1 ] && [ $epoch = 2 ] && leave
  [ -n "$stopping" ] && { say '"stopping"'; leave; }
  step=$((step + 10))
  say "\"epoch\",\"epoch\":$epoch,\"step\":$step,\"train_loss\":1.0,\"train_acc\":0.5,\"val_loss\":1.$((5 - epoch)),\"val_acc\":0.4$epoch,\"learning_rate\":0.001,\"images_per_second\":100,\"train_time\":$epoch.5,\"best\":true"
  save
  say "\"checkpoint\",\"step\":$step,\"epoch\":$epoch,\"best\":true,\"bytes\":1000,\"seconds\":0.1"
  epoch=$((epoch + 1))
done
say '"phase","phase":"testing"'
say '"test","epoch":3,"loss":1.2,"accuracy":0.4321'
say '"finished","train_time":3.5,"stopped_early":false'
release
