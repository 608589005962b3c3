// The judge of Karpenter mode: packs pods with Karpenter's own scheduler, used as a library.
//
// It reads the files that `runbook capacity pack` reads (pods, node pools, daemonsets, instance
// types), solves them several times (Karpenter picks a zone by iterating a Go map, so runs may
// differ) and prints one answer per run as JSON, in the shape of `runbook capacity pack -o json`.
//
// It makes no decision of its own about packing. What it does on behalf of Kubernetes' admission,
// because the library expects it to have happened: requests default to limits, a host port's
// protocol defaults to TCP, pods get distinct UIDs in the order of the file. What it does on behalf
// of Karpenter's provisioner: node pools in the order of their weight, one pod per daemonset.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/samber/lo"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	scheduler "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/test"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
)

// Node is a claim that Karpenter would launch.
type Node struct {
	NodePool     string   `json:"node_pool"`
	InstanceType string   `json:"instance_type"`
	Zones        []string `json:"zones"`
	USDPerHour   float64  `json:"usd_per_hour"`
	Pods         []string `json:"pods"`
	Candidates   int      `json:"candidates"`
}

// Answer is what one run decided.
type Answer struct {
	Nodes         []Node   `json:"nodes"`
	Unschedulable []string `json:"unschedulable"`
	USDPerHour    float64  `json:"usd_per_hour"`
	Seconds       float64  `json:"seconds"`
	CPUSeconds    float64  `json:"cpu_seconds"`
}

// Case names the files of one question.
type Case struct {
	Pods          string   `json:"pods"`
	NodePools     []string `json:"node_pools"`
	DaemonSets    string   `json:"daemonsets"`
	InstanceTypes string   `json:"instance_types"`
	Preferences   string   `json:"preferences"`
	// Benchmark, where it is given, stands for the files: Karpenter's own benchmark is run.
	Benchmark *Benchmark `json:"benchmark"`
	// Runs, where it is given, stands for the flag.
	Runs int `json:"runs"`
}

func main() {
	runs := flag.Int("runs", 20, "how often each case is solved")
	flag.Parse()
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<24)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		if len(bytes.TrimSpace(input.Bytes())) == 0 {
			continue
		}
		var one Case
		must(json.Unmarshal(input.Bytes(), &one))
		ask := func() Answer { return solve(one) }
		if one.Benchmark != nil {
			ask = prepareBenchmark(one)
		}
		answers := []Answer{}
		for range lo.CoalesceOrEmpty(one.Runs, *runs) {
			answers = append(answers, ask())
		}
		must(output.Encode(answers))
	}
	must(input.Err())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func background() context.Context {
	ctx := options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), test.Options())
	return log.IntoContext(ctx, logr.Discard())
}

func solve(one Case) Answer {
	ctx := background()
	pods := readPods(one.Pods)
	pools := readPools(one.NodePools)
	kinds := readInstanceTypes(one.InstanceTypes)
	byPool := map[string][]*cloudprovider.InstanceType{}
	for _, pool := range pools {
		byPool[pool.Name] = kinds
	}
	daemons := []*corev1.Pod{}
	if one.DaemonSets != "" {
		daemons = readPods(one.DaemonSets)
	}
	provider := fake.NewCloudProvider()
	provider.InstanceTypes = kinds
	client := fakeclient.NewClientBuilder().Build()
	now := clock.RealClock{}
	cluster := state.NewCluster(now, client, provider)
	policy := []scheduling.Options{scheduling.NumConcurrentReconciles(2)}
	if one.Preferences == "ignore" {
		policy = append(policy, scheduling.IgnorePreferences)
	}
	topology, err := scheduling.NewTopology(ctx, client, cluster, nil, pools, byPool, pods, policy...)
	must(err)
	solver := scheduling.NewScheduler(ctx, client, pools, cluster, nil, topology, byPool, daemons,
		events.NewRecorder(&record.FakeRecorder{}), now, nil, nil, policy...)
	return timed(ctx, solver, pods)
}

// timed solves, and says how long that took.
func timed(ctx context.Context, solver *scheduling.Scheduler, pods []*corev1.Pod) Answer {
	began, spent := time.Now(), cpuSeconds()
	results, err := solver.Solve(ctx, pods)
	must(err)
	seconds, spent := time.Since(began).Seconds(), cpuSeconds()-spent
	results = results.TruncateInstanceTypes(ctx, scheduling.MaxInstanceTypes)
	found := answer(results, seconds)
	found.CPUSeconds = spent
	return found
}

