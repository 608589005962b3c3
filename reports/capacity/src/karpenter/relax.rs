//! Giving up preferences, one at a time, in Karpenter's order.

use crate::pod::{Effect, PodTemplate, Toleration, TolerationOperator, WhenUnsatisfiable};

/// The pod with one wish less; none when there is nothing left to give up.
///
/// Alternatives of required node affinity go first (all but the last), then the heaviest preferred
/// pod affinity, pod anti-affinity and node affinity, then spreads that may be violated, and last a
/// toleration for taints that only prefer is added, if any pool has such a taint.
pub(crate) fn relax(template: &PodTemplate, a_pool_prefers: bool) -> Option<PodTemplate> {
    let mut relaxed = template.clone();
    if relaxed.node_affinity.len() > 1 {
        relaxed.node_affinity.remove(0);
    } else if !(drop_heaviest(&mut relaxed.preferred_affinity)
        || drop_heaviest(&mut relaxed.preferred_anti_affinity)
        || drop_heaviest(&mut relaxed.preferred_node_affinity)
        || drop_soft_spread(&mut relaxed)
        || (a_pool_prefers && tolerate_preferences(&mut relaxed)))
    {
        return None;
    }
    Some(relaxed)
}

fn drop_heaviest<T>(terms: &mut Vec<(i32, T)>) -> bool {
    if terms.is_empty() {
        return false;
    }
    terms.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    terms.remove(0);
    true
}

/// The first such spread; the last of the list takes its place.
fn drop_soft_spread(template: &mut PodTemplate) -> bool {
    let soft = template
        .spread
        .iter()
        .position(|spread| spread.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway);
    soft.map(|index| template.spread.swap_remove(index)).is_some()
}

fn tolerate_preferences(template: &mut PodTemplate) -> bool {
    let toleration = Toleration {
        operator: TolerationOperator::Exists,
        effect: Some(Effect::PreferNoSchedule),
        ..Toleration::default()
    };
    if template.tolerations.contains(&toleration) {
        return false;
    }
    template.tolerations.push(toleration);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_requirement::{NodeRequirement, Operator};
    use crate::pod::{NodeInclusion, PodTerm, Spread};

    #[test]
    fn wishes_are_given_up_in_order() {
        let requirement = |value| vec![NodeRequirement::new("k", Operator::In, &[value])];
        let spread = |when_unsatisfiable| Spread {
            topology_key: "zone".to_owned(),
            max_skew: 1,
            min_domains: None,
            when_unsatisfiable,
            selector: None,
            match_label_keys: Vec::new(),
            node_affinity_policy: NodeInclusion::Honor,
            node_taints_policy: NodeInclusion::Ignore,
        };
        let mut template = PodTemplate {
            node_affinity: vec![requirement("a"), requirement("b")],
            preferred_node_affinity: vec![(1, requirement("light")), (9, requirement("heavy"))],
            preferred_affinity: vec![(1, PodTerm::default())],
            preferred_anti_affinity: vec![(1, PodTerm::default())],
            spread: vec![
                spread(WhenUnsatisfiable::ScheduleAnyway),
                spread(WhenUnsatisfiable::DoNotSchedule),
            ],
            ..PodTemplate::default()
        };
        let mut counts = Vec::new();
        while let Some(relaxed) = relax(&template, true) {
            template = relaxed;
            counts.push((
                template.node_affinity.len(),
                template.preferred_affinity.len(),
                template.preferred_anti_affinity.len(),
                template.preferred_node_affinity.len(),
                template.spread.len(),
                template.tolerations.len(),
            ));
        }
        assert_eq!(
            counts,
            [
                (1, 1, 1, 2, 2, 0),
                (1, 0, 1, 2, 2, 0),
                (1, 0, 0, 2, 2, 0),
                (1, 0, 0, 1, 2, 0),
                (1, 0, 0, 0, 2, 0),
                (1, 0, 0, 0, 1, 0),
                (1, 0, 0, 0, 1, 1),
            ]
        );
        assert_eq!(template.node_affinity, [requirement("b")]);
    }
}
