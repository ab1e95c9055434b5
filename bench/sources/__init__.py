"""Where examples come from: tables, genomes with intervals or variants, and installed data packages."""
