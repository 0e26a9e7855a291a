"""Properties of the whole: random lives through the real way in against oracles, time travel, restriction."""
