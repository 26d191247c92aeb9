package io.smooch.core;

public interface AuthenticationDelegate {
    void onInvalidAuth(AuthenticationError error, AuthenticationCallback callback);
}
