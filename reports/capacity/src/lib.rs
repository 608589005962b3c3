//! Instance catalogue, price book, Fargate sizing and Karpenter packing: pure functions over data.
