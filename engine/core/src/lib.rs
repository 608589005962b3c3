//! The engine: text becomes a document, a graph, a plan, a journalled run. Knows no cloud.
