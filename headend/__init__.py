"""The operator's tools: keys, bundles, repositories.  Never installed on a box."""
