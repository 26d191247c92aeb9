package io.smooch.core;

public interface AuthenticationCallback {
    void updateToken(String jwt);
}
