//! How many of something, in words that agree.

/// `1 pod`, `2 pods`.
pub fn counted(count: impl TryInto<i64>, one: &str, many: &str) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_none_is_many() {
        let pods = |count: usize| counted(count, "pod", "pods");
        assert_eq!([0, 1, 2].map(pods), ["0 pods", "1 pod", "2 pods"]);
    }
}
