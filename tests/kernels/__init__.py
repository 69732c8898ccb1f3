"""The compiled kernels against the loop of `sunhwan.ops.reference`, which they must equal."""
