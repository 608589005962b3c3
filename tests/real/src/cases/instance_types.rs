//! Instance types for a case: families and sizes as EC2 has them, prices close to linear with a
//! small premium per size, so that ties and near ties occur as in life.

use std::fmt::Write as _;

use crate::random::Random;

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
const SIZES: [(&str, usize); 7] = [
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
];
/// Family, MiB per vCPU, price per vCPU in 10⁻⁵ $ per hour, architecture.
const FAMILIES: [(&str, usize, usize, &str); 10] = [
    ("c5", 2048, 4800, "amd64"),
    ("c6i", 2048, 4800, "amd64"),
    ("c6g", 2048, 3850, "arm64"),
    ("c7g", 2048, 4080, "arm64"),
    ("m5", 4096, 5900, "amd64"),
    ("m6i", 4096, 5900, "amd64"),
    ("m7g", 4096, 5015, "arm64"),
    ("r5", 8192, 7600, "amd64"),
    ("r6i", 8192, 7600, "amd64"),
    ("r7g", 8192, 6470, "arm64"),
];

/// The CSV.
pub(super) fn table(kind: &str, random: &mut Random) -> String {
    let largest = random.between(2, SIZES.len());
    let spot = matches!(kind, "spot" | "mix");
    let mut text = String::from(
        "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type\n",
    );
    for (family, memory_per_cpu, price, arch) in FAMILIES {
        for (size, vcpus) in &SIZES[..largest] {
            let zones = zones(random);
            let row = Row {
                name: format!("{family}.{size}"),
                arch,
                cpu: vcpus * 1000 - 70 - vcpus * 5 / 2,
                memory: vcpus * memory_per_cpu * 925 / 1000 - 355 - vcpus * 40,
                pods: if *vcpus <= 2 {
                    29
                } else if *vcpus <= 8 {
                    58
                } else {
                    110
                },
            };
            row.write(&mut text, price * vcpus, &zones, "on-demand");
            if spot {
                for zone in &zones {
                    let share = random.between(28, 62);
                    row.write(&mut text, price * vcpus * share / 100, &[*zone], "spot");
                }
            }
        }
    }
    text
}

fn zones(random: &mut Random) -> Vec<&'static str> {
    if random.once_in(6) { vec![ZONES[0], ZONES[random.between(1, 2)]] } else { ZONES.to_vec() }
}

struct Row {
    name: String,
    arch: &'static str,
    cpu: usize,
    memory: usize,
    pods: usize,
}

impl Row {
    fn write(&self, text: &mut String, price: usize, zones: &[&str], capacity_type: &str) {
        let Self { name, arch, cpu, memory, pods } = self;
        let (dollars, rest) = (price / 100_000, price % 100_000);
        let zones = zones.join(";");
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name},{arch},{cpu},{memory},{pods},{dollars}.{rest:05},{zones},{capacity_type}"
        );
    }
}
