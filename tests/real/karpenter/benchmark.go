// Karpenter's own benchmark of its scheduler (pkg/controllers/provisioning/scheduling,
// scheduling_benchmark_test.go), which is a test and cannot be used as a library: the same pods from
// the same seed, the same 400 types, the same pool, five reconciles at once, a new scheduler for each
// run. The pods, types and pool are written to files, so that another packer can be asked the same.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"

	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/test"
)

// Benchmark asks for pods of the benchmark's kinds.
type Benchmark struct {
	// Mix is `diverse` or `preferences`.
	Mix  string `json:"mix"`
	Pods int    `json:"pods"`
	// Folder takes the files: pods.json, pool.json, types.csv.
	Folder string `json:"folder"`
}

// prepareBenchmark makes the question and returns a function that solves it once.
func prepareBenchmark(one Case) func() Answer {
	random := rand.New(rand.NewSource(42))
	kinds := fake.InstanceTypes(400)
	pods := diversePods(one.Benchmark.Pods, random)
	if one.Benchmark.Mix == "preferences" {
		pods = preferencePods(one.Benchmark.Pods, random)
	}
	for position, pod := range pods {
		pod.UID = types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", position))
	}
	pool := test.NodePool(v1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec: v1.NodePoolSpec{Limits: v1.Limits{
			corev1.ResourceCPU:    resource.MustParse("10000000"),
			corev1.ResourceMemory: resource.MustParse("10000000Gi"),
		}},
	})
	writeBenchmark(one.Benchmark.Folder, pods, pool, kinds)
	return func() Answer { return solveBenchmark(one, pods, pool, kinds) }
}

func solveBenchmark(one Case, pods []*corev1.Pod, pool *v1.NodePool, kinds []*cloudprovider.InstanceType) Answer {
	ctx := background()
	policy := []scheduling.Options{}
	if one.Preferences == "ignore" {
		policy = append(policy, scheduling.IgnorePreferences)
	}
	policy = append(policy, scheduling.NumConcurrentReconciles(5))
	provider := fake.NewCloudProvider()
	provider.InstanceTypes = kinds
	client := fakeclient.NewFakeClient()
	now := clock.RealClock{}
	cluster := state.NewCluster(now, client, provider)
	byPool := map[string][]*cloudprovider.InstanceType{pool.Name: kinds}
	pools := []*v1.NodePool{pool}
	topology, err := scheduling.NewTopology(ctx, client, cluster, nil, pools, byPool, pods, policy...)
	must(err)
	solver := scheduling.NewScheduler(ctx, client, pools, cluster, nil, topology, byPool, nil,
		events.NewRecorder(&record.FakeRecorder{}), now, nil, nil, policy...)
	return timed(ctx, solver, pods)
}

func writeBenchmark(folder string, pods []*corev1.Pod, pool *v1.NodePool, kinds []*cloudprovider.InstanceType) {
	save := func(name string, value any) {
		text, err := json.Marshal(value)
		must(err)
		must(os.WriteFile(filepath.Join(folder, name), text, 0o644))
	}
	items := lo.Map(pods, func(pod *corev1.Pod, _ int) *corev1.Pod {
		copied := pod.DeepCopy()
		copied.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		copied.Status = corev1.PodStatus{}
		return copied
	})
	save("pods.json", map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	copied := pool.DeepCopy()
	copied.TypeMeta = metav1.TypeMeta{APIVersion: "karpenter.sh/v1", Kind: "NodePool"}
	save("pool.json", copied)
	lines := []string{"instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type"}
	for _, kind := range kinds {
		left := kind.Allocatable()
		for _, offering := range kind.Offerings {
			lines = append(lines, fmt.Sprintf("%s,amd64,%d,%d,%d,%.10f,%s,%s", kind.Name, left.Cpu().MilliValue(),
				left.Memory().Value()>>20, left.Pods().Value(), offering.Price, offering.Zone(), offering.CapacityType()))
		}
	}
	must(os.WriteFile(filepath.Join(folder, "types.csv"), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func diversePods(count int, random *rand.Rand) []*corev1.Pod {
	each := count / 5
	pods := genericPods(each, random)
	pods = append(pods, spreadPods(each, corev1.LabelTopologyZone, random)...)
	pods = append(pods, spreadPods(each, corev1.LabelHostname, random)...)
	pods = append(pods, affinityPods(each, random)...)
	pods = append(pods, antiAffinityPods(each, random)...)
	return append(pods, genericPods(count-len(pods), random)...)
}

func genericPods(count int, random *rand.Rand) []*corev1.Pod {
	return lo.Times(count, func(int) *corev1.Pod {
		return test.Pod(test.PodOptions{
			ObjectMeta:           metav1.ObjectMeta{Labels: labels("my-label", random)},
			ResourceRequirements: requests(random),
		})
	})
}

func spreadPods(count int, key string, random *rand.Rand) []*corev1.Pod {
	return lo.Times(count, func(int) *corev1.Pod {
		return test.Pod(test.PodOptions{
			ObjectMeta: metav1.ObjectMeta{Labels: labels("my-label", random)},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: labels("my-label", random)},
			}},
			ResourceRequirements: requests(random),
		})
	})
}

func affinityPods(count int, random *rand.Rand) []*corev1.Pod {
	return lo.Times(count, func(int) *corev1.Pod {
		own := labels("my-affininity", random)
		return test.Pod(test.PodOptions{
			ObjectMeta: metav1.ObjectMeta{Labels: own},
			PodRequirements: []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: own}, TopologyKey: corev1.LabelTopologyZone,
			}},
			ResourceRequirements: requests(random),
		})
	})
}

func antiAffinityPods(count int, random *rand.Rand) []*corev1.Pod {
	own := map[string]string{"app": "nginx"}
	return lo.Times(count, func(int) *corev1.Pod {
		return test.Pod(test.PodOptions{
			ObjectMeta: metav1.ObjectMeta{Labels: own},
			PodAntiRequirements: []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: own}, TopologyKey: corev1.LabelHostname,
			}},
			ResourceRequirements: requests(random),
		})
	})
}

// preferencePods have one preference that can be had, and two of which one cannot.
func preferencePods(count int, random *rand.Rand) []*corev1.Pod {
	own := map[string]string{"app": "nginx"}
	apart := func(weight int32, key string) corev1.WeightedPodAffinityTerm {
		return corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: corev1.PodAffinityTerm{
			LabelSelector: &metav1.LabelSelector{MatchLabels: own}, TopologyKey: key,
		}}
	}
	return test.Pods(count, test.PodOptions{
		ObjectMeta: metav1.ObjectMeta{Labels: own},
		NodePreferences: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"test-zone-1"},
		}},
		PodAntiPreferences:   []corev1.WeightedPodAffinityTerm{apart(10, corev1.LabelTopologyZone), apart(1, corev1.LabelHostname)},
		ResourceRequirements: requests(random),
	})
}

func labels(key string, random *rand.Rand) map[string]string {
	values := []string{"a", "b", "c", "d", "e", "f", "g"}
	return map[string]string{key: values[random.Intn(len(values))]}
}

func requests(random *rand.Rand) corev1.ResourceRequirements {
	cpu := []int{100, 250, 500, 1000, 1500}
	memory := []int{100, 256, 512, 1024, 2048, 4096}
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(fmt.Sprintf("%dm", cpu[random.Intn(len(cpu))])),
		corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", memory[random.Intn(len(memory))])),
	}}
}
