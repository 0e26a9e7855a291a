"""Cases beside the models (sql/**/*.test.yaml) are tests too, wherever pytest is called from."""

pytest_plugins = ("trialwise.transform.testing",)
