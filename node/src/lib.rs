//! The binary tertulia: command line, HTTP, gRPC and telemetry; it wires the others together.
