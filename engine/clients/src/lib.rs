//! Connections: AWS, Kubernetes and Helm, with one retry policy above transports that never retry.
