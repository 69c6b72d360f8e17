//! Session actors, the router, the GPU actor and admission.
