"""What good data is: Great Expectations suites, the profiles they judge, and the checks made from them."""
