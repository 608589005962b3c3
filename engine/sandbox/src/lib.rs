//! A simulated AWS account and EKS cluster that speak the real wire protocols on loopback.
