//! Tests of the parts that need a server: see also the pure tests beside each part.
