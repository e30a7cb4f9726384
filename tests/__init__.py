"""The tests: a map of what webkit does. Each test's name is a sentence, its body the example."""
