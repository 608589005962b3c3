#!/usr/bin/env bash
# Builds a real control plane and both helms into a folder, which is whole or not there.
#
# Usage: build.sh FOLDER. Needs Go and its ordinary module proxy; some ten minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")"

readonly KUBERNETES=1.36.3
readonly KWOK=v0.8.0
readonly HELM_3=v3.22.0
readonly HELM_4=v4.3.1

folder="$1"
part="${folder}.part"
rm -rf "${part}"
mkdir -p "${part}/stages"
export GOCACHE="${part}/go-build"

# kubectl reads the server's version, which only the linker sets.
version=k8s.io/component-base/version
flags="-s -w -X ${version}.gitVersion=v${KUBERNETES} -X ${version}.gitMajor=${KUBERNETES%%.*}"
minor="${KUBERNETES#*.}"
flags="${flags} -X ${version}.gitMinor=${minor%%.*}"
for program in etcd apiserver controller-manager scheduler; do
  go build -buildvcs=false -ldflags "${flags}" -o "${part}/${program}" "./${program}"
done

# kwok plays the kubelet; its stages are files of its module.
cd "${part}"
GOBIN="${part}" go install "sigs.k8s.io/kwok/cmd/kwok@${KWOK}"
stages="$(go env GOMODCACHE)/sigs.k8s.io/kwok@${KWOK}/kustomize/stage"
for stage in node/fast/node-initialize node/heartbeat/node-heartbeat \
  pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete; do
  install -m 644 "${stages}/${stage}.yaml" "${part}/stages/"
done

GOBIN="${part}" go install "helm.sh/helm/v3/cmd/helm@${HELM_3}"
mv helm helm3
GOBIN="${part}" go install "helm.sh/helm/v4/cmd/helm@${HELM_4}"
mv helm helm4

rm -rf "${part}/go-build"
mv "${part}" "${folder}"