// cpuSeconds is what this process has used of all processors.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func answer(results scheduling.Results, seconds float64) Answer {
	out := Answer{Nodes: []Node{}, Unschedulable: []string{}, Seconds: seconds}
	for _, claim := range results.NewNodeClaims {
		ordered := claim.InstanceTypeOptions.OrderByPrice(claim.Requirements)
		best, price := cheapest(ordered, claim.Requirements)
		node := Node{
			NodePool: claim.NodePoolName, InstanceType: best.Name, USDPerHour: price,
			Zones: zones(best, claim.Requirements), Candidates: len(ordered),
			Pods: lo.Map(claim.Pods, func(pod *corev1.Pod, _ int) string { return name(pod) }),
		}
		sort.Strings(node.Pods)
		out.Nodes = append(out.Nodes, node)
		out.USDPerHour += price
	}
	for pod := range results.PodErrors {
		out.Unschedulable = append(out.Unschedulable, name(pod))
	}
	sort.Strings(out.Unschedulable)
	return out
}

// cheapest is the price of the cheapest type left, and of equal ones the lowest name.
func cheapest(kinds cloudprovider.InstanceTypes, requirements scheduler.Requirements) (*cloudprovider.InstanceType, float64) {
	var best *cloudprovider.InstanceType
	price := math.Inf(1)
	for _, kind := range kinds {
		offering := kind.Offerings.Available().Compatible(requirements).Cheapest()
		if offering == nil {
			continue
		}
		if offering.Price < price || (offering.Price == price && kind.Name < best.Name) {
			best, price = kind, offering.Price
		}
	}
	if best == nil {
		must(errors.New("a claim has no compatible offering"))
	}
	return best, price
}

func zones(kind *cloudprovider.InstanceType, requirements scheduler.Requirements) []string {
	found := lo.Uniq(lo.Map(kind.Offerings.Available().Compatible(requirements), func(one *cloudprovider.Offering, _ int) string {
		return one.Zone()
	}))
	sort.Strings(found)
	return found
}

func name(pod *corev1.Pod) string {
	if pod.Namespace == "" || pod.Namespace == "default" {
		return pod.Name
	}
	return pod.Namespace + "/" + pod.Name
}

func documents(path string) []map[string]any {
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(bufio.NewReader(file), 1<<16)
	found := []map[string]any{}
	for {
		var one map[string]any
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return found
		}
		must(err)
		if one == nil {
			continue
		}
		if items, isList := one["items"].([]any); isList {
			for _, item := range items {
				found = append(found, item.(map[string]any))
			}
			continue
		}
		found = append(found, one)
	}
}

func into(document map[string]any, target any) {
	text, err := json.Marshal(document)
	must(err)
	must(json.Unmarshal(text, target))
}

func readPods(path string) []*corev1.Pod {
	pods := []*corev1.Pod{}
	for _, document := range documents(path) {
		switch document["kind"] {
		case "Pod":
			pod := &corev1.Pod{}
			into(document, pod)
			pods = append(pods, pod)
		case "DaemonSet":
			set := &appsv1.DaemonSet{}
			into(document, set)
			pods = append(pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: set.Name, Namespace: set.Namespace, Labels: set.Spec.Template.Labels},
				Spec:       set.Spec.Template.Spec,
			})
		case "Deployment":
			set := &appsv1.Deployment{}
			into(document, set)
			for replica := range lo.FromPtrOr(set.Spec.Replicas, 1) {
				pods = append(pods, &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", set.Name, replica), Namespace: set.Namespace, Labels: set.Spec.Template.Labels},
					Spec:       *set.Spec.Template.Spec.DeepCopy(),
				})
			}
		default:
			must(fmt.Errorf("%s: the judge does not read kind %v", path, document["kind"]))
		}
	}
	for position, pod := range pods {
		admit(pod, position)
	}
	return pods
}

// admit does what Kubernetes' admission does before Karpenter sees a pod.
func admit(pod *corev1.Pod, position int) {
	if pod.Namespace == "" {
		pod.Namespace = "default"
	}
	if pod.UID == "" {
		pod.UID = types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", position))
	}
	pod.Status.Phase = corev1.PodPending
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for index := range containers {
			container := &containers[index]
			for key, limit := range container.Resources.Limits {
				if _, given := container.Resources.Requests[key]; !given {
					if container.Resources.Requests == nil {
						container.Resources.Requests = corev1.ResourceList{}
					}
					container.Resources.Requests[key] = limit
				}
			}
			for port := range container.Ports {
				if container.Ports[port].Protocol == "" {
					container.Ports[port].Protocol = corev1.ProtocolTCP
				}
			}
		}
	}
}

