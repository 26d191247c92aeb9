package io.smooch.core;

public interface AuthenticationError {}
