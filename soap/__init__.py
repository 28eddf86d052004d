"""The SOAP door: the package for everything that speaks SOAP to callers; it holds no code yet."""