func readPools(paths []string) []*v1.NodePool {
	pools := []*v1.NodePool{}
	for _, path := range paths {
		for _, document := range documents(path) {
			if document["kind"] != "NodePool" {
				continue
			}
			pool := &v1.NodePool{}
			into(document, pool)
			pools = append(pools, pool)
		}
	}
	if len(paths) == 0 {
		pools = append(pools, defaultPool())
	}
	nodepoolutils.OrderByWeight(pools)
	return pools
}

// defaultPool is one pool without requirements, taints or limits, on-demand only.
func defaultPool() *v1.NodePool {
	pool := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	pool.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "karpenter.test.sh", Kind: "TestNodeClass", Name: "default"}
	pool.Spec.Template.Spec.Requirements = []v1.NodeSelectorRequirementWithMinValues{{
		Key: v1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{v1.CapacityTypeOnDemand},
	}}
	return pool
}

var typeName = regexp.MustCompile(`^([a-z]+)([0-9]*)[a-z0-9-]*\.(.+)$`)

func readInstanceTypes(path string) []*cloudprovider.InstanceType {
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	must(err)
	column := map[string]int{}
	for index, title := range rows[0] {
		column[title] = index
	}
	order := []string{}
	byName := map[string]*cloudprovider.InstanceType{}
	for _, row := range rows[1:] {
		get := func(title string) string {
			if index, exists := column[title]; exists {
				return row[index]
			}
			return ""
		}
		capacityType := lo.CoalesceOrEmpty(get("capacity_type"), v1.CapacityTypeOnDemand)
		price, err := strconv.ParseFloat(get("usd_per_hour"), 64)
		must(err)
		kind, exists := byName[get("instance_type")]
		if !exists {
			kind = &cloudprovider.InstanceType{
				Name: get("instance_type"),
				Capacity: corev1.ResourceList{
					corev1.ResourceCPU:              resource.MustParse(get("allocatable_cpu_m") + "m"),
					corev1.ResourceMemory:           resource.MustParse(get("allocatable_memory_mib") + "Mi"),
					corev1.ResourcePods:             resource.MustParse(get("pods")),
					corev1.ResourceEphemeralStorage: resource.MustParse("20Gi"),
				},
				Overhead: &cloudprovider.InstanceTypeOverhead{},
			}
			byName[kind.Name] = kind
			order = append(order, kind.Name)
			kind.Requirements = scheduler.NewRequirements(
				scheduler.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, kind.Name),
				scheduler.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, get("arch")),
				scheduler.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, "linux"),
			)
			if parts := typeName.FindStringSubmatch(kind.Name); parts != nil {
				family, _, _ := strings.Cut(kind.Name, ".")
				kind.Requirements.Add(
					scheduler.NewRequirement("karpenter.k8s.aws/instance-category", corev1.NodeSelectorOpIn, parts[1]),
					scheduler.NewRequirement("karpenter.k8s.aws/instance-family", corev1.NodeSelectorOpIn, family),
					scheduler.NewRequirement("karpenter.k8s.aws/instance-size", corev1.NodeSelectorOpIn, parts[3]),
				)
				if parts[2] != "" {
					kind.Requirements.Add(scheduler.NewRequirement("karpenter.k8s.aws/instance-generation", corev1.NodeSelectorOpIn, parts[2]))
				}
			}
		}
		for _, zone := range strings.Split(get("zones"), ";") {
			kind.Offerings = append(kind.Offerings, &cloudprovider.Offering{
				Available: true, Price: price,
				Requirements: scheduler.NewLabelRequirements(map[string]string{
					v1.CapacityTypeLabelKey: capacityType, corev1.LabelTopologyZone: zone,
				}),
			})
		}
	}
	return lo.Map(order, func(one string, _ int) *cloudprovider.InstanceType {
		kind := byName[one]
		kind.Requirements.Add(
			scheduler.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, lo.Uniq(lo.Map(kind.Offerings, func(o *cloudprovider.Offering, _ int) string { return o.Zone() }))...),
			scheduler.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, lo.Uniq(lo.Map(kind.Offerings, func(o *cloudprovider.Offering, _ int) string { return o.CapacityType() }))...),
		)
		return kind
	})
}

func init() {
	v1.WellKnownLabels.Insert("karpenter.k8s.aws/instance-category", "karpenter.k8s.aws/instance-family",
		"karpenter.k8s.aws/instance-size", "karpenter.k8s.aws/instance-generation")
}
