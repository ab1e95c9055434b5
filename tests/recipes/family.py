"""A family of checkpoints whose quirks the loader would not guess; everything that is not said is as usual."""

from baserate.networks.families import Family, family

family(
    Family(
        "acme",
        "Acme: an ESM whose length must be a multiple of 8",
        matches=lambda config: "acme_version" in config,  # the content of its config.json
        multiple_of=8,
        quirks="Sequences are cut to a multiple of 8 bases.",
    )
)
