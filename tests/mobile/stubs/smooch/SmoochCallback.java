package io.smooch.core;

public interface SmoochCallback<T> {
    void run(Response<T> response);

    class Response<T> {
        public String getError() {
            return null;
        }
    }
}
