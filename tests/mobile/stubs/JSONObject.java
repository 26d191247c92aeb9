// The parts of Android's JSON that docs/mobile.md uses.
package org.json;

public class JSONObject {
    public JSONObject(String json) {}

    public String getString(String name) {
        return name;
    }

    public boolean getBoolean(String name) {
        return name.isEmpty();
    }

    public String optString(String name) {
        return name;
    }
}
