"""What flakeship reads and writes, with which programs that is tested: what docs/compatibility.md is made of."""
