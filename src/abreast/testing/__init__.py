"""Tools for the tests of programs that use abreast: conformance suites and their hosts."""
