package io.smooch.core;

public class Smooch {
    public static void login(String externalId, String jwt, SmoochCallback<?> callback) {}

    public static void logout(SmoochCallback<?> callback) {}
}
